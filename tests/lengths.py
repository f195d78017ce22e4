"""How long the tests run that could run for as long as one likes: SYSMON_LONG=1 for by hand, otherwise as CI does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

LONG = os.environ.get("SYSMON_LONG") == "1"


def examples(most: int) -> int:
    """How many random cases to try: `most`, or a third of that. Each run tries others."""
    return most if LONG else most // 3


def some(of: Sequence[T], *chosen: int) -> list[T]:
    """Of many that are alike, all, or those in these places."""
    return list(of) if LONG else [of[place] for place in chosen]
