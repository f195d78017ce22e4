"""The options of `live` and of `record --live`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sysmon.analyze.viewer.view import View
from sysmon.live import commands
from sysmon.live.commands import live, record
from sysmon.recorder.commands.record import record as plain_record


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, object], Path | None, View, bool]]:
    found: list[tuple[dict[str, object], Path | None, View, bool]] = []
    monkeypatch.setattr(
        commands,
        "_launch",
        lambda values, path, view, *, ends_with_viewer: found.append((values, path, view, ends_with_viewer)),
    )
    return found


Launched = list[tuple[dict[str, object], Path | None, View, bool]]


def run(command: click.Command, *arguments: str) -> str:
    done = CliRunner().invoke(command, arguments)
    return str(done.exception or "")


def test_options_of_a_recording_are_those_of_record() -> None:
    names = {param.name for param in live.params}
    assert names >= {param.name for param in plain_record.params} - set(commands.NOT_LIVE)
    assert [p.name for p in record.params if p.name != "live"] == [p.name for p in plain_record.params]


def test_what_has_no_file_is_kept_for_a_while_and_discarded(launched: Launched) -> None:
    run(live, "--plain", "--top", "3", "--comm", "make", "--follow")
    run(live, "--events", "exec", "-o", "t.parquet")
    run(live, "--keep", "1m", "-o", "t.parquet")
    (first, _, view, ends), (second, path, _, _), (third, *_) = launched
    assert (first["keep_last"], first["discard"], first["comms"], first["follow"]) == ("10m", True, ("make",), True)
    assert view == View("plain", top=3) and ends
    assert (second["keep_last"], second["discard"], path) == (None, False, Path("t.parquet"))
    assert (third["keep_last"], third["discard"]) == ("1m", False)


def test_a_recording_goes_on_without_its_viewer(launched: Launched) -> None:
    run(record, "--live", "events", "--duration", "5")
    ((values, path, view, ends),) = launched
    assert (values["duration"], path, view, ends) == (5.0, Path("trace.parquet"), View("events"), False)


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        (live, ("--plain", "--events"), "not both"),
        (live, (), "needs a terminal"),
        (record, ("--live", "--rotate", "10m"), "leave out --rotate"),
        (record, ("--live", "--ready-fd", "3"), "leave out --ready-fd"),
    ],
)
def test_what_does_not_fit_is_refused(command: click.Command, arguments: tuple[str, ...], says: str) -> None:
    assert says in run(command, *arguments)
