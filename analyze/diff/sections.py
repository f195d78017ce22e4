"""The sections of a comparison. Each is a file in sql/diff/sections, and needs kinds that both traces must have."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from sysmon.analyze.trace.sqlfile import DIRECTORY, View, read_view
from sysmon.errors import BadRequest, did_you_mean

SQL = DIRECTORY / "diff"

NEEDED: dict[str, tuple[str, ...]] = {
    "programs": ("process", "exec"),
    "syscalls_by_command": ("syscall_stats",),
    "syscalls": ("syscall_stats",),
    "cpu": ("cpu",),
    "functions": ("samples",),
    "memory": ("memory",),
    "exits": ("exit",),
    "file_errors": ("open",),
    "files": ("open",),
}
"""Section → the kinds it compares, in the order in which sections are shown."""


@dataclass(frozen=True)
class Section:
    """A section: its view, and the kinds that both traces must have."""

    view: View
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.view.name

    @property
    def title(self) -> str:
        return self.view.title


@cache
def sections() -> tuple[Section, ...]:
    """All sections, in the order in which they are shown."""
    return tuple(Section(read_view(SQL / "sections" / f"{name}.sql"), kinds) for name, kinds in NEEDED.items())


def find_section(name: str) -> Section:
    """The section of this name. Raises BadRequest, which suggests similar names."""
    known = {s.name: s for s in sections()}
    if name in known:
        return known[name]
    hint = did_you_mean(name, known, f"there are {', '.join(known)}")
    raise BadRequest(f"there is no section {name!r}; {hint}")


def missing(section: Section, before: Collection[str], after: Collection[str]) -> str:
    """Why a section cannot be compared, given the kinds of both traces; empty if it can."""
    parts = []
    for side, kinds in (("BEFORE", before), ("AFTER", after)):
        lacking = [k for k in section.kinds if k not in kinds]
        if lacking:
            parts.append(f"{side} was recorded without {', '.join(lacking)}")
    return " and ".join(parts)
