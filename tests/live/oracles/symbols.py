"""Processes whose functions are known by their addresses, and a resolver to ask about them."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysmon.recorder.sample import procfs
from sysmon.recorder.symbols.resolver import Resolved, Resolver
from tests.live.recording import start_ticks_ns

C = """
#include <stdio.h>
#include <unistd.h>
__attribute__((noinline)) static int hidden(int x) { return getpid() + x; }
__attribute__((noinline)) int shown(int x) { return hidden(x) * 2; }
int main(void) { printf("%p %p %p\\n", (void *)shown, (void *)hidden, (void *)puts); fflush(stdout); for (;;) pause(); }
"""

COMPILES = """
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char *at = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), name[64];
    if (argc > 1) {
        sprintf(name, "/tmp/perf-%d.map", getpid());
        FILE *functions = fopen(name, "w");
        fprintf(functions, "%lx 20 first\\n", (long)at);
        fprintf(functions, "%lx 10 py::second thing:/a file.py\\nnonsense\\n", (long)at + 0x20);
        fclose(functions);
    }
    printf("%p %p %p\\n", at, at + 0x2f, at + 0x30);
    fflush(stdout);
    for (;;) pause();
}
"""


def compiled(path: Path, *options: str, code: str = C, compiler: str = "gcc") -> Path:
    """A program with these options of the compiler."""
    language = {"gcc": "c", "g++": "c++"}[compiler]
    subprocess.run([compiler, "-x", language, "-", "-o", path, *options], input=code, text=True, check=True)
    return path


@dataclass
class Running:
    """A process that told addresses of its functions."""

    pid: int
    start: int
    uid: int
    addresses: list[int]


@contextlib.contextmanager
def running(*command: Path | str, **popen: Any) -> Iterator[Running]:
    """It and its children end with the context."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **popen) as process:
        assert process.stdout
        try:
            addresses = [int(word, 16) for word in process.stdout.readline().split()]
            uid = procfs.process(process.pid)
            assert uid and uid.ids.uid is not None
            yield Running(process.pid, start_ticks_ns(process.pid), uid.ids.uid, addresses)
        finally:
            process.kill()


@contextlib.contextmanager
def resolver() -> Iterator[Resolver]:
    """With its child, as in a recording."""
    found = Resolver()
    try:
        yield found
    finally:
        found.close(0)


def answers(asked: Resolver, of: Running, *addresses: int, seconds: float = 20) -> list[Resolved]:
    """What is said of these addresses, or of those that the process told; in this order."""
    wanted = list(addresses or of.addresses)
    asked.ask(of.pid, of.start, of.uid, wanted)
    return outstanding(asked, of, *wanted, seconds=seconds)


def outstanding(asked: Resolver, of: Running, *wanted: int, seconds: float = 20) -> list[Resolved]:
    """What is said of addresses that were asked for."""
    found: dict[int, Resolved] = {}
    until = time.monotonic() + seconds
    while not found.keys() >= set(wanted) and time.monotonic() < until:
        found |= {answer.address: answer for answer in asked.poll() if answer.pid == of.pid}
        time.sleep(0.005)
    return [found[address] for address in wanted]


def names(found: list[Resolved]) -> list[str | None]:
    """The innermost function of each, or why it is unknown."""
    return [(each.frames[0].function if each.frames else "") or each.missing for each in found]


def readers_of(asked: Resolver) -> dict[int, int]:
    """Its readers: user → pid."""
    return {_uid(pid): pid for pid in children(asked)}


def children(asked: Resolver) -> list[int]:
    """The pids of all its readers."""
    return [int(pid) for pid in Path(f"/proc/{asked.pid}/task/{asked.pid}/children").read_text().split()]


def _uid(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[1])
