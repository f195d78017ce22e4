"""When one of several files is full."""

from __future__ import annotations

TURN_S = 0.3
"""How long a file that is one of several still grows once it is found full: what is in the rings belongs to it."""


def full_at(size: float, age_s: float) -> int:
    """How large one of several files is when it is found full, so that it has this size when it ends [bytes].

    It is `age_s` old and grows as fast as before.
    """
    return int(size / (1 + TURN_S / max(age_s, TURN_S)))
