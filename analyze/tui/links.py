"""What a screen can ask of a recorder."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """The way to a recorder, if there is one. Raises SysmonError."""

    def follow_events(self, on: bool) -> None:
        """Whether each event is to be seen as it comes, and not only snapshots. Does not wait."""

    def mark(self, text: str) -> None:
        """Marks the instant of the recording."""

    def save(self, since_ns: int, until_ns: int) -> str:
        """Has a window written as a trace; the name of its file."""

    def end(self) -> None:
        """Ends the recording."""
