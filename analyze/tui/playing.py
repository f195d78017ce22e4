"""How a replay goes on: the speed, and how far it is after a while."""

from __future__ import annotations

from dataclasses import dataclass

SPEEDS = (0.5, 1, 2, 5, 10, 30, 60)


@dataclass
class Clock:
    """Paused, or playing at a speed. Times are those of a steady clock [s]."""

    speed: float = 1.0
    playing: bool = False
    _last_s: float = 0.0

    def toggle(self, now_s: float) -> None:
        """Plays, or pauses."""
        self.playing, self._last_s = not self.playing, now_s

    def pause(self) -> None:
        """Plays no more."""
        self.playing = False

    def faster(self, by: int) -> None:
        """The next speed that there is, or the one before."""
        nearest = min(range(len(SPEEDS)), key=lambda i: abs(SPEEDS[i] - self.speed))
        self.speed = SPEEDS[max(0, min(nearest + by, len(SPEEDS) - 1))]

    def passed_ns(self, now_s: float) -> int:
        """How far it has come since it was asked the last time, in the time of the trace; 0 while it is paused."""
        if not self.playing:
            return 0
        passed, self._last_s = now_s - self._last_s, now_s
        return int(passed * self.speed * 1e9)
