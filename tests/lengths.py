"""How long the tests run that could run for as long as one likes: SYSMON_LONG=1 for by hand, otherwise as CI does."""

from __future__ import annotations

import os

LONG = os.environ.get("SYSMON_LONG") == "1"


def examples(most: int) -> int:
    """How many random cases to try: `most`, or a third of that. Each run tries others."""
    return most if LONG else most // 3
