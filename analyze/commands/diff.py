"""`sysmon diff`: what differs between two traces."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import TEXT, Part, format_option, opened

if TYPE_CHECKING:
    from pathlib import Path

    from sysmon.analyze.diff.comparison import Comparison, Options
    from sysmon.analyze.diff.sections import Section
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace.trace import Trace

TABLE_ROWS = 10
"""Rows per section in a table, unless --limit or named sections say otherwise."""

NAMED_ROWS = 30

DIFFERS, TROUBLE = 1, 2
"""Exit statuses with --exit-code, like diff(1)'s."""


@click.command()
@click.argument("before", type=click.Path())
@click.argument("after", type=click.Path())
@click.argument("names", nargs=-1, metavar="[SECTION]...")
@format_option("table", "json", "csv", "markdown")
@click.option(
    "--limit",
    type=click.IntRange(0),
    help=f"Show at most this many rows of each section. Default: {TABLE_ROWS} in a table, {NAMED_ROWS} of a "
    "section that is named, otherwise all.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(),
    metavar="FILE",
    help="Write all sections as one self-contained HTML file. - is standard output.",
)
@click.option(
    "--flamegraph",
    "graph_file",
    type=click.Path(),
    metavar="FILE",
    help="Draw a flame graph of AFTER's samples, coloured by how they differ from BEFORE's, as .png, .svg or .pdf. "
    "Needs two traces recorded --with samples.",
)
@click.option("--force", is_flag=True, help="Overwrite the FILE of --html or --flamegraph.")
@click.option(
    "--comm", "comms", type=TEXT, multiple=True, metavar="NAME", help="Only commands with this name. May be repeated."
)
@click.option(
    "--since", metavar="T", help="Compare both from this time on: +1.5, 90s or 2m after the start of each recording."
)
@click.option("--until", metavar="T", help="Compare both up to this time; same format as --since.")
@click.option("--before-since", metavar="T", help="Same, for BEFORE only; also a UTC time, as in `sysmon report`.")
@click.option("--before-until", metavar="T", help="Same, for BEFORE only.")
@click.option("--after-since", metavar="T", help="Same, for AFTER only.")
@click.option("--after-until", metavar="T", help="Same, for AFTER only.")
@click.option(
    "--min-change",
    type=click.FloatRange(0, 1e6),
    default=25.0,
    show_default=True,
    metavar="PERCENT",
    help="Leave out smaller changes.",
)
@click.option("--unchanged", is_flag=True, help="Also show figures that did not change.")
@click.option(
    "--exit-code", is_flag=True, help="Exit with 1 if there are differences, 0 if there are none, and 2 on an error."
)
def diff(
    before: str,
    after: str,
    names: tuple[str, ...],
    form: str,
    limit: int | None,
    html_file: str | None,
    graph_file: str | None,
    force: bool,
    comms: tuple[str, ...],
    since: str | None,
    until: str | None,
    before_since: str | None,
    before_until: str | None,
    after_since: str | None,
    after_until: str | None,
    min_change: float,
    unchanged: bool,
    exit_code: bool,
) -> int:
    """Compare two traces and show what differs, the most important first.

    Shows programs that are new or gone; system calls, by command and in total, whose rate, latency or errors changed;
    CPU time and memory by command; exit codes; and files newly opened or failing. Processes are matched by command
    name. Changes must be large, and more than chance; docs/diff.md describes the tests. SECTION is one of programs,
    syscalls_by_command, syscalls, cpu, functions, memory, exits, file_errors, files; without one all are shown.

    \b
    Examples:
      sysmon diff before.parquet after.parquet
      sysmon diff before.parquet after.parquet syscalls_by_command --comm nginx
      sysmon diff before.parquet after.parquet --since +10 --min-change 50
      sysmon diff before.parquet after.parquet --html changes.html
      sysmon diff before.parquet after.parquet --flamegraph changes.svg
      sysmon diff trace.parquet trace.parquet --before-until +30 --after-since +30
      sysmon diff before.parquet after.parquet --exit-code > /dev/null || echo changed
    """
    from sysmon.analyze.diff.comparison import Options
    from sysmon.analyze.text.screen import Screen
    from sysmon.errors import SysmonError

    if html_file is not None and (names or form != "table"):
        raise click.UsageError("--html writes all sections: leave out SECTION and --format")
    if graph_file is not None and (names or form != "table" or html_file is not None):
        raise click.UsageError("--flamegraph draws one file: leave out SECTION, --format and --html")
    if force and html_file is None and graph_file is None:
        raise click.UsageError("--force needs --html or --flamegraph")
    parts = (
        Part(since=before_since or since, until=before_until or until, pids=(), comms=(), cgroups=(), command=False),
        Part(since=after_since or since, until=after_until or until, pids=(), comms=(), cgroups=(), command=False),
    )
    options = Options(comms, min_change, unchanged)
    if graph_file is not None:
        _flamegraph((before, after), parts, comms, graph_file, force=force)
        return 0
    try:
        found, heading, graph = _compared((before, after), parts, names, form, options, draws=html_file is not None)
        with found:
            chosen = _chosen(names)
            if html_file is not None:
                _html(found, (before, after), heading, graph, html_file, limit, force=force)
            else:
                _write(found, heading, chosen, form, limit, Screen())
            differs = any(found.changes(s.name) for s in chosen)
    except SysmonError as e:
        if exit_code:
            e.exit_status = TROUBLE
        raise
    return DIFFERS if differs and exit_code else 0


