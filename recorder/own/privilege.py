"""The privileges that recording needs, and how they are dropped.

Capabilities belong to a thread (capabilities(7)): each call here that changes them affects the calling thread, and
threads that it starts later.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import stat
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysmon.errors import CannotRecord

CAPABILITIES = {
    "CAP_DAC_OVERRIDE": 1,
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_FOWNER": 3,
    "CAP_KILL": 5,
    "CAP_SETGID": 6,
    "CAP_SETUID": 7,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_NICE": 23,
    "CAP_SYS_RESOURCE": 24,
    "CAP_SYSLOG": 34,
    "CAP_PERFMON": 38,
    "CAP_BPF": 39,
}
"""Bits of capabilities(7)."""

NEEDED = ("CAP_BPF", "CAP_PERFMON")
"""Without these nothing can be recorded."""

OF_FILES = ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER")

LOCKDOWN = Path("/sys/kernel/security/lockdown")
MOUNTS = Path("/proc/self/mounts")
STATS_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")

READING_IS_LOCKED = "the kernel is locked down (confidentiality): BPF may not read its memory"

_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words of each set
_SET_PDEATHSIG, _SET_KEEPCAPS, _CAPBSET_DROP, _SET_NO_NEW_PRIVS, _CAP_AMBIENT = 1, 8, 24, 38, 47  # uapi/linux/prctl.h
_AMBIENT_CLEAR_ALL = 4

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Words(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def _checked(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _prctl(option: int, argument: int) -> None:
    zero = ctypes.c_ulong(0)
    _checked(_libc.prctl(option, ctypes.c_ulong(argument), zero, zero, zero))


def _held(line: str) -> int:
    """One of this thread's sets, as bits."""
    with open("/proc/thread-self/status") as status:
        return next(int(words.split()[1], 16) for words in status if words.startswith(line))


def _capset(effective: int, permitted: int, inheritable: int = 0) -> None:
    """What is removed from the inheritable set leaves the ambient set too."""
    sets = (effective, permitted, inheritable)
    words = (_Words * 2)(*(_Words(*(bits >> shift & 0xFFFFFFFF for bits in sets)) for shift in (0, 32)))
    _checked(_libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), words))


def _bits(names: frozenset[str]) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)


def effective() -> frozenset[str]:
    """Which of CAPABILITIES this thread has."""
    bits = _held("CapEff:")
    return frozenset(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)


# -- what is there, and what is missing


def missing() -> list[str]:
    """What is missing of NEEDED. CAP_SYS_ADMIN includes them (bpf_capable(), include/linux/capability.h)."""
    held = effective()
    return [] if "CAP_SYS_ADMIN" in held else [name for name in NEEDED if name not in held]


def may_record() -> bool:
    """Whether programs can be loaded and attached."""
    return not missing()


def check() -> None:
    """Raises CannotRecord."""
    if lacking := missing():
        raise CannotRecord(
            "recording needs root: run it with sudo, `sudo sysmon record …`; or it needs CAP_BPF and CAP_PERFMON, but "
            f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} missing: see docs/privileges.md. Reports "
            "need no privileges"
        )


def lockdown(path: Path = LOCKDOWN) -> str:
    """The mode of kernel_lockdown(7): 'none', 'integrity' or 'confidentiality'; 'none' if the kernel lacks it."""
    try:
        return path.read_text().split("[")[1].split("]")[0]
    except (OSError, IndexError):
        return "none"


def reading_is_locked(path: Path = LOCKDOWN) -> bool:
    """Whether the kernel refuses programs that read its memory (LOCKDOWN_BPF_READ_KERNEL, include/linux/security.h)."""
    return lockdown(path) == "confidentiality"


def hides_processes(mounts: Path = MOUNTS) -> bool:
    """Whether /proc shows a process only to those who may trace it (hidepid of proc(5))."""
    with open(mounts) as f:
        options = next((words[3] for words in map(str.split, f) if words[1:3] == ["/proc", "proc"]), "")
    hidden = [option for option in options.split(",") if option.startswith("hidepid=")]
    return bool(hidden) and hidden[0] not in ("hidepid=0", "hidepid=off")


