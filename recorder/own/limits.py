"""Resource limits under which sysmon cannot work: the process's (getrlimit(2)) and its control groups', each with
advice.

Some cannot be reported later: libraries abort if no thread starts or address space runs out, and the kernel kills a
process that exceeds its control group's memory. So they are checked before anything else is imported, and this module
imports only the standard library.
"""

from __future__ import annotations

import _thread
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmon.recorder.own import isolation

RECORDS = ("record", "doctor")
"""The commands that load programs."""

FILES = {True: 384, False: 64}
"""Descriptors: a recording of all kinds uses 290, a page with charts 20 plus one per thread."""

SPACE_BYTES = {True: 1 << 30, False: 3 << 30}
"""Address space. With two CPUs a recording needs 0.5 GB and a report 2.5, as DuckDB and its threads reserve a lot."""

MEMORY_BYTES = 240 << 20
"""Memory of the compiler and a recording, with the kernel's share (maps, verifier), with two CPUs."""

FILE_BYTES = 1 << 20
"""A trace of a few rows is 60 kB."""

THREADS = 6 + min(8, os.cpu_count() or 1)
"""At a time: DuckDB's plus two; or a recorder's, which loads programs in two, plus its child processes."""

OF_GROUPS = (
    ("memory.max", "memory.current", ("inactive_file", "active_file")),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
)
"""Files of a control group, version 2 and 1: limit, usage, and the part of usage that can be reclaimed."""


def begin() -> None:
    """Exits with one line if sysmon cannot work. Called before modules that would abort are imported."""
    if not isolation.is_program():
        return
    # OpenBLAS, which comes with numpy and is not used here, starts a thread per CPU, and aborts if it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    problem = of_process(records=sys.argv[1:2] != [] and sys.argv[1] in RECORDS)
    if problem:
        sys.exit(f"sysmon: {problem}")


def of_process(records: bool) -> str:
    """Why this process cannot work; empty: it can."""
    files, space = _soft(resource.RLIMIT_NOFILE), _soft(resource.RLIMIT_AS)
    if files < FILES[records]:
        needed = FILES[records]
        return (
            f"at most {files} files may be open, but {needed} are needed: `ulimit -n {needed}`, LimitNOFILE= of a unit"
        )
    if space < SPACE_BYTES[records]:
        needed = SPACE_BYTES[records] >> 10
        return f"the address space is limited to {_mib(space)}: `ulimit -v {needed}`, or unlimited"
    if records and _soft(resource.RLIMIT_FSIZE) < FILE_BYTES:
        return f"files are limited to {_soft(resource.RLIMIT_FSIZE)} bytes: `ulimit -f unlimited`"
    if not _threads_start(THREADS):
        return (
            f"{THREADS} threads cannot be started: allow more with `ulimit -u`, in pids.max of the control group, as "
            "TasksMax= of a unit or --pids-limit of a container"
        )
    return ""


def _soft(which: int) -> float:
    limit = resource.getrlimit(which)[0]
    return float("inf") if limit == resource.RLIM_INFINITY else limit


def _mib(size: float) -> str:
    return f"{size / (1 << 20):.0f} MiB"


def _threads_start(count: int) -> bool:
    """Whether this many threads can run at a time. They have ended or are ending when this returns."""
    gate = _thread.allocate_lock()
    with gate:
        try:
            for _ in range(count):
                _thread.start_new_thread(_pass, (gate,))
        except RuntimeError:
            return False
    return True


def _pass(gate: _thread.LockType) -> None:
    with gate:
        pass


@dataclass(frozen=True)
class Memory:
    """A control group's limit [bytes], the file it is from, and how much of it is left."""

    file: Path
    limit: int
    left: int


def of_memory(groups: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/self/mounts")) -> Memory | None:
    """The tightest memory limit of our control group and those above it; None: there is none."""
    found = [memory for folder in _folders(groups, mounts) if (memory := _memory(folder))]
    return min(found, key=lambda memory: memory.left, default=None)


def _folders(groups: Path, mounts: Path) -> Iterator[Path]:
    """Our groups in each hierarchy that may limit memory, innermost first."""
    try:
        lines = [line.split(":", 2) for line in groups.read_text(errors="surrogateescape").splitlines()]
        mounted = [line.split() for line in mounts.read_text(errors="surrogateescape").splitlines()]
    except OSError:
        return
    for _number, controllers, path in lines:
        for _source, root, kind, options, *_ in mounted:
            first = kind == "cgroup" and all("memory" in text.split(",") for text in (controllers, options))
            if first or (kind == "cgroup2" and not controllers):
                folder = Path(root, path.lstrip("/"))
                yield from (each for each in (folder, *folder.parents) if each.is_relative_to(root))


def _memory(folder: Path) -> Memory | None:
    for limit, used, given_back in OF_GROUPS:
        try:
            most = int((folder / limit).read_text())  # ValueError: "max"
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            taken = int((folder / used).read_text()) - sum(int(stat[name]) for name in given_back)
        except (OSError, ValueError, KeyError):
            continue
        if most < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):  # version 1 shows 2^63 for no limit
            return Memory(folder / limit, most, most - max(0, taken))
    return None


def for_recording(memory: Memory | None, buffer_bytes: int = 0) -> str:
    """Why memory is insufficient for recording; empty: it suffices. `buffer_bytes`: size of requested buffers."""
    needed = MEMORY_BYTES + buffer_bytes
    return f"a recording needs about {_mib(needed)}, and {said(memory)}" if memory and memory.left < needed else ""


def said(memory: Memory) -> str:
    """Describes a limit, with advice."""
    return (
        f"of {_mib(memory.limit)} that the control group may use ({memory.file}) {_mib(memory.left)} are left: allow "
        "more (MemoryMax= of a unit, --memory of a container), or record from outside of it"
    )


def behind(code: int | None) -> str:
    """The likely cause of a kernel's out-of-memory error, for the end of a message; empty: unknown."""
    import errno

    memory = of_memory()
    if code == errno.ENOMEM and memory:
        return said(memory)
    if code == errno.EPERM and _soft(resource.RLIMIT_MEMLOCK) != float("inf"):
        return "before Linux 5.11 maps are locked memory: `ulimit -l unlimited`, LimitMEMLOCK=infinity of a unit"
    return "try `sysmon doctor`"
