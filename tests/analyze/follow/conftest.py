"""Screens that are no terminals, or narrow ones."""

import io
from collections.abc import Callable

import pytest

from sysmon.analyze.text.screen import Screen


@pytest.fixture
def screen() -> Callable[..., Screen]:
    def made(width: int | None = None, colours: bool = False) -> Screen:
        out = Screen()
        out.stream, out.width, out.height, out.colours, out.cut = io.StringIO(), width, 12, colours, ">"
        out.is_terminal = width is not None
        return out

    return made
