"""The recorder's priority: it needs little CPU time, but on a busy machine it needs it at once.

If it were late, rings would be full, and its snapshots would not be of the time they state.
"""

from __future__ import annotations

import contextlib
import os

HIGHEST = -20

_before = os.getpriority(os.PRIO_PROCESS, 0)


def raise_own() -> None:
    """Gives this process the highest priority, if permitted."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, HIGHEST)


def restore() -> None:
    """Restores the nice value that the process started with: for a command, which runs as it would without us."""
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _before)
