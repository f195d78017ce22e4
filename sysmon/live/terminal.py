"""The terminal as it was before a viewer had it."""

from __future__ import annotations

import contextlib
import sys
import termios

from sysmon.streams import Output

USUAL = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l"  # no mouse, xterm's control sequences
    "\x1b[?1004l\x1b[?2004l\x1b[?2026l\x1b[<u"  # nor focus, pasted text, held output, kitty's keys
    "\x1b[?1049l\x1b[?25h\x1b[0m\r"  # the screen before, with a cursor, and no colours
)
"""Ends all that a full screen begins; what a terminal does not know it ignores."""


class Terminal:
    """Standard input's settings, if it is a terminal."""

    def __init__(self) -> None:
        self._settings: list[object] | None = None
        with contextlib.suppress(termios.error, OSError, ValueError):
            self._settings = termios.tcgetattr(sys.stdin.fileno())

    def restore(self, *, screen: bool) -> None:
        """Sets it as it was. `screen`: a viewer that was killed had the whole screen."""
        if screen and sys.stdout.isatty() and isinstance(sys.stdout, Output):
            with contextlib.suppress(OSError):
                sys.stdout.put(USUAL)
                sys.stdout.flush()
        if self._settings is not None:
            with contextlib.suppress(termios.error, OSError):
                termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, self._settings)  # type: ignore[arg-type]
