"""Kernel memory: what a process makes the kernel allocate is seen, and what its end frees."""

import subprocess
import time
from pathlib import Path

import pytest

from tests.live.recording import SYSMON, python, recording

pytestmark = pytest.mark.live

PIPES = 1009

HOLDS_PIPES = f"""
import os, resource, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
sys.stdin.readline()
pipes = [os.pipe() for _ in range({PIPES})]
print("open", flush=True)
sys.stdin.readline()
for a, b in pipes:
    os.close(a), os.close(b)
print("closed", flush=True)
sys.stdin.readline()
"""


def object_bytes() -> dict[str, int]:
    """Size of an object of each slab cache, as /proc/slabinfo has it."""
    lines = Path("/proc/slabinfo").read_text().splitlines()[2:]
    return {fields[0]: int(fields[3]) for fields in map(str.split, lines)}


def test_open_pipes_and_their_end(tmp_path: Path) -> None:
    size = object_bytes()
    buffers = size["kmalloc-1k"]  # 16 struct pipe_buffer of 40 bytes (fs/pipe.c)
    pipe = 2 * size["filp"] + size["inode_cache"] + size["dentry"] + buffers
    with (
        recording(tmp_path / "t.parquet", "--with", "kernel_memory", "--interval", "0.1") as r,
        python(HOLDS_PIPES, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
    ):
        assert child.stdin and child.stdout

        def tell(word: str) -> int:
            """Prints a word when told to."""
            assert child.stdin and child.stdout
            time.sleep(0.5)  # some snapshots, to separate what follows from what came before
            at = time.time_ns()
            child.stdin.write("go\n")
            child.stdin.flush()
            assert child.stdout.readline() == f"{word}\n"
            return at

        tell("open")
        opened = time.time_ns()
        closes = tell("closed")
        time.sleep(0.5)
        child.stdin.close()
    # A snapshot between the two separates the first phase from the second.
    between = r.one(f"SELECT min(epoch_ns(ts)) FROM clocks WHERE epoch_ns(ts) > {opened}")
    assert between < closes
    own = f"FROM kernel_memory WHERE pid = {child.pid} AND epoch_ns(ts) {{}} {between}"
    allocated, frees_before = r.rows(f"SELECT sum(allocated_bytes), sum(freed_bytes) {own.format('<=')}")[0]
    assert PIPES * pipe <= allocated - frees_before < PIPES * pipe * 1.5 + (2 << 20)
    # Inodes and dentries are freed by RCU, in interrupts or any process.
    freed, unknown = r.rows(f"SELECT sum(freed_bytes), sum(frees_of_unknown_size) {own.format('>')}")[0]
    assert freed >= PIPES * buffers
    assert unknown < PIPES / 10
    everywhere = r.one(f"SELECT sum(freed_bytes) FROM kernel_memory WHERE epoch_ns(ts) > {opened}")
    assert everywhere >= PIPES * pipe


def test_interrupts_are_counted_separately(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet", "--with", "kernel_memory") as r:
        # A datagram over loopback is received, and its buffer freed, in the softirq that sending it raises.
        sender = python(
            "import socket\na, b = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in 'ab')\n"
            "b.bind(('127.0.0.1', 0))\nfor i in range(3000): a.sendto(b'x' * 900, b.getsockname())\n"
        )
        assert sender.wait() == 0
    assert r.one("SELECT sum(frees) FROM kernel_memory WHERE pid IS NULL") > 0
    assert r.rows("SELECT comm FROM report.kernel_memory WHERE pid IS NULL") == [("(interrupts)",)]


def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet") as r:
        time.sleep(0.2)
    assert r.rows("FROM kernel_memory") == []


def test_an_unknown_kind_is_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [SYSMON, "record", "-o", tmp_path / "t.parquet", "--with", "kernel_memroy"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "sysmon: --with: there is no kind 'kernel_memroy'; did you mean kernel_memory or memory?\n"
