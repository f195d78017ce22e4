"""`sysmon chart`: draws a chart of a trace to a file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from sysmon.analyze.commands.options import Part, opened, part_options, tell_intervals
from sysmon.errors import BadRequest


@click.command()
@click.argument("trace", type=click.Path(), required=False)
@click.argument("name", required=False)
@click.option("--list", "show_list", is_flag=True, help="List the charts; needs no trace.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write; its suffix .png, .svg or .pdf chooses the format, and - is standard output, as PNG.  "
    "[default: TRACE-NAME.png in the current directory]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option("--syscall", metavar="CALL", help="Show only this system call; for latency, heatmap and errors.")
@part_options
def chart(
    trace: str | None,
    name: str | None,
    show_list: bool,
    output: Path | None,
    force: bool,
    syscall: str | None,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    cgroups: tuple[str, ...],
    command: bool,
    since: str | None,
    until: str | None,
) -> None:
    """Draw a chart of a trace, ready to put into a report.

    A process has the same colour in every chart of a trace, whichever part is drawn. Times with losses are shaded;
    unknown values are left blank.

    \b
    Examples:
      sysmon chart --list
      sysmon chart trace.parquet cpu
      sysmon chart trace.parquet memory --since +10 --until +60 -o leak.pdf
      sysmon chart trace.parquet latency --pid 1234
      sysmon chart trace.parquet latency --syscall fsync -o fsync.svg
    """
    from sysmon.analyze import charts

    if show_list:
        width = max(map(len, charts.CHARTS))
        for one in charts.CHARTS.values():
            click.echo(f"{one.name:<{width}}  {one.title}")
        return
    if trace is None or name is None:
        raise click.UsageError("give a trace and the name of a chart, or --list", click.get_current_context())
    charts.find_chart(name)
    with opened(
        trace, Part(since=since, until=until, pids=pids, comms=comms, cgroups=cgroups, command=command)
    ) as open_trace:
        path = output or Path(f"{Path(trace).stem}-{name}.png")
        quiet()
        from sysmon.analyze.charts.output import check
        from sysmon.analyze.text.describe import size
        from sysmon.safe_text import one_line
        from sysmon.streams import binary

        if str(path) == "-":
            if sys.stdout.isatty():
                raise BadRequest("-o - would write an image to the terminal: redirect it, or name a file")
        else:
            check(path, force=force)
        drawn = charts.draw(open_trace, name, syscall=syscall)
        tell_intervals(open_trace, charts.CHARTS[name].kinds)
        if str(path) == "-":
            binary(sys.stdout).write(charts.rendered(drawn, "png"))
            return
        written = charts.write(drawn, path, force=force)
        click.echo(f"wrote {one_line(str(path))}: {charts.CHARTS[name].title}, {size(written)}")


def quiet() -> None:
    """Keeps matplotlib's messages about its font cache off the terminal."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)
