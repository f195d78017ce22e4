"""`sysmon replay`: a trace again, as it happened."""

from __future__ import annotations

import sys

import click

from sysmon.analyze.commands.options import TEXT, Part, format_option, opened, part_options, trace_argument


class _Length(click.ParamType[int]):
    """A length of time [ns]."""

    name = "time"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from sysmon.analyze.trace.times import length_ns

        return value if isinstance(value, int) else length_ns(value)


@click.command()
@trace_argument
@click.option("--at", metavar="T", help="Begin at this time; same format as --since.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="This many times as fast as it happened. Default: 1 on the screen, as text as fast as can be.",
)
@click.option(
    "--plain", is_flag=True, help="A table for each interval: the machine, and the processes that used most CPU."
)
@click.option(
    "--events",
    is_flag=False,
    flag_value="all",
    type=TEXT,
    metavar="[KINDS]",
    help="A line for each event. KINDS: some of them, as exec,exit,open; without it all that were recorded.",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Stop after this many intervals or lines.")
@click.option(
    "--every", type=_Length(), default=0, metavar="T", help="With --plain: join intervals to about this, as 5s."
)
@click.option(
    "--top",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    metavar="N",
    help="With --plain: this many processes.",
)
@format_option("text", "json")
@part_options
def replay(
    trace: str,
    at: str | None,
    speed: float | None,
    plain: bool,
    events: str | None,
    count: int | None,
    every: int,
    top: int,
    form: str,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Show again what happened: on the whole screen, or as text, interval by interval or event by event.

    On the screen Space plays, arrows step, Enter goes deeper, Escape comes back, and ? shows all keys.

    A trace that is still being recorded is followed to its end. Intervals are those between snapshots (`sysmon record
    --interval`); --every joins some. Figures of a process are those of the reports for the same window; `-` is unknown.
    In lines of events, the name of an error stands before what failed. --format json writes an object per line.

    \b
    Examples:
      sysmon replay trace.parquet
      sysmon replay trace.parquet --at 2026-01-31T14:03:00
      sysmon replay trace.parquet --plain
      sysmon replay trace.parquet --plain --every 5s --top 10
      sysmon replay trace.parquet --events exec,exit --speed 1
      sysmon replay trace.parquet --events open --comm nginx --format json | jq -r .what
    """
    from sysmon.analyze import follow
    from sysmon.analyze.text.screen import Screen

    _check(plain, events, at, since)
    if not plain and events is None:
        part = Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
        click.get_current_context().exit(_screen(trace, part, at, speed))
    options = follow.Options(form, every, top, count, speed)
    part = Part(since=at or since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    with opened(trace, part) as open_trace:
        if events is None:
            follow.plain(open_trace, Screen(), options)
        else:
            follow.events(open_trace, events, Screen(), options)


def _screen(trace: str, part: Part, at: str | None, speed: float | None) -> int:
    """Shows the screen until it is left; the exit status."""
    from sysmon.analyze import tui
    from sysmon.analyze.trace.trace import Trace

    return tui.run(lambda: Trace(trace, **part), trace, at=at, speed=speed or 1.0)


def _check(plain: bool, events: str | None, at: str | None, since: str | None) -> None:
    """Raises UsageError."""
    ctx = click.get_current_context()
    if plain and events is not None:
        raise click.UsageError("give --plain or --events, not both", ctx)
    if not (plain or events is not None or sys.stdout.isatty()):
        raise click.UsageError("no terminal for a screen; give --plain for a table of intervals, or --events", ctx)
    if at is not None and since is not None:
        raise click.UsageError("give --at or --since, not both", ctx)
