"""The kernel's clocks, read together."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Clocks:
    """One moment on three clocks [ns]."""

    monotonic_ns: int
    boottime_ns: int
    realtime_ns: int

    @property
    def offset_ns(self) -> int:
        """What to add to CLOCK_BOOTTIME to get UTC."""
        return self.realtime_ns - self.boottime_ns


def read(tries: int = 5) -> Clocks:
    """Reads the clocks within about a microsecond of each other: the closest of some tries."""

    def attempt() -> tuple[int, Clocks]:
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        monotonic = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return after - before, Clocks(monotonic, (before + after) // 2, real)

    return min((attempt() for _ in range(tries)), key=lambda t: t[0])[1]


def boottime_ns() -> int:
    """CLOCK_BOOTTIME, the clock of every row."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
