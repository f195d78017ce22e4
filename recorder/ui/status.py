"""What the user sees of a recording: a status line while it runs, and the outcome at the end.

Everything goes to standard error: standard output belongs to the followed command.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sysmon import streams
from sysmon.bpf.columns import PID
from sysmon.bpf.kinds import KINDS, lifecycle, throttle
from sysmon.bpf.trace_file import rotated
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.recorder.select.command import Command
from sysmon.safe_text import shell_word, shown

if TYPE_CHECKING:
    from sysmon.recorder.options import Options
    from sysmon.recorder.output.protocol import Files
    from sysmon.recorder.ui.readiness import Readiness
    from sysmon.recorder.ui.watcher import Progress


OF_THE_MACHINE = {k.name for k in KINDS if PID.name not in {c.name for c in k.cols}} | {lifecycle.PROCESS.name}
"""Kinds that have rows even if no chosen process did anything."""


SHARING = (
    "the trace describes everyone on this host: command lines with any passwords in them, paths, addresses, users; "
    "check it before you share it"
)
"""Shown for each trace that is written."""


def size(bytes_: float) -> str:
    """A size for people, in powers of 1024, as in reports and --max-size."""
    value = bytes_
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


class Status:
    """The status line, if there is a terminal and no command that writes to it."""

    def __init__(self, options: Options, readiness: Readiness) -> None:
        self._options, self._readiness = options, readiness

    def __enter__(self) -> Status:
        return self

    def began(self, remark: str = "") -> None:
        """Says that the recording has begun, and until when it runs; also to the program that started us."""
        until = "until Ctrl-C" if self._options.duration_s is None else f"for {self._options.duration_s:g} s"
        if self._options.command:
            until = "until the command has ended"
        if self._options.only_command:
            until = "until the command and all its descendants have ended"
        into = self._options.path
        if self._options.rotate:
            into = rotated.numbered(into, 1)
            until = f"and on {until}"
        self.say(f"recording to {into} {until}{'; ' if remark else ''}{remark}")
        for fault in self._readiness.tell():
            self.say(fault)

    def __exit__(self, *_error: object) -> None:
        if not self._options.command:
            streams.renew("")

    def goes(self, progress: Progress) -> None:
        """Updates the line."""
        if self._options.command:
            return
        left = "" if progress.left_s is None else f", {max(0.0, progress.left_s):.0f} s left"
        lost = f"{progress.lost:,} lost" if progress.lost else ""
        streams.renew(
            f"{progress.elapsed_s:.0f} s{left} · {progress.rows:,} rows · {size(progress.bytes_written)} · "
            f"{'' if lost else 'nothing lost'}",
            alarm=lost,
        )

    def waits(self, left: list[tuple[int, str]]) -> None:
        """Says why the recording continues."""
        (pid, name), *others = left
        more = f" and {len(others)} more" if others else ""
        until = "all have ended" if others else "it ends"
        self.say(f"the command has ended; it started {name} (pid {pid}){more}: recording until {until}, or Ctrl-C")

    def finished(
        self,
        recording: Recording,
        command: Command | None,
        files: Files,
    ) -> None:
        """Says what was written to these files, what was lost, and what to type next."""
        asked = "TRACE" if self._options.discard else _to_type(files)
        self._say_what_is_missing(recording, files)
        if command and command.status() is None:
            self.say(f"the command is still running: pid {command.pid}")
        self._say_if_it_is_empty(recording)
        seconds = (recording["ended_ns"] - recording["started_ns"]) / 1e9
        rows = f"{sum(recording['rows'].values()):,} rows"
        if self._options.discard:
            self.say(f"{rows}, {seconds:.1f} s, {_lost(recording, asked)}; none are kept, as there is no -o FILE")
            return
        self.say(
            f"wrote {_written(files)}: {rows} in {size(sum(map(_bytes, files.complete)))}, {seconds:.1f} s, "
            f"{_lost(recording, asked)}{_removed(files)}"
        )
        self.say(SHARING)
        self.say(f"next: sysmon report {asked}")

    def _say_what_is_missing(self, recording: Recording, files: Files) -> None:
        for probe in recording["probes"]:
            if not probe["attached"]:
                self.say(f"not recorded: {probe['name']} on {probe['tracepoint']}: {probe['reason']}")
        for column, reason in recording["unmeasured"].items():
            self.say(f"not measured: {column}: {reason}")
        if recording["stopped_by"] == "size":
            self.say("stopped: the trace has reached --max-size")
        for file in files.left:
            self.say(f"not finished: {file}: `sysmon repair {shell_word(str(file))}` finishes it")

    def _say_if_it_is_empty(self, recording: Recording) -> None:
        idle = not any(count for kind, count in recording["rows"].items() if kind not in OF_THE_MACHINE)
        if "syscall" in recording["kinds"] and not recording["rows"]["syscall"]:
            self.say("none of the requested system calls was made")
        if self._options.filters.flags and idle:
            self.say("no selected process did anything: check the filter, and `ps`")

    def say(self, text: str) -> None:
        """Writes a line, if anybody reads it: a missing reader is no reason to lose a recording."""
        sys.stderr.write(f"{shown(text)}\n")


def _bytes(file: Path) -> int:
    """Size of a file; 0 if somebody has removed it."""
    try:
        return file.stat().st_size
    except OSError:
        return 0


def _written(files: Files) -> str:
    first, last = files.complete[0], files.complete[-1]
    return str(last) if first == last else f"{len(files.complete)} files, {first} to {last.name}"


def _to_type(files: Files) -> str:
    """What names all that was written, as a word of a command: of many files only the last can be read by itself."""
    last = files.complete[-1]
    together = 1 < len(files.complete) <= rotated.MOST_FILES
    return shell_word(str(rotated.pattern(last) if together else last))


def _removed(files: Files) -> str:
    return f"; {files.removed} older files removed (--rotate-keep); these totals include them" if files.removed else ""


def _lost(recording: Recording, asked: str) -> str:
    """What is missing of the rows; what was only to be counted is not lost."""
    throttled = sum(loss["lost"] for loss in recording["losses"] if loss["cause"] == throttle.CAUSE)
    lost = sum(loss["lost"] for loss in recording["losses"]) - throttled
    said = f"{lost:,} LOST (sysmon report {asked} losses)" if lost else "nothing lost"
    if not throttled:
        return said
    return (
        f"{said}; {throttled:,} events throttled, only counted (--max-rate, or full ring; sysmon report {asked} losses)"
    )
