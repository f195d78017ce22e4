"""The privileges that recording needs, what is missing of them, and what a recorder keeps while it records."""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sysmon.errors import CannotRecord
from sysmon.recorder.own import capabilities, ownership
from sysmon.recorder.own.ownership import User

NEEDED = ("CAP_BPF", "CAP_PERFMON")
"""Without these nothing can be recorded."""

OF_FILES = ("CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER")

LOCKDOWN = Path("/sys/kernel/security/lockdown")
MOUNTS = Path("/proc/self/mounts")
STATS_SWITCH = Path("/proc/sys/kernel/bpf_stats_enabled")

READING_IS_LOCKED = "the kernel is locked down (confidentiality): BPF may not read its memory"


def missing() -> list[str]:
    """What is missing of NEEDED. CAP_SYS_ADMIN includes them (bpf_capable(), include/linux/capability.h)."""
    held = capabilities.effective()
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


def end_blas_threads() -> None:
    """Ends OpenBLAS's threads, which it starts when numpy loads it. It ends them before a fork and starts new ones only
    to compute, which nothing here makes it do.
    """
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def for_files(path: Path, user: User | None) -> frozenset[str]:
    """The capabilities needed to finish the trace and to import modules late, besides being root or that user."""
    code = [Path(__file__), Path(os.__file__), Path(ctypes.__file__)]
    with contextlib.ExitStack() as stack:
        if user:
            stack.enter_context(ownership.acting_as(user))
        else:
            stack.enter_context(capabilities.without(OF_FILES))
        readable = all(os.access(file, os.R_OK, effective_ids=True) for file in code)
        writable = ownership.may_write(path, os.geteuid())
    if not writable:
        return frozenset(OF_FILES)
    return frozenset() if readable else frozenset({"CAP_DAC_READ_SEARCH"})


@dataclass(frozen=True)
class Privileges:
    """The recorder's user and capabilities while it records, except the one to read other users' processes."""

    owner: User | None  # who owns the trace, and who the recorder becomes; None: the current user
    of_files: frozenset[str]
    command: bool  # whether signals have to be passed on to a command

    @classmethod
    def of(cls, path: Path, command: bool) -> Privileges:
        """For a trace of this name."""
        user = ownership.owner(path)
        return cls(user, for_files(path, user), command)

    @property
    def of_threads(self) -> frozenset[str]:
        """Capabilities that other threads start with. Those for changing the user end with `drop`."""
        # setresuid() changes the user of all threads, or fails (nptl(7)).
        return self.of_files | ({"CAP_SETUID", "CAP_SETGID"} if self.owner else frozenset())

    def drop(self, reads_maps: Callable[[], object]) -> None:
        """Drops what is not needed once programs are attached. `reads_maps` raises OSError if maps cannot be read."""
        kept = self.of_files | {"CAP_SYS_PTRACE"} | ({"CAP_KILL"} if self.command else frozenset())
        with capabilities.without((*NEEDED, "CAP_SYS_ADMIN")):
            try:
                reads_maps()
            except PermissionError:  # before 5.19, with kernel.unprivileged_bpf_disabled set
                kept |= {"CAP_BPF"}
        if self.owner:
            ownership.become(self.owner, kept)
        else:
            capabilities.reduce(kept)
