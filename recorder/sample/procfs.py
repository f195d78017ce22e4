"""Reads /proc: the live processes, and the system calls that threads are in."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmon.bpf.kind import TICK_NS

PF_KTHREAD = 0x00200000  # include/linux/sched.h

PF_FORKNOEXEC = 0x00000040

ARGV_BYTES = 4096

ENDED = (b"Z", b"X")
"""States of a thread that has ended and left only its status (proc_pid_stat(5))."""


@dataclass(frozen=True)
class Ids:
    """Users and groups of a process, and its pid in its own pid namespace."""

    uid: int | None = None
    euid: int | None = None
    gid: int | None = None
    egid: int | None = None
    ns_pid: int | None = None


@dataclass(frozen=True)
class Program:
    """The program of a process, and where it is. What is unknown is None."""

    path: bytes | None
    file: tuple[int, int] | None  # device and inode
    argv: bytes | None  # its argument area
    mount_namespace: int | None


@dataclass(frozen=True)
class Process:
    """One process. What cannot be read is None. `start` is ns since boot; from /proc it and `cpu_ns` are in whole
    ticks.

    If its first thread has ended while others live, thread attributes are one of theirs.
    """

    pid: int
    start: int
    state: str  # of the first thread, or of one that lives
    ppid: int
    ids: Ids
    comm: bytes
    program: Program
    kernel_thread: bool
    threads: int
    cpu_ns: int
    parent_start: int | None = None
    cgroup_id: int | None = None


def _read(path: str, limit: int = 65536) -> bytes | None:
    try:
        with open(path, "rb") as f:
            return f.read(limit)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None


def _link(path: str) -> bytes | None:
    try:
        return os.readlink(os.fsencode(path))
    except OSError:
        return None


def _state(folder: str) -> bytes:
    """The state letter of a process or thread; empty if there is none."""
    stat = _read(f"{folder}/stat") or b""
    return stat[stat.rfind(b")") + 2 :][:1]


def living(pid: int) -> str:
    """The folder of the process or, if its first thread has ended, of a live thread; a zombie's own."""
    own = f"/proc/{pid}"
    if _state(own) not in ENDED:
        return own
    try:
        tids = os.listdir(f"{own}/task")
    except OSError:
        return own
    folders = (f"{own}/task/{tid}" for tid in tids if tid != str(pid))
    return next((folder for folder in folders if _state(folder) not in (b"", *ENDED)), own)


def _ids(pid: int) -> Ids:
    return ids(_read(f"/proc/{pid}/status") or b"")


def ids(status: bytes) -> Ids:
    """What this /proc/PID/status tells of them."""
    found: dict[str, int] = {}
    for line in status.splitlines():
        if line.startswith(b"Uid:"):
            found["uid"], found["euid"] = map(int, line.split()[1:3])
        elif line.startswith(b"Gid:"):
            found["gid"], found["egid"] = map(int, line.split()[1:3])
        elif line.startswith(b"NSpid:"):
            found["ns_pid"] = int(line.split()[-1])
    return Ids(**found)


MEMFD = b"/memfd:"
REMOVED = b" (deleted)"


def _program(folder: str) -> bytes | None:
    """Path of a process's program. The kernel shows a file in no directory as a deleted file of the root directory."""
    path = _link(f"{folder}/exe")
    return path[1:].removesuffix(REMOVED) if path and path.startswith(MEMFD) else path


def _file(folder: str) -> tuple[int, int] | None:
    try:
        found = os.stat(f"{folder}/exe")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def mount_namespace(pid: int) -> int | None:
    """The mount namespace of a process; None if it has ended, or without permission."""
    return _mount_namespace(f"/proc/{pid}")


def _mount_namespace(folder: str) -> int | None:
    name = _link(f"{folder}/ns/mnt") or b""
    return int(name[5:-1]) if name.startswith(b"mnt:[") else None


def status(pid: int, lines: dict[bytes, str]) -> dict[str, int]:
    """Sizes from /proc/PID/status (kB there) in bytes, by the names that `lines` gives to its lines."""
    found = _sizes(f"/proc/{pid}", lines)
    return found or ({} if (folder := living(pid)) == f"/proc/{pid}" else _sizes(folder, lines))


def _sizes(folder: str, lines: dict[bytes, str]) -> dict[str, int]:
    try:
        fd = os.open(f"{folder}/status", os.O_RDONLY)
    except OSError:
        return {}
    try:
        words = os.read(fd, 8192).split()
    except OSError:  # it has just ended
        return {}
    finally:
        os.close(fd)
    return {lines[word]: int(words[i + 1]) << 10 for i, word in enumerate(words[:-1]) if word in lines}


