"""Disks for tests, and what the kernel's own tracing says of their requests."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SLOW_FS = Path(__file__).parents[3] / "sample_traces" / "workloads" / "slow_disk" / "slow_fs.py"
EVENTS = ("block_rq_issue", "block_rq_complete")

_LINE = re.compile(r"\s([\d.]+): (block_rq_\w+): (\d+),(\d+) (\S+) (?:\d+ )?\(\) (\d+) \+ (\d+)")


@contextlib.contextmanager
def loop(backing: Path) -> Iterator[str]:
    """A loop device over a file: its name. It may be detached before the end."""
    name = subprocess.run(
        ["losetup", "--find", "--show", backing], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        yield name.removeprefix("/dev/")
    finally:
        attached = Path(f"/sys/block/{name.removeprefix('/dev/')}/loop/backing_file")
        if attached.exists() and attached.read_text().strip() == str(backing):
            detach(name.removeprefix("/dev/"))


def detach(name: str) -> None:
    subprocess.run(["losetup", "--detach", f"/dev/{name}"], check=True)


@contextlib.contextmanager
def slow_file(folder: Path, size: int, seconds: float) -> Iterator[Path]:
    """A file of a file system in which each read and each write takes this long."""
    folder.mkdir()
    server = subprocess.Popen(
        [sys.executable, "-I", SLOW_FS, str(folder), str(size), str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin and server.stdout
    try:
        yield Path(server.stdout.readline().rstrip("\n"))
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
        server.stdin.close()
        server.kill()
        server.wait()
        server.stdout.close()


def stat(name: str) -> dict[str, int]:
    """/sys/block/NAME/stat: what ended since the device exists, and what is in flight."""
    n = list(map(int, Path(f"/sys/block/{name}/stat").read_text().split()))
    return {
        "reads": n[0], "read_bytes": n[2] * 512, "writes": n[4], "write_bytes": n[6] * 512, "in_flight": n[8],
        "discards": n[11], "discard_bytes": n[13] * 512, "flushes": n[15],
    }  # fmt: skip


@dataclass(frozen=True)
class Served:
    """A request as the kernel's tracing saw it."""

    device: int
    kind: str
    sector: int
    issued_ns: int
    ended_ns: int


class BlockTrace:
    """The kernel's own trace of the block layer, in an instance of tracefs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def served(self) -> list[Served]:
        """The requests that were issued and ended, in order of their ends."""
        issued: dict[tuple[int, int], int] = {}
        found = []
        for at, event, major, minor, kind, sector, _sectors in _LINE.findall((self._folder / "trace").read_text()):
            device, ns = os.makedev(int(major), int(minor)), round(float(at) * 1e9)
            if event == "block_rq_issue":
                issued[device, int(sector)] = ns
            elif (device, int(sector)) in issued:
                found.append(Served(device, kind, int(sector), issued.pop((device, int(sector))), ns))
        return found


@contextlib.contextmanager
def traced(folder: Path, *devices: int) -> Iterator[BlockTrace]:
    """Traces requests of these devices, in a tracefs of our own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tracefs", "none", folder], check=True)
    instance = folder / "instances" / f"sysmon-{os.getpid()}"
    try:
        instance.mkdir()
        (instance / "trace_clock").write_text("boot")
        (instance / "buffer_size_kb").write_text("8192")
        kernels = " || ".join(f"dev == {os.major(d) << 20 | os.minor(d)}" for d in devices)
        for event in EVENTS:
            (instance / "events/block" / event / "filter").write_text(kernels)
            (instance / "events/block" / event / "enable").write_text("1")
        yield BlockTrace(instance)
    finally:
        for event in EVENTS:
            (instance / "events/block" / event / "enable").write_text("0")
        instance.rmdir()
        subprocess.run(["umount", folder], check=True)
