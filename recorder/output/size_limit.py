"""When one of several files counts as full."""

from __future__ import annotations

TURN_S = 0.3
"""How long a file still grows after it was found full: what is in the rings belongs to it."""


def full_at(size: float, age_s: float) -> int:
    """The size at which to end a file so that it has `size` when it is finished [bytes].

    It is `age_s` old and keeps growing at the same rate.
    """
    return int(size / (1 + TURN_S / max(age_s, TURN_S)))
