#!/usr/bin/python3
"""A session server that forgets to forget: it keeps 512 KiB more every quarter of a second, 120 MiB a minute."""

import time

KEPT_BYTES = 512 << 10
SECONDS = 20

if __name__ == "__main__":
    sessions = []
    for _ in range(SECONDS * 4):
        sessions.append(bytearray(b"s") * KEPT_BYTES)
        time.sleep(0.25)
