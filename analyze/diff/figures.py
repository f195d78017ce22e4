"""A figure of both traces as text: before → after, with the ratio."""

from __future__ import annotations

from collections.abc import Callable

ARROW, SAME, UNPROVEN = "→", "=", "?"

NEAR = 1.05
"""A ratio below this is not shown."""

LEAST = 0.0001
"""Smaller numbers are shown as less than this."""


class Change(str):
    """A figure before and after as text, and the number to sort it by: the later one that is known."""

    key: float | None

    @classmethod
    def of(cls, text: str, before: float | None, after: float | None) -> Change:
        """The text of two figures."""
        change = cls(text)
        change.key = before if after is None else after
        return change


def change(
    before: float | None, after: float | None, text: Callable[[float], str], *, apart: bool, proven: bool = True
) -> Change:
    """Both figures and, if they are `apart`, their ratio, with a mark if that is not `proven`."""
    return Change.of(_change(before, after, text, apart, proven), before, after)


def around(before: float | None, after: float | None, text: Callable[[float], str], *, proven: bool = True) -> Change:
    """As `change`, for figures that are not tested: they are apart if they are not near."""
    return change(before, after, text, apart=not _near(before, after), proven=proven)


def _near(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return False
    return before == after or (min(before, after) > 0 and max(before, after) < NEAR * min(before, after))


def _change(before: float | None, after: float | None, text: Callable[[float], str], apart: bool, proven: bool) -> str:
    if before is None and after is None:
        return "-"
    parts = ["-" if v is None else text(v) for v in (before, after)]
    if parts[0] == parts[1]:
        return f"{SAME} {parts[0]}"
    ratio = _ratio(before, after) if apart else ""
    return f"{parts[0]} {ARROW} {parts[1]}{ratio}{'' if proven or not ratio else UNPROVEN}"


def _ratio(before: float | None, after: float | None) -> str:
    if not before or not after:
        return ""
    ratio = after / before
    if 0.995 < ratio < 1.005:
        return ""
    return f" ×{_digits(ratio)}" if ratio >= 1 else f" ÷{_digits(1 / ratio)}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}" if value >= 2 else f"{value:.2f}"


def number(value: float) -> str:
    """Three significant digits, or all before the decimal point; no exponent."""
    if 0 < abs(value) < LEAST:
        return f"<{LEAST}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def duration(seconds: float) -> str:
    """A time in the unit that keeps it short. For sentences, as a column has one unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{number(seconds / scale)} {unit}"
    return f"{number(seconds / 1e-9)} ns" if seconds else "0"