def _chosen(names: tuple[str, ...]) -> tuple[Section, ...]:
    from sysmon.analyze.diff.sections import find_section, sections

    return tuple(map(find_section, names)) or sections()


def _compared(
    paths: tuple[str, str],
    parts: tuple[Part, Part],
    names: tuple[str, ...],
    form: str,
    options: Options,
    *,
    draws: bool,
) -> tuple[Comparison, list[tuple[str, str]], str]:
    """The comparison; a line for each trace; and, if it `draws` and both have samples, their flame graph as <svg>."""
    from sysmon.analyze import charts
    from sysmon.analyze.diff import compare
    from sysmon.errors import BadRequest, NoData

    _chosen(names)
    if form == "csv" and len(names) != 1:
        raise BadRequest("--format csv writes one section at a time; name one, or use json")
    with opened(paths[0], parts[0]) as before, opened(paths[1], parts[1]) as after:
        found, graph = compare(before, after, options), ""
        if draws:
            with contextlib.suppress(NoData):
                graph = charts.svg(charts.draw_difference(before, after, options.comms))
        return found, _heading(before, after), graph


def _spare(path: Path, traces: tuple[str, str], *, force: bool) -> None:
    """Raises CannotWrite if a trace would be overwritten."""
    from pathlib import Path

    from sysmon.bpf.trace_file.atomic import is_one_of
    from sysmon.errors import CannotWrite
    from sysmon.safe_text import one_line

    if force and is_one_of(path, map(Path, traces)):
        raise CannotWrite(f"{one_line(str(path))} is one of the traces: choose another name")


def _flamegraph(
    traces: tuple[str, str], parts: tuple[Part, Part], comms: tuple[str, ...], file: str, *, force: bool
) -> None:
    from pathlib import Path

    from sysmon.analyze import charts
    from sysmon.analyze.charts import output
    from sysmon.analyze.commands.chart import quiet
    from sysmon.analyze.text.describe import size
    from sysmon.safe_text import one_line

    path = Path(file)
    _spare(path, traces, force=force)
    quiet()
    output.check(path, force=force, option="--flamegraph")
    with opened(traces[0], parts[0]) as before, opened(traces[1], parts[1]) as after:
        figure = charts.draw_difference(before, after, comms)
        written = charts.write(figure, path, force=force, option="--flamegraph")
    click.echo(f"wrote {one_line(file)}: {size(written)}", err=True)


def _html(
    found: Comparison,
    traces: tuple[str, str],
    heading: list[tuple[str, str]],
    graph: str,
    file: str,
    limit: int | None,
    *,
    force: bool,
) -> None:
    import sys
    from pathlib import Path

    from sysmon.analyze.html.diff import write_html
    from sysmon.analyze.html.page import TABLE_ROWS
    from sysmon.analyze.text.describe import size
    from sysmon.bpf.trace_file.atomic import new_file
    from sysmon.safe_text import one_line
    from sysmon.streams import binary

    before, after = (Path(trace).name for trace in traces)
    limit = TABLE_ROWS if limit is None else limit
    if file == "-":
        write_html(found, (before, after), heading, graph, binary(sys.stdout), limit=limit)
        return
    path = Path(file)
    _spare(path, traces, force=force)
    with new_file(path, force=force) as stream:
        write_html(found, (before, after), heading, graph, stream, limit=limit)
        written = stream.tell()
    click.echo(f"wrote {one_line(file)}: {size(written)}", err=True)


def _write(
    found: Comparison,
    heading: list[tuple[str, str]],
    chosen: tuple[Section, ...],
    form: str,
    limit: int | None,
    screen: Screen,
) -> None:
    from sysmon.analyze.diff import text

    if limit is None and form == "table":
        limit = NAMED_ROWS if len(chosen) < len(_chosen(())) else TABLE_ROWS
    if form == "json":
        text.write_json(found, chosen, limit, screen.stream)
    elif form == "markdown":
        text.write_markdown(found, heading, chosen, limit, screen)
    elif form == "csv":
        _csv(found, chosen[0], limit, screen)
    else:
        text.write_screen(found, heading, chosen, limit or 0, screen)


def _csv(found: Comparison, section: Section, limit: int | None, screen: Screen) -> None:
    from sysmon.analyze.trace.result import Result

    reason = found.missing(section.name)
    if reason:
        click.echo(f"{section.name}: not compared, {reason}", err=True)
    screen.rows(Result.of(found.rows(section.name)), "csv", limit)


def _heading(before: Trace, after: Trace) -> list[tuple[str, str]]:
    """What is compared: a line for each trace."""
    from sysmon.analyze.text import describe

    out = []
    for name, trace in (("before", before), ("after", after)):
        parts = [trace.source.path.name, describe.span(trace.metadata)]
        if trace.metadata["command"] is not None:
            parts.append(describe.command(trace.metadata))
        if describe.asked(trace):
            parts.append(describe.asked(trace))
        out.append((name, ", ".join(parts)))
    return out
