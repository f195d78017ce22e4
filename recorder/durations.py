"""Parses an amount of time or bytes, as options take it: 30s, 5m, 100M."""

from __future__ import annotations

import re

from sysmon.errors import BadRequest

SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
SHIFTS = {"K": 10, "M": 20, "G": 30}


def seconds_or_bytes(option: str, text: str, least_s: float, least_bytes: int) -> tuple[float | None, int | None]:
    """Seconds or bytes; the other one is None. Raises BadRequest, with a message that begins with `option`."""
    found = re.fullmatch(r"(\d{1,9})([smh]?|[KMG](?:i?B)?)", text, re.ASCII)
    if not found:
        raise BadRequest(
            f"{option}: {text!r} is neither a time nor a size in whole numbers; give it as 30s, 5m or 100M"
        )
    number, unit = int(found[1]), found[2][:1]
    if unit in SHIFTS:
        size = number << SHIFTS[unit]
        if size < least_bytes:
            raise BadRequest(f"{option}: {text} is too small: at least {least_bytes >> 20}M")
        return None, size
    seconds = float(number * SECONDS[unit])
    if seconds < least_s:
        raise BadRequest(f"{option}: {text} is too short: at least {least_s:g}s")
    return seconds, None
