"""Arguments and options that several commands share, and how they open a trace."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypedDict

import click

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

Command = Callable[..., Any]


class _Text(click.ParamType[str]):
    """Typed text as a trace stores it: UTF-8 whatever the locale, other bytes as \\xNN."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return os.fsencode(value).decode("utf-8", "backslashreplace")


TEXT = _Text()


class Part(TypedDict):
    """The part of a trace that the options choose."""

    since: str | None
    until: str | None
    pids: tuple[int, ...]
    comms: tuple[str, ...]
    cgroups: tuple[str, ...]
    command: bool


def trace_argument(command: Command) -> Command:
    """The trace's file name, or a pattern. `analyze/trace/dataset.py` checks whether it can be opened, not click."""
    return click.argument("trace", type=click.Path())(command)


def format_option(*formats: str) -> Callable[[Command], Command]:
    """Choice of the output format; the first is the default."""
    return click.option(
        "--format", "form", type=click.Choice(formats), default=formats[0], show_default=True, help="Output format."
    )


def part_options(command: Command) -> Command:
    """`--pid`, `--comm`, `--cgroup`, `--command`, `--since` and `--until`."""
    options = (
        click.option(
            "--pid",
            "pids",
            type=click.IntRange(0, 2**32 - 1),
            multiple=True,
            metavar="N",
            help="Show only processes with this id. May be repeated.",
        ),
        click.option(
            "--comm",
            "comms",
            type=TEXT,
            multiple=True,
            metavar="NAME",
            help="Show only processes with this last known command name. May be repeated, and combined with --pid: "
            "a process needs to match one of them.",
        ),
        click.option(
            "--cgroup",
            "cgroups",
            type=TEXT,
            multiple=True,
            metavar="PATH",
            help="Show only processes last seen in this control group or below it. May be repeated.",
        ),
        click.option(
            "--command",
            is_flag=True,
            help="Show only the processes of COMMAND in `sysmon record -a -- COMMAND`, with all that they started.",
        ),
        click.option(
            "--since",
            metavar="T",
            help="Start at this time: +1.5, 90s or 2m after the start of the recording, or UTC as "
            "2026-01-31T12:00:00, or with an offset as 2026-01-31T12:00:00+01:00.",
        ),
        click.option(
            "--until",
            metavar="T",
            help="Stop before this time; same format as --since. Calls, CPU time, waits and I/O are counted from "
            "snapshot to snapshot (`sysmon record --interval`), and these intervals are not cut: those that end in the "
            "window are in it, whole. A note says which, if that is another time than the window.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def tell_intervals(trace: Trace, kinds: Collection[str]) -> None:
    """Says on standard error of which intervals the counts of these kinds are, if that is not the window."""
    from sysmon.analyze.trace.counted import whole_intervals

    if told := whole_intervals(trace, kinds):
        click.echo(told, err=True)


@contextmanager
def opened(path: str, part: Part | None = None, *, follow: bool = False) -> Iterator[Trace]:
    """The open trace; damage that shows only while rows are read is reported as BrokenTrace."""
    from sysmon.analyze.trace import cleanup
    from sysmon.analyze.trace.trace import Trace

    part = part or Part(since=None, until=None, pids=(), comms=(), cgroups=(), command=False)
    with cleanup.clean(), Trace(path, **part, follow=follow) as trace, trace.reading():
        yield trace
