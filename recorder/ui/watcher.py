"""Who wants to know how a recording goes, and what it tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """How a recording stands."""

    elapsed_s: float
    left_s: float | None
    rows: int
    lost: int
    bytes_written: int


class Watcher(Protocol):
    """Who wants to know how a recording goes."""

    def began(self) -> None:
        """From now on everything is recorded."""

    def goes(self, progress: Progress) -> None:
        """After each snapshot."""

    def waits(self, left: list[tuple[int, str]]) -> None:
        """The command has ended, and these processes that it started, by pid and name, have not."""