def process(pid: int) -> Process | None:
    """The process, or None if it does not exist."""
    stat = _read(f"/proc/{pid}/stat")
    if not stat:
        return None
    comm = stat[stat.index(b"(") + 1 : stat.rindex(b")")]
    field = _fields(stat)  # field[0] is field 3 of proc_pid_stat(5)
    kernel_thread = bool(int(field[6]) & PF_KTHREAD)
    state, folder = field[0], f"/proc/{pid}"
    if state in ENDED and (folder := living(pid)) != f"/proc/{pid}":
        state = _state(folder)
    return Process(
        pid=pid,
        start=start_of(stat),
        state=state.decode(),
        ppid=int(field[1]),
        ids=_ids(pid),
        comm=comm,
        program=program_of(folder, kernel_thread),
        kernel_thread=kernel_thread,
        threads=int(field[17]),
        cpu_ns=(int(field[11]) + int(field[12])) * TICK_NS,
    )


def program_of(folder: str, kernel_thread: bool) -> Program:
    """The program of a process or thread, from its folder."""
    if kernel_thread:
        return Program(None, None, None, _mount_namespace(folder))
    argv = _read(f"{folder}/cmdline", ARGV_BYTES + 1) or None
    return Program(_program(folder), _file(folder), argv, _mount_namespace(folder))


def _fields(stat: bytes) -> list[bytes]:
    """The fields of proc_pid_stat(5), from field 3 on."""
    return stat[stat.rfind(b")") + 2 :].split()


def start_of(stat: bytes) -> int:
    """When the process of this /proc/PID/stat began, in whole ticks [ns since boot]."""
    return int(_fields(stat)[19]) * TICK_NS


@contextlib.contextmanager
def folder(pid: int, start: int) -> Iterator[int]:
    """Context with the folder of this process, even if its pid is reused later. Raises OSError."""
    opened = os.open(f"/proc/{pid}", os.O_RDONLY | os.O_DIRECTORY)
    try:
        if start_of(read_at(opened, "stat")) != start // TICK_NS * TICK_NS:
            raise ProcessLookupError
        yield opened
    finally:
        os.close(opened)


def read_at(folder: int, name: str) -> bytes:
    """A file in such a folder. Raises OSError."""
    fd = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        return os.read(fd, 8192)
    finally:
        os.close(fd)


def is_forked(pid: int) -> bool:
    """Whether the process has not called execve since its fork, and so may share anonymous memory with its parent."""
    fields = _fields(_read(f"/proc/{pid}/stat") or b"")
    return len(fields) > 6 and bool(int(fields[6]) & PF_FORKNOEXEC)


def uid_of(pid: int) -> int | None:
    """The real user of a process; None: it has ended."""
    return _ids(pid).uid


def lives(pid: int) -> bool:
    """Whether the process exists and has not ended; a zombie has, unless some of its threads live."""
    return _state(living(pid)) not in (b"", *ENDED)


def pids() -> list[int]:
    """The pids of all processes."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def processes(chosen: Iterable[int] | None = None) -> Iterator[Process]:
    """Live processes, all or the chosen ones, including zombies that wait for their parent."""
    for pid in pids() if chosen is None else chosen:
        found = process(pid)
        if found:
            yield found


def blocked_calls(pid: int) -> Iterator[tuple[int, int]]:
    """(tid, system call number) of every thread of the process that sleeps in a system call.

    Needs permission to trace the process. Running threads are left out: the kernel says only "running"
    (proc_pid_syscall(), fs/proc/base.c). For a kernel thread it returns nonsense: do not ask.
    """
    try:
        tids = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return
    for tid in tids:
        first = (_read(f"/proc/{pid}/task/{tid}/syscall", 256) or b"").split(b" ", 1)[0]
        if first.isdigit():
            yield int(tid), int(first)


def sleeps(pid: int) -> bool:
    """Whether the process's first thread is in an interruptible wait."""
    stat = _read(f"/proc/{pid}/stat") or b""
    return stat[stat.rfind(b")") + 2 :][:1] == b"S"


def process_of_thread(tid: int) -> int | None:
    """The pid of a thread's process."""
    for line in (_read(f"/proc/{tid}/status") or b"").splitlines():
        if line.startswith(b"Tgid:"):
            return int(line.split()[1])
    return None


def thread_comm(tid: int) -> bytes | None:
    """The name of a thread."""
    name = _read(f"/proc/{tid}/comm")
    return None if name is None else name.rstrip(b"\n")


def pids_below(cgroup: Path) -> set[int]:
    """The pids in a cgroup and in those below it."""
    files = (Path(folder) / "cgroup.procs" for folder, _folders, _files in os.walk(cgroup))
    return {int(pid) for f in files for pid in (_read(str(f)) or b"").split()}


def rss_bytes() -> int:
    """Resident memory of this process [bytes]."""
    with open("/proc/self/statm", "rb") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
