"""Limits under which sysmon cannot work: of the process (getrlimit(2)) and of its control groups, each with what to do.

Some have no error that could be told later: libraries abort where no thread starts or address space ends, and the
kernel kills who takes more memory than its control group may have. So they are looked at before anything is imported,
and nothing but the standard library is imported here.
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

FILES = {True: 256, False: 64}
"""Descriptors: with all kinds a recording takes 150, a page with charts 20 and one for each thread."""

SPACE_BYTES = {True: 1 << 30, False: 3 << 30}
"""Address space. Two CPUs: a recording works in 0.5 GB, a report in 2.5, as DuckDB and its threads reserve much."""

MEMORY_BYTES = 200 << 20
"""What the compiler and a recording take with the kernel's part, as maps and what the verifier keeps, with two CPUs."""

FILE_BYTES = 1 << 20
"""A trace of a few rows has 60 kB."""

THREADS = 6 + min(8, os.cpu_count() or 1)
"""At a time: DuckDB's and two, or a recorder's, that loads programs in two of them, with its child processes."""

OF_GROUPS = (
    ("memory.max", "memory.current", ("inactive_file", "active_file")),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
)
"""Files of a control group, version 2 and 1: what it may use, what it does, and what of that can be given back."""


def begin() -> None:
    """Ends the program with one line if it cannot work. Called before modules that would abort are imported."""
    if not isolation.is_program():
        return
    # OpenBLAS, which numpy brings and nothing here uses, starts a thread for each CPU, and ends us if it cannot.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    problem = of_process(records=sys.argv[1:2] != [] and sys.argv[1] in RECORDS)
    if problem:
        sys.exit(f"sysmon: {problem}")


def of_process(records: bool) -> str:
    """Why this process can do nothing; empty: it can."""
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
    """Whether so many can live at a time. They have ended when this returns, or will at once."""
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
    """What a control group may use [bytes], in which file that is said, and how much of it is left."""

    file: Path
    limit: int
    left: int


def of_memory(groups: Path = Path("/proc/self/cgroup"), mounts: Path = Path("/proc/self/mounts")) -> Memory | None:
    """The limit of memory that leaves the least, of our control group and of those above it; None: there is none."""
    found = [memory for folder in _folders(groups, mounts) if (memory := _memory(folder))]
    return min(found, key=lambda memory: memory.left, default=None)


def _folders(groups: Path, mounts: Path) -> Iterator[Path]:
    """Our groups in each hierarchy that may bound memory, from the innermost."""
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
        if most < os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"):  # version 1 has 2^63 for none
            return Memory(folder / limit, most, most - max(0, taken))
    return None


def for_recording(memory: Memory | None, buffer_bytes: int = 0) -> str:
    """Why memory is too little to record; empty: it is enough. `buffer_bytes` are what was asked for besides."""
    needed = MEMORY_BYTES + buffer_bytes
    return f"a recording needs about {_mib(needed)}, and {said(memory)}" if memory and memory.left < needed else ""


def said(memory: Memory) -> str:
    """Of a limit, with what to do."""
    return (
        f"of {_mib(memory.limit)} that the control group may use ({memory.file}) {_mib(memory.left)} are left: allow "
        "more (MemoryMax= of a unit, --memory of a container), or record from outside of it"
    )


def behind(code: int | None) -> str:
    """What stands behind an error of the kernel's for want of memory, for the end of a line; empty: nothing known."""
    import errno

    memory = of_memory()
    if code == errno.ENOMEM and memory:
        return said(memory)
    if code == errno.EPERM and _soft(resource.RLIMIT_MEMLOCK) != float("inf"):
        return "before Linux 5.11 maps are locked memory: `ulimit -l unlimited`, LimitMEMLOCK=infinity of a unit"
    return "try `sysmon doctor`"
