"""`sysmon info`: where a trace comes from and how complete it is."""

from __future__ import annotations

import click

from sysmon.analyze.commands.options import format_option, opened, trace_argument


@click.command()
@trace_argument
@format_option("table", "json")
def info(trace: str, form: str) -> None:
    """Show where a trace comes from and whether it is complete.

    Shows the checksum's result, host and kernel, time span, options, probes attached and not attached with the reason,
    rows of each kind, losses, clocks, and what the recording cost.

    \b
    Examples:
      sysmon info trace.parquet
      sysmon info trace.parquet --format json | jq .host.kernel
    """
    from sysmon.analyze.text.describe import everything, has_checksum
    from sysmon.analyze.text.formats import json_text, lines_of
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.text.summary import cost

    screen = Screen()
    with opened(trace) as open_trace:
        if form == "json":
            of_file = {"size_bytes": open_trace.source.size_bytes, "checksum": has_checksum(open_trace)}
            screen.line(json_text({**open_trace.metadata, **of_file}, indent=2))
            return
        pairs = [*everything(open_trace), ("cost", cost(open_trace) or "not recorded")]
        for line in lines_of(pairs):
            screen.line(line)
