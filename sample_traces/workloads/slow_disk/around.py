#!/usr/bin/python3
"""Runs a command while ./volume is an ext4 on a slow disk: a loop device whose file takes 30 ms for each write."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

BYTES = 16 << 20
SECONDS = "0.030"
# Without a journal, which a thread of the kernel would write, and with nothing left to write after the mount.
FORMAT = ("-q", "-O", "^has_journal", "-N", "64", "-E", "lazy_itable_init=0")


def run(*command: str | Path) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def main(command: list[str]) -> int:
    below, volume = Path("slow").absolute(), Path("volume").absolute()
    below.mkdir()
    volume.mkdir()
    with ExitStack() as undo:
        server = subprocess.Popen(
            ["./slow_fs.py", below, str(BYTES), SECONDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert server.stdin and server.stdout
        undo.enter_context(server)
        file = server.stdout.readline().strip()
        undo.callback(run, "umount", below)
        device = run("/sbin/losetup", "--find", "--show", file)
        undo.callback(run, "/sbin/losetup", "--detach", device)
        run("/sbin/mkfs.ext4", *FORMAT, device)
        run("mount", "-t", "ext4", device, volume)
        undo.callback(run, "umount", volume)
        run("sync", "--file-system", volume)
        return subprocess.call(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
