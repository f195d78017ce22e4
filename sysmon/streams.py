"""Standard output and standard error of a command: all its text goes through here.

A trace, a partial directory and /proc hold whatever programs call themselves, and messages repeat it. If some code
forgets to make it safe, it is caught here: everything that acts on a terminal is escaped, except line ends and tabs;
only `styled` bypasses this. There is no `buffer`, so no other way out exists; `binary` is for pictures and pages.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import select
import stat
import sys
from collections.abc import Iterable
from typing import BinaryIO, TextIO

from sysmon.safe_text import for_output, json_escaped

ESCAPED = "sysmon.escaped"
"""The error handler of output streams: \\uNNNN for what the locale cannot write, which is valid inside JSON too."""

WAIT_S = 0.1
"""How long a recorder waits for the reader of its messages before it drops one [s]."""

ERASE = "\r\x1b[K"
"""Carriage return, and ECMA-48's Erase in Line."""

ALARM = "1;31"
"""Bold red, in ECMA-48's Select Graphic Rendition."""


class Output:
    """A text stream that escapes everything that acts on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self.errors = stream.errors

    def put(self, text: str) -> None:
        """Writes text that is safe, or that is meant to act."""
        self._stream.write(text)

    def write(self, text: str | bytes) -> int:
        """Writes the text, made safe. What click writes as bytes is text, too: completions for a shell."""
        if isinstance(text, bytes):
            if not text:
                raise TypeError("a stream of text")  # click writes an empty bytes object to test the stream
            text = text.decode(errors="backslashreplace")
        self.put(for_output(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes the texts, made safe."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flushes buffered text."""
        self._stream.flush()

    def fileno(self) -> int:
        """The descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """Always true."""
        return True

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._stream.closed

    def binary(self) -> BinaryIO:
        """The underlying byte stream, for what is not text."""
        self.flush()
        return self._stream.buffer


class Messages(Output):
    """Standard error. Nothing fails because nobody reads a message, or because the terminal is gone.

    A recorder does not wait either for a reader that does not read, such as a pager or a terminal after Ctrl-S.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._fd: int | None = None
        with contextlib.suppress(OSError):  # an in-memory stream has none
            self._fd = stream.fileno()
        self._wait_s: float | None = None  # None: no limit
        self._stuck = False
        self._is_live = False

    def never_wait(self) -> None:
        """Drops messages from now on that cannot be written soon."""
        self._wait_s = WAIT_S
        if self._fd is not None:
            self._fd = without_blocking(self._fd)

    def put(self, text: str) -> None:
        if self._is_live:
            self._is_live = False
            text = ERASE + text
        self._send(text, self._wait_s)

    def renew(self, text: str, alarm: str) -> None:
        """Shows a status line, with its end in red if there is an alarm, until the next text is written. Only on a
        terminal.
        """
        if self._fd is None or not self.isatty() or os.environ.get("TERM") == "dumb":
            return
        with contextlib.suppress(OSError):
            room = (os.get_terminal_size(self._fd).columns or 80) - 1
            text, alarm = for_output(text)[:room], for_output(alarm)[: max(0, room - len(text))]
            self._is_live = True
            self._send(ERASE + text + (_in_style(alarm, ALARM) if colours(self) else alarm), 0)

    def flush(self) -> None:
        """Does nothing: nothing is buffered."""
        if self._fd is None:
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno() if self._fd is None else self._fd

    def isatty(self) -> bool:
        with contextlib.suppress(OSError, ValueError):
            return self._stream.isatty()
        return False

    def _send(self, text: str, wait_s: float | None) -> None:
        if self._fd is None:
            self._stream.write(text)
            return
        data = text.encode(self.encoding, self.errors or "strict")
        with contextlib.suppress(OSError):  # EPIPE, EIO if the terminal is gone, ENOSPC
            self._stuck = not sent(self._fd, data, 0 if self._stuck and wait_s else wait_s)


def without_blocking(fd: int) -> int:
    """A descriptor of the same pipe or terminal to which writes do not block; `fd` itself if it is neither.

    A pipe or terminal that others have open too may fill up between a check and a write. So it is opened anew: our
    writes then do not block, and those of others still do.
    """
    with contextlib.suppress(OSError):
        if os.isatty(fd) or stat.S_ISFIFO(os.fstat(fd).st_mode):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return fd


def sent(fd: int, data: bytes, wait_s: float | None) -> bool:
    """Whether everything was written without waiting this long for the reader. Raises OSError."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while data:
        if not poll.poll(None if wait_s is None else wait_s * 1000):
            return False
        with contextlib.suppress(BlockingIOError):  # another process filled it first
            data = data[os.write(fd, data[: select.PIPE_BUF]) :]
    return True


def guard() -> None:
    """Replaces Python's streams by these. Closed ones become /dev/null."""
    codecs.register_error(ESCAPED, _escape)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # as after `>&-`: no other file may get its number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the end
    for name, kind in (("stdout", Output), ("stderr", Messages)):
        stream = getattr(sys, name)
        if not isinstance(stream, Output):
            # What the locale cannot write is escaped: a name in a trace must not end the program.
            stream.reconfigure(errors=ESCAPED)
            setattr(sys, name, kind(stream))


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json_escaped(error.object[error.start : error.end]), error.end


def colours(stream: TextIO | Output) -> bool:
    """Whether text on it may have colours: https://no-color.org, any value but the empty one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(stream: TextIO, text: str, style: str) -> None:
    """Writes text in a style, given as parameters of ECMA-48's Select Graphic Rendition (ESC [ … m)."""
    put = stream.put if isinstance(stream, Output) else stream.write
    put(_in_style(for_output(text), style))


def _in_style(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if text else ""


def binary(stream: TextIO) -> BinaryIO:
    """The byte stream below a text stream."""
    return stream.binary() if isinstance(stream, Output) else stream.buffer


def never_wait() -> None:
    """For a recorder: drops messages rather than waiting."""
    if isinstance(sys.stderr, Messages):
        sys.stderr.never_wait()


def renew(text: str, alarm: str = "") -> None:
    """Shows a status line on standard error, if it is a terminal, until the next text is written to it."""
    if isinstance(sys.stderr, Messages):
        sys.stderr.renew(text, alarm)
