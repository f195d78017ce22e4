"""Standard output and standard error of a command: all that it writes as text goes through here.

A trace, a partial directory and /proc hold what any program called itself, and a message repeats it. Whoever forgets to
make it safe is caught here: what acts on a terminal is escaped, but for line ends and tabs, and the one way around that
is `styled`. So that this is the only way out, there is no `buffer`; `binary` is for pictures and pages.
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
"""The error handler of output streams: \\uNNNN for what the locale cannot write, which is right inside JSON too."""

WAIT_S = 0.1
"""How long a recorder waits for who reads its messages, before one is dropped."""

ERASE = "\r\x1b[K"
"""Back to the begin of the line, and Erase in Line of ECMA-48."""

ALARM = "1;31"
"""Bold red, as Select Graphic Rendition of ECMA-48 has it."""


class Output:
    """A text stream through which nothing goes that acts on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding
        self.errors = stream.errors

    def put(self, text: str) -> None:
        """Writes text that is safe, or that is to act."""
        self._stream.write(text)

    def write(self, text: str | bytes) -> int:
        """Writes the text, made safe. What click writes as bytes is text, too: what a shell asks for to complete."""
        if isinstance(text, bytes):
            if not text:
                raise TypeError("a stream of text")  # with no byte click tries what it is
            text = text.decode(errors="backslashreplace")
        self.put(for_output(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Writes the texts, made safe."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Writes what waits."""
        self._stream.flush()

    def fileno(self) -> int:
        """The descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._stream.isatty()

    def writable(self) -> bool:
        """It is."""
        return True

    @property
    def closed(self) -> bool:
        """Whether it takes no more."""
        return self._stream.closed

    def binary(self) -> BinaryIO:
        """The stream of bytes below: for what is no text."""
        self.flush()
        return self._stream.buffer


class Messages(Output):
    """Standard error. Who cannot be told is not told: nothing fails because nobody reads it, or no terminal is there.

    A recorder does not wait either for who could read and does not, such as a pager or a terminal after Ctrl-S.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._fd: int | None = None
        with contextlib.suppress(OSError):  # a stream in memory has none
            self._fd = stream.fileno()
        self._wait_s: float | None = None  # as long as it takes
        self._stuck = False
        self._is_live = False

    def never_wait(self) -> None:
        """From now on a message is dropped that cannot be written soon.

        What others have open, too, may be full a moment after it was not: a pipe or a terminal is opened anew, so that
        a write to it does not block, and theirs does as before.
        """
        self._wait_s = WAIT_S
        with contextlib.suppress(OSError):
            if self._fd is not None and (self.isatty() or stat.S_ISFIFO(os.fstat(self._fd).st_mode)):
                self._fd = os.open(f"/proc/self/fd/{self._fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)

    def put(self, text: str) -> None:
        if self._is_live:
            self._is_live = False
            text = ERASE + text
        self._send(text, self._wait_s)

    def renew(self, text: str, alarm: str) -> None:
        """Shows a line, its end in red if there is an alarm, until the next text is written. Only on a terminal."""
        if self._fd is None or not self.isatty() or os.environ.get("TERM") == "dumb":
            return
        with contextlib.suppress(OSError):
            room = (os.get_terminal_size(self._fd).columns or 80) - 1
            text, alarm = for_output(text)[:room], for_output(alarm)[: max(0, room - len(text))]
            self._is_live = True
            self._send(ERASE + text + (_in_style(alarm, ALARM) if colours(self) else alarm), 0)

    def flush(self) -> None:
        """Nothing waits."""
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
        with contextlib.suppress(OSError):  # EPIPE, EIO of a terminal that is gone, ENOSPC
            self._stuck = not _sent(self._fd, data, 0 if self._stuck and wait_s else wait_s)


def _sent(fd: int, data: bytes, wait_s: float | None) -> bool:
    """Whether all was written before who reads it had to be waited for so long."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while data:
        if not poll.poll(None if wait_s is None else wait_s * 1000):
            return False
        with contextlib.suppress(BlockingIOError):  # another was faster
            data = data[os.write(fd, data[: select.PIPE_BUF]) :]
    return True


def guard() -> None:
    """Puts this in place of Python's streams. Those that are closed are as /dev/null."""
    codecs.register_error(ESCAPED, _escape)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # as by `>&-`: a file that is opened must not get its number
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the end
    for name, kind in (("stdout", Output), ("stderr", Messages)):
        stream = getattr(sys, name)
        if not isinstance(stream, Output):
            # Whatever the locale can write, the rest is escaped: a name in a trace must not end the program.
            stream.reconfigure(errors=ESCAPED)
            setattr(sys, name, kind(stream))


def _escape(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json_escaped(error.object[error.start : error.end]), error.end


def colours(stream: TextIO | Output) -> bool:
    """Whether text on it may have colours: https://no-color.org, any value but the empty one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def styled(stream: TextIO, text: str, style: str) -> None:
    """Writes text in a style, which is what follows ESC [ in Select Graphic Rendition of ECMA-48."""
    put = stream.put if isinstance(stream, Output) else stream.write
    put(_in_style(for_output(text), style))


def _in_style(text: str, style: str) -> str:
    return f"\x1b[{style}m{text}\x1b[0m" if text else ""


def binary(stream: TextIO) -> BinaryIO:
    """The stream of bytes below one of text."""
    return stream.binary() if isinstance(stream, Output) else stream.buffer


def never_wait() -> None:
    """Of a recorder: its messages are dropped rather than waited for."""
    if isinstance(sys.stderr, Messages):
        sys.stderr.never_wait()


def renew(text: str, alarm: str = "") -> None:
    """Shows a line on standard error, if that is a terminal, until the next text is written to it."""
    if isinstance(sys.stderr, Messages):
        sys.stderr.renew(text, alarm)
