"""The interface through which a recording reports its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """Progress of a recording."""

    elapsed_s: float
    left_s: float | None
    rows: int
    lost: int
    bytes_written: int


class Watcher(Protocol):
    """Receives the progress of a recording."""

    def began(self, remark: str) -> None:
        """Recording has begun; `remark`: what else is to be said of it, if anything."""

    def goes(self, progress: Progress) -> None:
        """Called after each snapshot."""

    def waits(self, left: list[tuple[int, str]]) -> None:
        """The command has ended, and these processes that it started (pid, name) have not."""
