"""Numbers for people, with the unit that keeps them short."""

from __future__ import annotations

from sysmon.analyze.text.describe import size

TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns"))

BYTES = (("bytes", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40))


def digits(value: float) -> str:
    """A number with three digits and no exponent."""
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def duration(ns: float) -> str:
    """A duration given in ns, such as '1.25 ms'."""
    factor, unit = next(((f, u) for f, u in TIMES if ns >= f), TIMES[-1])
    return f"{digits(ns / factor)} {unit}"


def count(value: float) -> str:
    """A number of things, such as '12.3 k'; exact up to 9,999."""
    if value < 10_000:
        return f"{value:,.0f}"
    factor, unit = next((f, u) for f, u in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= f)
    return f"{digits(value / factor)} {unit}"


def amount(count: float) -> str:
    """Bytes, such as '1.5 MiB'; may be negative."""
    return size(round(count)) if count >= 0 else f"−{size(round(-count))}"


def signed(count: float) -> str:
    """A change in bytes, such as '+1.5 MiB'."""
    return amount(count) if count < 0 else f"+{amount(count)}"


def short(value: float) -> str:
    """A number for a logarithmic axis."""
    return count(value) if value >= 1 else f"{value:g}"


def byte_unit(largest: float) -> tuple[str, int]:
    """The unit for an axis that ends at this many bytes: its name, and its size in bytes."""
    return next(((name, scale) for name, scale in reversed(BYTES) if largest >= scale), BYTES[0])
