"""Ways to change the directory of an interrupted recording as a whole: its files, links, modes and owners.

Next to the directory of a case is `CANARY`, a file that no command may change.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable
from pathlib import Path

from sysmon.bpf.trace_file import partial
from tests.fuzz.mutations import PARTIAL, Dice

CANARY = "canary"

OTHER = 61002
"""A user other than root."""

NAMES = (partial.ROWS, partial.LOG, *partial.JOURNALS)


def canary(scratch: Path) -> Path:
    """Creates the file that links may lead to."""
    path = scratch / CANARY
    path.write_bytes(b"not to be touched\n" * 1000)
    path.chmod(0o600)
    return path


def state(path: Path) -> tuple[object, ...]:
    """What no command may change of a file."""
    found = path.stat()
    return (path.read_bytes(), found.st_mode, found.st_uid, found.st_ino)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        os.chdir(path.parent)  # the path in an address is limited to 108 bytes
        sock.bind(path.name)


def _device(path: Path) -> None:
    if os.geteuid() == 0:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero


def another_file(directory: Path, dice: Dice) -> None:
    """A file becomes a link, a FIFO, a socket, a device, a directory, a hard link, or endless."""
    path = directory / dice.choice(NAMES)
    data = path.read_bytes()
    outside = directory.parent.parent / CANARY
    path.unlink()
    match dice.randrange(11):
        case 0:
            path.symlink_to(outside)
        case 1:
            path.symlink_to(dice.choice((path.name, "../t.parquet", "log", "/dev/zero", "/proc/self/mem", "nowhere")))
        case 2:
            os.mkfifo(path)
        case 3:
            _socket(path)
        case 4:
            _device(path)
        case 5:
            path.mkdir(mode=dice.choice((0o700, 0o000)))
        case 6:
            os.link(outside, path)
        case 7:
            os.link(directory / dice.choice([n for n in NAMES if n != path.name]), path)
        case 8:
            path.write_bytes(data)
            os.truncate(path, dice.choice((1 << 30, 20 << 30, 1 << 40)))
        case 9:
            path.write_bytes(b"\0" * dice.choice((0, 12, 4096)) + data)
        case _:
            path.write_bytes(data + data)


def modes_and_owners(directory: Path, dice: Dice) -> None:
    """Changes its permissions and owners."""
    for path in (directory, directory.parent, *directory.iterdir()):
        if dice.random() < 0.4:
            path.chmod(dice.choice((0o000, 0o444, 0o600, 0o666, 0o700, 0o777, 0o1777, 0o4755)))
        if os.geteuid() == 0 and dice.random() < 0.4:
            os.chown(path, *dice.choice(((OTHER, OTHER), (0, 0), (OTHER, 0), (0, OTHER))))


def other_directories(directory: Path, dice: Dice) -> None:
    """Adds parts or other recordings of this name, or replaces the directory by a link or a file."""
    token = directory.name.split(".")[-2]
    base = directory.name.removesuffix(f"{token}.partial")
    beside = directory.parent
    match dice.randrange(6):
        case 0:
            shutil.copytree(directory, beside / f"{base}{token}-000002.partial")
        case 1:
            shutil.copytree(directory, beside / f"{base}{token[::-1]}.partial")
        case 2:
            (beside / f"{base}{token}-000002.partial").symlink_to(directory.name)
        case 3:
            aside = beside / "aside"
            directory.rename(aside)
            directory.symlink_to(aside.name)
        case 4:
            (beside / f"{base}00000000.partial").write_bytes(b"PAR1")
            (beside / f"{base}00000001.removed").symlink_to(beside.parent)
        case _:
            (beside / "t.parquet").symlink_to(dice.choice(("../" + CANARY, "nowhere", "t.parquet")))


ALL: dict[str, Callable[[Path, Dice], None]] = {
    **PARTIAL,
    **{m.__name__: m for m in (another_file, modes_and_owners, other_directories)},
}
"""What can be done to the directory of an interrupted recording."""
