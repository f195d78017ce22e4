#!/usr/bin/python3
"""Writes 256 MiB three times to the disk on which the database is, and syncs them: commits wait behind that."""

import os

MIB = 1 << 20

if __name__ == "__main__":
    noise = os.urandom(MIB)
    for _ in range(3):
        with open("backup.img", "wb", buffering=0) as image:
            for _ in range(256):
                image.write(noise)
            os.fsync(image)
