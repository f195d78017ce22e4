"""`sysmon live`, and `sysmon record` with `--live`: the options of a recording, and those of what shows it."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from sysmon.analyze.commands.replay import replay
from sysmon.analyze.viewer.view import View
from sysmon.errors import BadRequest
from sysmon.recorder.commands import record as recorder
from sysmon.recorder.own import privilege

KEEP = "10m"
"""How much of a recording without a file is kept."""

NOT_LIVE = ("output", "keep_last", "rotate", "rotate_keep", "max_size", "ready_fd", "control_fd", "discard")
"""Options of `record` that `live` has otherwise, or not."""

SHOWN = ("plain", "events", "count", "every", "top", "form")
"""Options of `replay` that `live` has, too."""

Values = dict[str, Any]


def _options(command: click.Command, names: Callable[[str], bool]) -> list[click.Parameter]:
    return [param for param in command.params if param.name and names(param.name)]


def _is_of_live(name: str) -> bool:
    return name not in (*NOT_LIVE, "command")


def _live(keep: str | None, output: Path | None, **values: Any) -> None:
    """Show what this machine does while it is recorded, on the whole screen.

    Enter goes deeper, Escape comes back, and ? shows all keys. Time can be stopped and gone back in; w writes what is
    kept, or a marked window, as a trace. --plain and --events show it as text instead.

    Without -o the last --keep of it is kept, as long as it is shown. With -o everything is recorded into FILE, or with
    --keep the last of it. All other options are those of `sysmon record`, and `sysmon replay` has the same ways to show
    a trace.

    What shows it is a process of its own, without privileges; it may end or be killed, and nothing of it remains.

    \b
    Examples:
      sudo sysmon live
      sudo sysmon live -o build.parquet -- make
      sudo sysmon live --plain
      sudo sysmon live --events exec,exit --follow --comm make
      sudo sysmon live --plain --format json -o trace.parquet | jq .busy_pct
    """
    view = _view(**{name: values.pop(name) for name in SHOWN})
    kept = keep or (None if output else KEEP)
    _launch({**values, "keep_last": kept, "discard": output is None}, output, view, ends_with_viewer=True)


def _view(plain: bool, events: str | None, count: int | None, every: int, top: int, form: str) -> View:
    if plain and events is not None:
        raise BadRequest("give --plain or --events, not both")
    name = "plain" if plain else "screen" if events is None else "events"
    return View(name, events or "all", form, every, top, count)


def _record(live: str | None, **values: Any) -> None:
    if live is None:
        assert recorder.record.callback
        recorder.record.callback(**values)
        return
    if values["rotate"] is not None:
        raise BadRequest("--live shows one file: leave out --rotate, or record without --live")
    if values["ready_fd"] is not None or values["control_fd"] is not None:
        raise BadRequest("--live is for people: leave out --ready-fd")
    _launch(values, values.pop("output"), View(live), ends_with_viewer=False)


def _launch(values: Values, path: Path | None, view: View, *, ends_with_viewer: bool) -> None:
    """Exits with its status."""
    if view.name == "screen" and not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise BadRequest(
            "the screen needs a terminal: give --plain for a table of intervals, or --events for a line of each event"
        )
    if not values["command"] and sys.argv[-1] == "--":
        raise BadRequest("-- must be followed by a command")
    privilege.check()
    view = replace(view, file=None if path is None else str(path))
    # Imported here, so that --help does not wait for it.
    from sysmon.live.launcher import launch
    from sysmon.live.plan import Plan

    def record(into: Path, ready_fd: int, control_fd: int) -> int:
        return _recorded({**values, "output": into, "ready_fd": ready_fd, "control_fd": control_fd})

    click.get_current_context().exit(launch(Plan(record, path, view, ends_with_viewer)))


def _recorded(values: Values) -> int:
    """Runs `sysmon record` with these options. Returns its exit status."""
    with click.Context(recorder.record, info_name="record") as context:
        try:
            context.invoke(recorder.record, **values)
        except click.exceptions.Exit as end:
            return end.exit_code
    return 0


live = click.Command(
    "live",
    context_settings=recorder.record.context_settings,
    params=[
        click.Option(
            ["--keep"],
            metavar="DURATION|SIZE",
            help=f"How much to keep, such as 30s, 5m or 100M; at least 4s or 8M.  [default: {KEEP}, with -o all]",
        ),
        click.Option(
            ["-o", "--output"],
            type=click.Path(dir_okay=True, path_type=Path),
            metavar="FILE",
            help="Record into FILE. Default: nothing remains.",
        ),
        *_options(replay, SHOWN.__contains__),
        *_options(recorder.record, _is_of_live),
        *_options(recorder.record, "command".__eq__),
    ],
    callback=_live,
    help=_live.__doc__,
)

record = copy.copy(recorder.record)
record.params = [
    *_options(recorder.record, lambda name: name != "command"),
    click.Option(
        ["--live"],
        is_flag=False,
        flag_value="screen",
        type=click.Choice(["screen", "plain", "events"]),
        metavar="[HOW]",
        help="Show it meanwhile, as `sysmon live` does: on the whole screen, as a table of intervals (plain) or as a "
        "line for each event (events). The recording goes on when that has ended.",
    ),
    *_options(recorder.record, "command".__eq__),
]
record.callback = _record
