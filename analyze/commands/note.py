"""`sysmon note`: adds a note to a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import TEXT, Part, opened, trace_argument

if TYPE_CHECKING:
    from sysmon.analyze.edit.notes import Note

WHEN = "+1.5, 90s or 2m after the start of the recording, or UTC as 2026-01-31T12:00:00."


@click.command()
@trace_argument
@click.argument("text", type=TEXT)
@click.option("--at", metavar="T", help=f"The moment that it is about: {WHEN}")
@click.option("--since", metavar="T", help="Start of what it is about; same format. Default: that of the recording.")
@click.option("--until", metavar="T", help="End of what it is about. Default: that of the recording.")
@click.option("--pid", type=click.IntRange(1, 2**32 - 1), metavar="N", help="The process that it is about.")
def note(trace: str, text: str, at: str | None, since: str | None, until: str | None, pid: int | None) -> None:
    """Add a note to a trace: about a moment, a time, or all of it.

    The note is written into the file, in which everything else stays as it is. `sysmon report TRACE remarks` shows
    notes and the marks of `sysmon mark`; the summary, charts and the HTML page show them, too.

    \b
    Examples:
      sysmon note trace.parquet --at +12.5 "the page did not answer"
      sysmon note trace.parquet --since +10 --until +20 --pid 1234 "what we looked at"
      sysmon note trace.parquet "before the upgrade"
    """
    from pathlib import Path

    from sysmon.analyze.edit import notes
    from sysmon.safe_text import one_line

    if at is not None and (since is not None or until is not None):
        raise click.UsageError("--at is a moment, --since and --until a time: give one", click.get_current_context())
    notes.add(Path(trace), _note(trace, text, at, since, until, pid))
    click.echo(f"noted in {one_line(trace)}", err=True)


def _note(trace: str, text: str, at: str | None, since: str | None, until: str | None, pid: int | None) -> Note:
    """The note with its time. Raises BadRequest for a process that is not in the trace."""
    from sysmon.analyze.edit.notes import Note
    from sysmon.analyze.trace.times import instant_ns

    chosen = Part(since=None, until=None, pids=(pid,) if pid else (), comms=(), cgroups=(), command=False)
    with opened(trace, chosen) as open_trace:
        info = open_trace.metadata
    if at is not None:
        return Note(text, instant_ns(at, info["started_ns"]), pid=pid)
    began, ended = (
        default if given is None else instant_ns(given, info["started_ns"])
        for given, default in ((since, info["started_ns"]), (until, info["ended_ns"]))
    )
    return Note(text, began, ended, pid)
