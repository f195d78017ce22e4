"""What clients may do with a recording: mark it, follow it, end it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sysmon.bpf.control import messages
from sysmon.recorder.control.access import Access
from sysmon.recorder.control.listener import Listener
from sysmon.recorder.control.marks import Collector, Marks
from sysmon.recorder.control.server import Server
from sysmon.recorder.output.protocol import Output, Part
from sysmon.recorder.sample import clock


class Control:
    """A recording as its clients see it."""

    def __init__(self, output: Output, collector: Collector, end: Callable[[], None], *, takes_marks: bool) -> None:
        """`end` has the recording end soon, as Ctrl-C does."""
        self._output, self._collector, self._end = output, collector, end
        self._marks = Marks(collector, wanted=takes_marks)

    def serve(self, access: Access, name: str) -> tuple[Server, str]:
        """A server, which listens under this name if that is possible, and what a user has to know of that."""
        listener, remark = _listen(access, name)
        return Server(self, access.owner, listener, access.inherited), remark

    def mark(self, mark: messages.Mark, pid: int, uid: int) -> messages.Ok | messages.Refused:
        """Makes a mark, or says why not."""
        return self._marks.make(mark, pid, uid)

    def end(self) -> messages.Ok:
        """Ends it soon."""
        self._end()
        return self.now()

    def now(self) -> messages.Ok:
        """The time."""
        return messages.Ok(clock.boottime_ns() + self._collector.offset_ns)

    @property
    def parts(self) -> Sequence[Part]:
        """What is there of it, and can be read."""
        return self._output.parts

    @property
    def first_part(self) -> int:
        """The number of the oldest part that is not removed."""
        return self._output.first_part


def _listen(access: Access, name: str) -> tuple[Listener | None, str]:
    missing = access.missing
    try:
        listener = Listener(access.directory, name) if access.directory else None
    except OSError as error:
        listener, missing = None, str(error.strerror or error)
    if not listener:
        return None, f"`sysmon mark` cannot reach it: {missing}"
    return listener, "" if listener.name == name else f"for `sysmon mark` it is {listener.name}"
