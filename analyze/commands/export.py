"""`sysmon export`: the stacks of a trace in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import Part, format_option, opened, part_options, trace_argument

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

SAMPLES, OFF_CPU = "samples", "off_cpu"


@click.command()
@trace_argument
@format_option("folded", "speedscope")
@click.option(
    "--of",
    "kind",
    type=click.Choice([SAMPLES, OFF_CPU]),
    help="Stacks of running threads, weighted by samples, or of waiting threads, weighted by the time blocked.  "
    "[default: samples, if the trace has them]",
)
@part_options
def export(
    trace: str,
    form: str,
    kind: str | None,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Write the stacks of a trace for other tools, to standard output.

    `folded` is one line per stack, for flamegraph.pl, inferno and similar tools: the process and its functions, the
    outermost first, separated by semicolons, with _[k] after those of the kernel; then the number of samples, or the
    microseconds blocked. `speedscope` is JSON for https://www.speedscope.app. `[callers unknown]` stands for callers
    that a stack lacks, mostly because the program has no frame pointers, and `[caller skipped]` for one that is
    missing in between, as the function that it called has no frame.

    \b
    Examples:
      sysmon export trace.parquet > stacks.folded
      sysmon export trace.parquet --format speedscope > trace.speedscope.json
      sysmon export trace.parquet --of off_cpu --comm nginx | flamegraph.pl --countname us > nginx.svg
    """
    import sys

    with opened(
        trace, Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    ) as open_trace:
        for text in _text(open_trace, form, kind):
            sys.stdout.write(text)


def _text(trace: Trace, form: str, kind: str | None) -> Iterator[str]:
    from sysmon.analyze.stacks.folded import MEASURES, folded
    from sysmon.analyze.stacks.formats import as_folded, as_speedscope
    from sysmon.safe_text import one_line

    recorded = [name for name in MEASURES if name in trace.metadata["kinds"]]
    measure = MEASURES[kind or next(iter(recorded), SAMPLES)]
    stacks = folded(trace, measure)
    if form == "folded":
        return as_folded(stacks, measure)
    return as_speedscope(stacks, measure, one_line(trace.source.path.name))
