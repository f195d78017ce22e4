"""The process filters, as the programs apply them.

The programs decide when a thread comes onto a CPU, and check at each call whether anything has changed since: whether a
process passes may change from one call to the next. A call is recorded if its process passed when the call began.
Filters narrow each other; a process chosen by its pid is recorded regardless.
"""

from __future__ import annotations

import os
import pwd
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sysmon.bpf.programs.structs import BY_CGROUP, BY_COMM, BY_PID, BY_UID, CHILDREN
from sysmon.bpf.types import COMM_LEN
from sysmon.errors import BadRequest, did_you_mean
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.load.program import FILTER_ENTRIES, FOLLOWED_ENTRIES
from sysmon.recorder.read.counters import ZERO_KEY
from sysmon.recorder.sample import cgroups, procfs

NO_UID = 0xFFFFFFFF
"""(uid_t)-1, which no user has; see setreuid(2)."""


@dataclass(frozen=True)
class Filters:
    """The chosen processes. Empty: everything is recorded. `cgroup` is a cgroup2 folder.

    Raises BadRequest if there are more than the programs can hold.
    """

    pids: tuple[int, ...] = ()
    comms: tuple[str, ...] = ()
    uids: tuple[int, ...] = ()
    cgroup: Path | None = None
    children: bool = False

    def __post_init__(self) -> None:
        for option, asked, most in (
            ("--pid", self.pids, FOLLOWED_ENTRIES),
            ("--comm", self.comms, FILTER_ENTRIES),
            ("--uid", self.uids, FILTER_ENTRIES),
        ):
            if len(asked) > most:
                raise BadRequest(f"{option} was given {len(asked)} times; at most {most} are allowed")

    @property
    def flags(self) -> int:
        """The filters as the programs' flags."""
        return (
            (BY_PID if self.pids else 0)
            | (BY_COMM if self.comms else 0)
            | (BY_UID if self.uids else 0)
            | (BY_CGROUP if self.cgroup else 0)
            | (CHILDREN if self.children else 0)
        )

    @property
    def by_pid(self) -> bool:
        """Whether the recording ends with the chosen processes."""
        return bool(self.pids) and not (self.comms or self.uids or self.cgroup)

    @property
    def cgroup_id(self) -> int:
        """The id of `cgroup`; 0 without one."""
        return os.stat(self.cgroup).st_ino if self.cgroup else 0

    def install(self, loaded: Loaded) -> None:
        """Installs the filters, before the programs record."""
        for comm in self.comms:
            bpf_maps.update(loaded.maps["comms"], os.fsencode(comm)[: COMM_LEN - 1].ljust(COMM_LEN, b"\0"), b"\1")
        for uid in self.uids:
            bpf_maps.update(loaded.maps["uids"], struct.pack("<I", uid), b"\1")
        if self.cgroup:
            fd = os.open(self.cgroup, os.O_RDONLY | os.O_DIRECTORY)
            try:
                bpf_maps.update(loaded.maps["cgroups"], ZERO_KEY, struct.pack("<I", fd))
            finally:
                os.close(fd)

    def follow(self, loaded: Loaded, pids: Iterable[int]) -> None:
        """Has these processes recorded, regardless of the other filters."""
        chosen = set(pids)
        for pid in chosen:
            bpf_maps.update(loaded.maps["followed"], struct.pack("<I", pid), b"\1")
        bpf_maps.update(loaded.maps["alive"], ZERO_KEY, struct.pack("<Q", len(chosen)))

    def alive(self) -> list[int] | None:
        """The pids of live processes that pass; None for all."""
        if not self.flags:
            return None
        found = {p.pid: p for p in procfs.processes()}
        below = None if self.cgroup is None else procfs.pids_below(self.cgroup)
        chosen = {pid for pid, p in found.items() if pid in self.pids or self._meets(p, below)}
        while self.children:
            more = {pid for pid, p in found.items() if p.ppid in chosen} - chosen
            if not more:
                break
            chosen |= more
        return sorted(chosen)

    def _meets(self, process: procfs.Process, below: set[int] | None) -> bool:
        if self.pids or not (self.comms or self.uids or below is not None):
            return False
        return (
            (not self.comms or os.fsdecode(process.comm) in self.comms)
            and (not self.uids or process.ids.uid in self.uids)
            and (below is None or process.pid in below)
        )


EVERYTHING = Filters()


def uid_of(user: str) -> int:
    """The uid of a user given by name or number. Raises BadRequest."""
    if user.isdecimal():
        if int(user) >= NO_UID:
            raise BadRequest(f"--uid: {user} is not a user id")
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        hint = did_you_mean(user, (u.pw_name for u in pwd.getpwall()), "give a name of /etc/passwd or a number")
        raise BadRequest(f"there is no user {user!r}; {hint}") from None


def cgroup_at(path: str) -> Path:
    """The folder of a cgroup, given by its path or by its path below the root of cgroup2. Raises BadRequest."""
    root = cgroups.mount_point()
    if root is None:
        raise BadRequest("--cgroup: no cgroup file system of version 2 is mounted here")
    for candidate in (Path(path), Path(root) / path.lstrip("/")):
        if (candidate / "cgroup.procs").exists() and (candidate / "cgroup.controllers").exists():
            return candidate
    groups = (group for _folder, group in cgroups.folders())
    hint = did_you_mean("/" + path.strip("/"), groups, f"give its path below {root}")
    raise BadRequest(f"there is no cgroup (version 2) at {path}; {hint}")
