"""Decides when to drain the rings, take a snapshot, commit, and end.

Nothing here reads a clock: all times are passed in, in seconds of one clock that does not jump.
"""

from __future__ import annotations

from sysmon.bpf.control.messages import Wanted

DRAIN_S = 0.1
"""How often the rings are read, and the maps' fill level checked."""

BUSY_DRAIN_S, BUSY_FRACTION = 0.01, 1 / 8
"""How often while a ring is at least this full."""

QUIET_DRAIN_S, QUIET_FRACTION = 0.25, 1 / 64
"""How often while no ring and no map is this full: looking takes half a millisecond of CPU time. Not used if
every call is an event: their ring can fill from nothing in that time.
"""

CELLS_FRACTION = 0.5
"""A counting map this full is read before the snapshot is due."""

COMMIT_S = 2.0
"""How often rows are put where they survive the recorder. If it is killed, at most this much is missing, plus the
duration of a snapshot.
"""

OFTEN_S = 0.2
"""How often rows are put there while somebody looks at events as they come, if any came. With reading them that makes
less than 0.3 s from an event to its row.
"""

APART_S = 0.1
"""Minimum time between commits of snapshots that somebody looks at."""


class Schedule:
    """The schedule of a recording. What is due stays due until it is reported as done."""

    def __init__(self, began: float, interval_s: float, duration_s: float | None, *, never_quiet: bool = False) -> None:
        """No duration: it never ends by itself. `never_quiet`: rings may fill from nothing at any time."""
        self._began, self._interval_s, self._never_quiet = began, interval_s, never_quiet
        self._deadline = float("inf") if duration_s is None else began + duration_s
        self._next_snapshot, self._next_commit = began + interval_s, began + COMMIT_S
        self._last_commit = began
        self._next_look = float("inf")
        self._wanted: Wanted | None = None

    def watched(self, now: float, wanted: Wanted | None) -> None:
        """What those who look at the recording want from now on; None: nobody looks."""
        if wanted != self._wanted:
            self._wanted, self._next_look = wanted, now if wanted is Wanted.EVENTS else float("inf")

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks."""
        return self._wanted is not None

    def drain_until(self, now: float) -> float:
        """When a drain that begins now must stop."""
        return min(self._next_snapshot, self._deadline, now + DRAIN_S)

    def may_be_lazy(self, now: float) -> bool:
        """Whether a drain may skip rings with little in them: nothing that needs their rows is due."""
        return now < min(self._next_snapshot, self._deadline, self._next_commit, self._next_look)

    def is_snapshot_due(self, now: float, cells: float) -> bool:
        """Also true early, if a map is this full."""
        return now >= self._next_snapshot or cells > CELLS_FRACTION

    def took_snapshot(self, now: float) -> None:
        """A snapshot was begun. An early one does not postpone the next, and missed ones are not made up for."""
        if now >= self._next_snapshot:
            self._next_snapshot = max(self._next_snapshot + self._interval_s, now)
        if self._wanted is not None and now >= self._last_commit + APART_S:
            self._next_commit = min(self._next_commit, now)

    def drained(self, now: float, came: bool) -> None:
        """All rings were read, in a drain that was not lazy; `came`: there are rows that are not committed."""
        if self._wanted is Wanted.EVENTS:
            self._next_look = now + OFTEN_S
            self._next_commit = min(self._next_commit, now) if came else self._next_commit

    def is_commit_due(self, now: float) -> bool:
        return now >= self._next_commit

    def committed(self, now: float) -> None:
        """Notes when the commit was found due; one that was not puts the next off."""
        self._last_commit = now
        self._next_commit = max(self._next_commit + COMMIT_S, now) if self.is_commit_due(now) else now + COMMIT_S

    def is_over(self, now: float) -> bool:
        """Whether the duration is over."""
        return now >= self._deadline

    def elapsed_s(self, now: float) -> float:
        return now - self._began

    def left_s(self, now: float) -> float | None:
        """Time until it ends by itself [s]; None if it does not."""
        return None if self._deadline == float("inf") else self._deadline - now

    def pause_s(self, now: float, fill: float, cells: float) -> float:
        """How long to sleep, given how full rings and maps were found [s]."""
        due = min(self._next_snapshot, self._deadline, self._next_look)
        return max(0.0, min(self._drain_s(fill, cells), due - now))

    def _drain_s(self, fill: float, cells: float) -> float:
        if fill > BUSY_FRACTION:
            return BUSY_DRAIN_S
        quiet = max(fill, cells) < QUIET_FRACTION and not self._never_quiet and self._wanted is None
        return QUIET_DRAIN_S if quiet else DRAIN_S
