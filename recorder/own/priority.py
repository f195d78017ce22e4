"""The recorder goes before others: it needs little of a CPU, but on a busy machine it needs it at once.

Late, it would find full rings, and its snapshots would not be of the moment that they say.
"""

from __future__ import annotations

import contextlib
import os

HIGHEST = -20

_before = os.getpriority(os.PRIO_PROCESS, 0)


def raise_own() -> None:
    """Gives this process the highest nice value, if it may have it."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, HIGHEST)


def restore() -> None:
    """Goes back to what the process had at its start: for a command, which is to run as it would without us."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _before)
