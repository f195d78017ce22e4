"""`sysmon slice`: writes a part of a trace as a trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import Part, opened, part_options, trace_argument

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace


@click.command("slice")
@trace_argument
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="File to write the part to."
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option("--follow", is_flag=True, help="With the chosen processes also their descendants.")
@part_options
def slice_(
    trace: str,
    output: Path,
    force: bool,
    follow: bool,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Write a part of a trace, a time or some processes, as a trace of its own.

    Events are in the part of their time, and counts in the part that has their snapshot, as in reports with --since and
    --until: parts that follow each other add up to the whole. Added are the processes and open connections at the edges
    of the part, and the names that its rows refer to. Of a recording that still runs it is what was written so far.

    \b
    Examples:
      sysmon slice trace.parquet -o minute.parquet --since 2026-01-31T14:03:00 --until 2026-01-31T14:04:00
      sysmon slice trace.parquet -o web.parquet --comm nginx --follow
      sysmon slice 'trace-*.parquet' -o all.parquet
    """
    from sysmon.analyze.edit import slices
    from sysmon.analyze.text.describe import seconds
    from sysmon.analyze.text.screen import Screen
    from sysmon.safe_text import one_line, shell_word

    part = Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    with opened(trace, part, follow=follow) as open_trace:
        _refuse_itself(open_trace, output)
        made = slices.write(open_trace, output, force=force, option="-o")
    screen, length = Screen(), seconds(made["ended_ns"] - made["started_ns"])
    screen.line(f"wrote {one_line(str(output))}: {sum(made['rows'].values()):,} rows, {length} s of the recording")
    screen.line(f"next: sysmon report {one_line(shell_word(str(output)))}")


def _refuse_itself(trace: Trace, output: Path) -> None:
    from sysmon.bpf.trace_file.atomic import is_one_of
    from sysmon.errors import CannotWrite
    from sysmon.safe_text import one_line

    source = trace.source
    names = [source.path, *(file.path for file in source.files)]
    if is_one_of(output, names) or output.absolute() == source.path:
        raise CannotWrite(f"{one_line(str(output))} is the trace itself: choose another name with -o")
