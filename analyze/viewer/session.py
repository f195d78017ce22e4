"""What a viewer has: the recording as it was handed over, and what it may ask for.

It opens no name. The recorder and the writer are trusted by it only as far as their messages can be understood.
"""

from __future__ import annotations

import threading
from pathlib import Path

from sysmon.analyze.trace.growing.places import HandedParts
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.control import messages
from sysmon.bpf.control.client import Client, NoAnswer, PartFiles
from sysmon.bpf.control.messages import Wanted
from sysmon.bpf.control.saving import Saver
from sysmon.bpf.trace_file.partial import JOURNALS, LOG, ROWS

COPIED_BYTES = 512 << 20
"""Most that copies of row groups may take: the directory for temporary files may be memory."""

FIRST_PART_S = 10.0
"""How long a recorder that has begun may take to hand over what it records."""


class RecorderParts(HandedParts):
    """The parts that a recorder tells of. The socket is shared with requests, which wait for each other."""

    def __init__(self, path: Path, client: Client) -> None:
        super().__init__(path)
        self._client = client
        self._names: dict[int, str] = {}
        self.asking = threading.Lock()

    def names(self) -> list[str]:
        """Those that are kept by now."""
        with self.asking:
            self.look()
        return super().names()

    def look(self, wait_s: float = 0.0) -> None:
        """Takes the news that came, and waits as long for the first."""
        try:
            while (news := self._client.poll(wait_s)) is not None:
                self._take(news)
                wait_s = 0.0
        except (NoAnswer, messages.Malformed):  # it has ended, in whatever way: what the log says of it holds
            self.over()

    def _take(self, news: PartFiles | messages.PartGone | messages.Ended) -> None:
        if isinstance(news, PartFiles):
            self._names[news.number] = news.name
            files = (news.rows, news.log, *news.journals)
            self.came(news.name, dict(zip((ROWS, LOG, *JOURNALS), files, strict=True)))
        elif isinstance(news, messages.PartGone):
            self.gone(self._names.pop(news.number, ""))
        else:
            self.over()


class Session:
    """A viewer's connections. Requests may come from another thread than the one that reads."""

    def __init__(self, path: Path, client: Client, saver: Saver) -> None:
        """`path`: of the file that is recorded into, for messages."""
        self.path = path
        self._client, self._saver = client, saver
        self._parts = RecorderParts(path, client)
        self._saving = threading.Lock()

    def attach(self, wanted: Wanted = Wanted.SNAPSHOTS) -> None:
        """From now on it is told what is recorded. Raises NoAnswer, RequestRefused."""
        self._client.attach(wanted)
        self._parts.look(FIRST_PART_S)

    def want(self, wanted: Wanted) -> None:
        """Wants to read something else soon. Does not wait."""
        with self._parts.asking:
            self._client.want(wanted)

    def open(self) -> Trace:
        """What was committed so far; `refresh` takes what comes. Raises SysmonError."""
        growing = Growing(self._parts, COPIED_BYTES)
        try:
            return Trace(growing)
        finally:
            growing.discard()

    def mark(self, text: str) -> int:
        """Marks the recording now. Returns when that was [UTC ns]. Raises NoAnswer, RequestRefused."""
        with self._parts.asking:
            return self._client.mark(text.encode(errors="replace"))

    def save(self, since_ns: int, until_ns: int) -> str:
        """Has a trace of [since_ns, until_ns) written. Returns the name of its file. Raises NotSaved."""
        with self._saving:
            return self._saver.save(since_ns, until_ns)

    def end(self) -> None:
        """Has the recorder end, as Ctrl-C does. Raises NoAnswer, RequestRefused."""
        with self._parts.asking:
            self._client.end()

    def close(self) -> None:
        """Asks for nothing any more."""
        self._parts.close()
        self._client.close()
        self._saver.close()
