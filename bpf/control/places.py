"""Where the control sockets of recorders are, and which of them this user may connect to.

A recorder started as root has its socket in /run/sysmon/UID, of the owner of the trace: only root may write to
/run/sysmon. One without root uses a directory of its user. Each directory is its owner's alone; one that is not is
ignored, as anybody might answer there. A directory is held open, and no path is resolved twice.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sysmon.bpf.control.client import WAIT_S, Client, NoAnswer
from sysmon.bpf.trace_file.directory import HAS_DESCRIPTORS, Directory

RUN = Path("/run/sysmon")

MOST_NAME_BYTES = 80
"""Of a socket: its path through the held directory has to fit into 108 bytes (unix(7))."""


def without_root(uid: int, runtime: str | None) -> Iterator[Path]:
    """Directories for the sockets of a user whose recorder is not root; `runtime`: $XDG_RUNTIME_DIR, if it is set."""
    yield RUN / str(uid)
    if runtime and runtime.startswith("/"):
        yield Path(runtime, "sysmon")
    yield Path(f"/tmp/sysmon-{uid}")


@dataclass(frozen=True)
class Place:
    """A socket: the owner of its directory, its name, and that directory, held open."""

    owner: int
    name: str
    directory: Directory

    @property
    def full_name(self) -> str:
        """Names it among those of all users."""
        return f"{self.owner}/{self.name}"

    def connect(self, wait_s: float = WAIT_S) -> Client:
        """Raises OSError if nobody listens, NoAnswer if not the owner's recorder does, or if it is stopped."""
        client = Client.connect(self.directory.fileno(), self.name, wait_s)
        try:
            if client.peer_uid() not in (0, self.owner):
                raise NoAnswer(f"another user answers for {self.full_name}")
        except BaseException:
            client.close()
            raise
        return client


@contextlib.contextmanager
def sockets(uid: int, runtime: str | None = None) -> Iterator[list[Place]]:
    """The sockets that a user may connect to, some of which recorders that were killed may have left; by name.

    Their directories are open as long as the context.
    """
    with contextlib.ExitStack() as held:
        found = [
            Place(owner, name, directory)
            for owner, directory in _directories(uid, runtime, held)
            for name in directory.names()
            if stat.S_ISSOCK(_mode(directory, name))
        ]
        yield sorted(found, key=lambda place: (place.name, place.owner))


def _directories(uid: int, runtime: str | None, held: contextlib.ExitStack) -> Iterator[tuple[int, Directory]]:
    if not HAS_DESCRIPTORS:
        return
    seen: set[tuple[int, int]] = set()
    for owner, path in _of_all_users() if uid == 0 else ((uid, path) for path in without_root(uid, runtime)):
        with contextlib.suppress(OSError):  # it is not there, or another user made it
            directory = held.enter_context(Directory.hold(path))
            found = directory.status()
            if is_private(found, owner) and (found.st_dev, found.st_ino) not in seen:
                seen.add((found.st_dev, found.st_ino))
                yield owner, directory


def _of_all_users() -> Iterator[tuple[int, Path]]:
    """For root."""
    with contextlib.suppress(OSError), Directory.hold(RUN) as run:
        if run.status().st_uid == 0 and not run.status().st_mode & 0o022:
            yield from ((int(name), RUN / name) for name in run.names() if name.isascii() and name.isdigit())


def is_private(directory: os.stat_result, owner: int) -> bool:
    """Whether it is this user's, and nobody else's to look into."""
    return directory.st_uid == owner and not directory.st_mode & 0o077


def _mode(directory: Directory, name: str) -> int:
    try:
        return directory.status(name).st_mode
    except OSError:  # removed meanwhile
        return 0
