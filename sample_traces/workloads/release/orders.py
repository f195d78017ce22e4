#!/usr/bin/python3
"""Four workers that each book 400 orders in 10 s: `orders.py 1` is one release of it, `orders.py 2` the next.

A worker locks the file that counts what is sold, reads it, writes it anew, and unlocks it. Release 2 has three
regressions: each twentieth order keeps the lock for 30 ms, so that `flock` of the others waits; each order looks for a
file that is not there; and each hundredth order runs gzip.
"""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

WORKERS = 4
ORDERS = 400
PERIOD_S = 0.025


def features() -> dict[str, bool]:
    """What release 2 switches on by a file that nobody has installed."""
    try:
        return dict(json.loads(Path("features.json").read_text()))
    except FileNotFoundError:
        return {}


def book(release: int, order: int) -> None:
    with open("sold", "rb+") as sold:
        fcntl.flock(sold, fcntl.LOCK_EX)
        count = int(sold.read()) + 1
        if release == 2 and order % 20 == 0:
            time.sleep(0.030)
        sold.seek(0)
        sold.write(b"%8d" % count)
    if release == 2:
        features()
        if order % 100 == 0:
            subprocess.run(["gzip", "--stdout", "sold"], stdout=subprocess.DEVNULL, check=True)


def work(release: int, worker: int) -> None:
    begun = time.monotonic() + worker * PERIOD_S / WORKERS
    for order in range(1, ORDERS + 1):
        time.sleep(max(0, begun + order * PERIOD_S - time.monotonic()))
        book(release, order)


def main() -> None:
    Path("sold").write_text("0")
    workers = [os.fork() or os._exit(work(int(sys.argv[1]), i) or 0) for i in range(WORKERS)]
    for _ in workers:
        os.wait()
    assert int(Path("sold").read_text()) == WORKERS * ORDERS


if __name__ == "__main__":
    main()