def stats_are_on(path: Path = STATS_SWITCH) -> bool:
    """Whether the kernel already measures the run time of all BPF programs."""
    try:
        return path.read_text().strip() == "1"
    except OSError:
        return False


def unmeasured(held: frozenset[str], peaks_are_hidden: bool = False) -> dict[str, str]:
    """What a recording with these capabilities cannot measure, and why.

    `peaks_are_hidden`: the kernel hides the address that exact memory peaks need.
    """
    lacks = {}
    if "CAP_SYS_PTRACE" not in held:
        what = "at either end, of other users' processes"
        lacks["process.path"] = f"{what}: needs CAP_SYS_PTRACE"
        lacks["syscall_inflight"] = "calls of other users' processes that began before: needs CAP_SYS_PTRACE"
        if hides_processes():
            lacks["process"] = f"{what}: /proc is mounted with hidepid, and CAP_SYS_PTRACE is missing"
            lacks["memory"] = "of other users' processes: likewise"
        lacks["pss"] = "of other users' processes: needs CAP_SYS_PTRACE"
    if "CAP_SYS_ADMIN" not in held and not stats_are_on():
        lacks["overhead"] = "of programs: needs CAP_SYS_ADMIN, or sysctl kernel.bpf_stats_enabled=1"
    if peaks_are_hidden:
        lacks["exit.peak_rss_bytes"] = "to the page, only within a batch of each CPU: needs CAP_SYSLOG"
    return lacks


# -- dropping privileges


def _never_more(kept: frozenset[str]) -> None:
    """Keeps this thread from gaining other capabilities by executing a program, even as root."""
    with contextlib.suppress(OSError):  # without CAP_SETPCAP; EINVAL after the last capability that this kernel has
        for bit in range(64):
            if not _bits(kept) >> bit & 1:
                _prctl(_CAPBSET_DROP, bit)
    with contextlib.suppress(OSError):  # before 4.3
        _prctl(_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)


def reduce(kept: frozenset[str]) -> None:
    """Drops all of this thread's capabilities except these, for good."""
    _never_more(kept)
    bits = _bits(kept) & _held("CapPrm:")
    _capset(bits, bits)
    _prctl(_SET_NO_NEW_PRIVS, 1)


def become(user: User, kept: frozenset[str]) -> None:
    """Does `reduce`, and makes this process the user's. Its other threads lose all capabilities."""
    _never_more(kept)  # while still permitted
    _prctl(_SET_KEEPCAPS, 1)
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    reduce(kept)


def end_with_parent() -> None:
    """Has this process get SIGKILL when the thread that forked it ends. Call it after `reduce`, which resets it."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def for_compiler() -> None:
    """For root's compiler child, before it executes the compiler."""
    # bcc also creates the maps. The code may be in a directory that does not belong to root.
    reduce(frozenset({"CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_SYS_RESOURCE"}))


def end_blas_threads() -> None:
    """Ends OpenBLAS's threads, which it starts when numpy loads it. It ends them before a fork and starts new ones only
    to compute, which nothing here makes it do.
    """
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def in_thread(kept: frozenset[str], work: Callable[[], Any]) -> None:
    """Does work that starts threads, such as importing numpy and pyarrow, so that they have only these capabilities."""

    with futures.ThreadPoolExecutor(1, initializer=reduce, initargs=(kept,)) as pool:
        pool.submit(work).result()


