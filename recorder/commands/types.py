"""Option types that click does not have."""

from __future__ import annotations

import math
import re
from typing import Any

import click


class Seconds(click.FloatRange):
    """A finite number of seconds: click's own range accepts `nan` and `inf`."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is not a number of seconds", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """A size in bytes, or with the unit K, M or G (powers of 1024)."""

    name = "size"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d{1,12})([KMG]?)(?:i?B)?", str(value), re.ASCII | re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is not a size; write 64K, 16M or 1G", param, ctx)
        size = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]
        if size < self._least:
            self.fail(f"{value} is too small: at least {self._least >> 10}K", param, ctx)
        return size


class BufferSize(Size):
    """The size of a ring."""

    def __init__(self) -> None:
        super().__init__(0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        size = super().convert(value, param, ctx)
        if size & (size - 1) or not 1 << 16 <= size <= 1 << 30:
            self.fail(f"{value} is not a power of two from 64K to 1G, such as 16M", param, ctx)
        return size


class Renamed(click.Option):
    """An option that also accepts its former names; help shows the first one only."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        names = self.opts
        self.opts = names[:1]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = names
