"""Values of rows as plain Python has them."""

from __future__ import annotations

from sysmon.analyze.trace.times import iso


class Instant(int):
    """A moment in UTC ns since 1970. Python's own datetime has only microseconds."""

    def __str__(self) -> str:
        return iso(self)


class Bytes(str):
    """Bytes as text, non-UTF-8 ones as \\xNN, together with the bytes themselves."""

    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> Bytes:
        """The text of these bytes."""
        text = cls(raw.decode("utf-8", errors="backslashreplace"))
        text.raw = raw
        return text


Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
