#!/usr/bin/python3
"""A catalogue of 96 MiB in memory. It is the largest process, but does not grow."""

import time

SECONDS = 20

if __name__ == "__main__":
    catalogue = bytearray(b"c") * (96 << 20)
    for i in range(SECONDS * 10):
        catalogue[i] = 0
        time.sleep(0.1)