@contextlib.contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Context in which this thread does not use these capabilities."""
    before, permitted, inheritable = (_held(f"Cap{which}:") for which in ("Eff", "Prm", "Inh"))
    _capset(before & ~_bits(frozenset(names)), permitted, inheritable)
    try:
        yield
    finally:
        _capset(before, permitted, inheritable)


# -- who owns the trace


@dataclass(frozen=True)
class User:
    """The user who called sudo."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def sudo_user() -> User | None:
    """The user who called sudo; None if that is root, or if the process may not change its user."""
    uid, gid = os.environ.get("SUDO_UID", ""), os.environ.get("SUDO_GID", "")
    if os.getresuid() != (0, 0, 0) or not {"CAP_SETUID", "CAP_SETGID"} <= effective():
        return None
    if not all(text.isascii() and text.isdigit() and int(text) < 2**32 - 1 for text in (uid, gid)) or not int(uid):
        return None
    try:
        groups = tuple(os.getgrouplist(pwd.getpwuid(int(uid)).pw_name, int(gid)))
    except KeyError:  # no such name: an id from another machine
        groups = (int(gid),)
    return User(int(uid), int(gid), groups)


@contextlib.contextmanager
def acting_as(user: User | None) -> Iterator[None]:
    """Context in which files are opened and created as this user; None: as the current one.

    So the kernel refuses what the user may not do, and no owner has to be changed, whatever links are in the path.
    """
    if user is None:
        yield
        return
    groups = os.getgroups()
    os.setgroups(user.groups)
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def owner(path: Path) -> User | None:
    """Who will own a trace of this name: the user behind sudo, if permitted to write it there, else root."""
    user = sudo_user()
    with acting_as(user):
        return user if user and _may_write(path, user.uid) else None


def _may_write(path: Path, uid: int) -> bool:
    """Whether the current user may create a file there, and replace one that exists."""
    try:
        folder = os.stat(path.parent)
        if not os.access(path.parent, os.W_OK | os.X_OK, effective_ids=True):
            return False
        if not folder.st_mode & stat.S_ISVTX or folder.st_uid == uid:
            return True
        return not os.path.lexists(path) or os.lstat(path).st_uid == uid
    except OSError:
        return False


def for_files(path: Path, user: User | None) -> frozenset[str]:
    """What it takes to finish the trace and to import modules late, besides being root or that user."""
    code = [Path(__file__), Path(os.__file__), Path(ctypes.__file__)]
    with contextlib.ExitStack() as stack:
        if user:
            stack.enter_context(acting_as(user))
        else:
            stack.enter_context(_without(OF_FILES))
        readable = all(os.access(file, os.R_OK, effective_ids=True) for file in code)
        writable = _may_write(path, os.geteuid())
    if not writable:
        return frozenset(OF_FILES)
    return frozenset() if readable else frozenset({"CAP_DAC_READ_SEARCH"})


# -- during a recording


@dataclass(frozen=True)
class Privileges:
    """Who a recorder is while it records, and what it may do besides reading other users' processes."""

    owner: User | None  # who owns the trace, and who the recorder becomes; None: the current user
    of_files: frozenset[str]
    command: bool  # whether signals have to be passed on to one

    @classmethod
    def of(cls, path: Path, command: bool) -> Privileges:
        """For a trace of this name."""
        user = owner(path)
        return cls(user, for_files(path, user), command)

    @property
    def of_threads(self) -> frozenset[str]:
        """What other threads have from their start. With an owner these two end when the recorder becomes that user."""
        # All threads change their user, or none (nptl(7)).
        return self.of_files | ({"CAP_SETUID", "CAP_SETGID"} if self.owner else frozenset())

    def drop(self, reads_maps: Callable[[], object]) -> None:
        """Drops what is not needed once programs are attached. `reads_maps` raises OSError if maps cannot be read."""
        kept = self.of_files | {"CAP_SYS_PTRACE"} | ({"CAP_KILL"} if self.command else frozenset())
        with _without((*NEEDED, "CAP_SYS_ADMIN")):
            try:
                reads_maps()
            except PermissionError:  # before 5.19, with kernel.unprivileged_bpf_disabled set
                kept |= {"CAP_BPF"}
        if self.owner:
            become(self.owner, kept)
        else:
            reduce(kept)
