"""Parses the times that choose a part of a trace."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from sysmon.errors import BadRequest
from sysmon.safe_text import one_line

UNITS_NS = {"": 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "m": 60 * 10**9, "h": 3600 * 10**9}

RELATIVE = re.compile(r"\+?(?P<number>\d{1,12}(?:\.\d{1,9})?)(?P<unit>|s|ms|us|m|h)", re.ASCII)

FRACTION = re.compile(r"(?P<before>.*:\d\d)[.,](?P<digits>\d{1,9})(?P<zone>.*)", re.ASCII)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

LIMIT_NS = 1 << 63

CYCLE_S = 146_097 * 86_400
"""400 years [s], after which the Gregorian calendar repeats. Python's ends with the year 9999."""

LAST = (1 << 63) - 1

ENDLESS = {
    sign * LAST * unit_ns: text
    for sign, text in ((1, "infinity"), (-1, "-infinity"))
    for unit_ns in (1, 10**3, 10**6, 10**9)
}
"""DuckDB's infinity in ns: the largest number of each timestamp type."""


def instant_ns(text: str, started_ns: int) -> int:
    """A typed instant as UTC ns since 1970.

    Either a time since the start of the recording, `+1.5` or `1.5` seconds or with a unit `90s 250ms 2m 1h`; or an ISO
    8601 date and time, in UTC if it names no zone, with up to nine digits of a second. Raises BadRequest.
    """
    relative = RELATIVE.fullmatch(text.strip())
    ns = started_ns + _relative_ns(relative) if relative else _iso_ns(text.strip())
    if not -LIMIT_NS <= ns < LIMIT_NS:
        raise BadRequest(f"{one_line(text)} is outside the years that a trace can hold")
    return ns


def length_ns(text: str) -> int:
    """A typed length of time, as `5`, `1.5s`, `250ms` or `2m` [ns]. Raises BadRequest."""
    relative = RELATIVE.fullmatch(text.strip())
    ns = _relative_ns(relative) if relative else 0
    if not 0 < ns < LIMIT_NS:
        raise BadRequest(f"{one_line(text)!r} is not a length of time; give one as 5s, 250ms or 2m")
    return ns


def _relative_ns(relative: re.Match[str]) -> int:
    whole, _, fraction = relative["number"].partition(".")
    unit = UNITS_NS[relative["unit"]]
    return int(whole) * unit + int(fraction.ljust(9, "0")) * unit // 10**9


def _iso_ns(text: str) -> int:
    fraction = FRACTION.fullmatch(text)
    seconds = fraction["before"] + fraction["zone"] if fraction else text
    try:
        when = datetime.fromisoformat(seconds)
    except ValueError as e:
        raise BadRequest(
            f"{one_line(text)!r} is not a time; give seconds since the start of the recording as +1.5, "
            "or a UTC time as 2026-01-31T12:00:00"
        ) from e
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    digits = fraction["digits"].ljust(9, "0") if fraction else "0"
    return (when - EPOCH) // timedelta(microseconds=1) * 1000 + int(digits)


def iso(ns: int, digits: int = 9) -> str:
    """An instant (UTC ns since 1970) in ISO 8601, with this many digits of a second, and a sign before longer years.

    DuckDB's infinity is `infinity`.
    """
    if ns in ENDLESS:
        return ENDLESS[ns]
    seconds, rest = divmod(ns, 10**9)
    cycles, seconds = divmod(seconds, CYCLE_S)
    when = EPOCH + timedelta(seconds=seconds)
    if cycles:
        year = when.year + 400 * cycles
        text = f"{year:{'04' if 0 <= year <= 9999 else '+05'}}{when:-%m-%dT%H:%M:%S}"
    else:
        text = f"{when:%Y-%m-%dT%H:%M:%S}"
    fraction = f".{rest:09d}"[: digits + 1] if digits else ""
    return f"{text}{fraction}Z"
