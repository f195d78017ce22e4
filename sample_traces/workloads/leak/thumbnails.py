#!/usr/bin/python3
"""Computes without a pause for 18 s: as much as a CPU has."""

import time

SECONDS = 18

if __name__ == "__main__":
    end = time.monotonic() + SECONDS
    n = 1
    while time.monotonic() < end:
        for _ in range(100_000):
            n = n * 48271 % 0x7FFFFFFF
