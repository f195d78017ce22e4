"""Whose turn it is with the readers of symbols: that of the user who has kept them for the shortest time.

So users whose processes make readers slow delay each other, and hardly anyone else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

RESTARTS = 8
"""How often a reader of one user may fail in a period, and another is started."""

PERIOD_S = 300.0
"""After this all is forgiven, and forgotten: there may be any number of users."""


class Turns:
    """What readers of each user took, and how often they failed, in this period."""

    def __init__(self) -> None:
        self._kept_ns: Counter[int] = Counter()
        self._failures: Counter[int] = Counter()
        self._until = time.monotonic() + PERIOD_S

    def took(self, uid: int, ns: int) -> None:
        """A question of this user kept a reader so long."""
        self._kept_ns[uid] += ns

    def failed(self, uid: int) -> None:
        """A reader of this user crashed, or took too long."""
        self._failures[uid] += 1

    def are_over(self, uid: int) -> bool:
        """Whether readers of this user failed so often that none is started until the period ends."""
        return self._failures[uid] > RESTARTS

    def order(self, uids: Iterable[int]) -> list[int]:
        """These users, the one to be served first at the beginning; of equal ones, as given."""
        if time.monotonic() >= self._until:
            self._kept_ns.clear()
            self._failures.clear()
            self._until = time.monotonic() + PERIOD_S
        return sorted(uids, key=lambda uid: self._kept_ns[uid])
