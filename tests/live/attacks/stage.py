"""The stage for attacks: directories of root and two other users, files of root's that must not change, an attacker."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lengths import LONG

TRIES = 50 if LONG else 15
"""How many tries an attacker has at a race."""

TRIES_TO_WIN = 500
"""How many he has until he wins for the first time, where a race that he never wins shows nothing."""

MALLORY, OTHER = 61002, 61003
"""Users without a name, a home or rights."""

SOURCE = Path(__file__).with_name("attacker.c")

SECRET = "root's own\n" * 300


@dataclass(frozen=True)
class Stage:
    """A place below /tmp, as its private parents would keep others out."""

    place: Path
    program: Path

    @property
    def rooms(self) -> Path:
        """A directory of root's whose files have the names of a recording's."""
        return self.place / "rooms"

    @property
    def victim(self) -> Path:
        """A file of root's that nobody else may read."""
        return self.rooms / "rows"

    @property
    def sticky(self) -> Path:
        """A directory that is open to all, like /tmp."""
        return self.place / "sticky"

    @property
    def theirs(self) -> Path:
        """The attacker's own directory."""
        return self.place / "theirs"

    def roots(self) -> dict[str, tuple[object, ...]]:
        """The state of root's directory, for comparison."""
        return {
            path.name: (
                path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_nlink, path.lstat().st_size,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in sorted(self.rooms.iterdir())
        }  # fmt: skip

    def evil(self, name: str) -> Path:
        """A directory of the attacker's whose files are links to root's."""
        made = self.place / "open" / name
        made.mkdir()
        for file in self.roots():
            (made / file).symlink_to(self.rooms / file)
        self.give(made)
        return made

    @staticmethod
    def give(path: Path, user: int = MALLORY) -> None:
        """Gives it, with everything in it, to the user."""
        for each in (path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())):
            os.chown(each, user, user, follow_symlinks=False)

    @contextlib.contextmanager
    def attacker(self, *args: str | Path) -> Iterator[subprocess.Popen[str]]:
        """The attacker works while the body runs."""
        command = ["setpriv", f"--reuid={MALLORY}", f"--regid={MALLORY}", "--clear-groups", str(self.program)]
        with subprocess.Popen([*command, *map(str, args)], stdout=subprocess.PIPE, text=True, cwd="/") as process:
            try:
                assert process.stdout
                assert process.stdout.readline() == "ready\n"
                yield process
                assert process.poll() is None, "he gave up"
            finally:
                process.kill()


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """The stage, removed at the end."""
    if os.geteuid():
        pytest.skip("needs root, to become another user")
    place = Path(tempfile.mkdtemp(prefix="sysmon-stage-", dir="/tmp"))
    try:
        place.chmod(0o755)
        found = Stage(place, place / "attacker")
        subprocess.run(["gcc", "-O2", "-o", found.program, SOURCE], check=True)
        for path, mode in (
            (found.rooms, 0o700),
            (found.sticky, 0o1777),
            (found.theirs, 0o755),
            (place / "open", 0o777),
        ):
            path.mkdir()
            path.chmod(mode)
        found.give(found.theirs)
        for name in ("rows", "log", "journal.0", "journal.1", "t.parquet", "t.png", "t.html"):
            (found.rooms / name).write_text(SECRET)
            (found.rooms / name).chmod(0o600)
        yield found
    finally:
        shutil.rmtree(place)
