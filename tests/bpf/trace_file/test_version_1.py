"""Traces that an older sysmon recorded."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import sysmon
import sysmon.commands
from sysmon.analyze.charts import CHARTS
from sysmon.analyze.trace.reports import reports
from sysmon.bpf.trace_file import schema
from sysmon.errors import NoData

FOLDER = Path(__file__).parents[2] / "data" / "version_1"
TRACES = sorted(FOLDER.glob("*.parquet"))


def test_the_traces_are_of_version_1() -> None:
    assert TRACES
    for path in TRACES:
        with sysmon.open(path) as trace:
            assert trace.metadata["schema_version"] == 1 < schema.VERSION
        assert "occupied_ns" not in pq.read_schema(path).names


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_every_report_answers(path: Path) -> None:
    with sysmon.open(path) as trace:
        for report in reports():
            trace.report(report.name).fetchall()
        assert trace.report("cpu").fetchall() and trace.report("processes").fetchall()
        # Processes are identified by their tick, in every view alike.
        lost = "SELECT count(*) FROM cpu c LEFT JOIN processes p USING (pid, start) WHERE p.pid IS NULL AND c.pid > 0"
        assert trace.sql(lost).fetchall() == [(0,)]


@pytest.mark.parametrize("command", ["report", "info"])
def test_commands_answer(command: str) -> None:
    for path in TRACES:
        done = CliRunner().invoke(sysmon.commands.cli, [command, str(path)])
        assert done.exit_code == 0, done.output


def test_comparing_two_and_charts(tmp_path: Path) -> None:
    first, second = map(str, TRACES[:2])
    assert CliRunner().invoke(sysmon.commands.cli, ["diff", first, second]).exit_code == 0
    for name in CHARTS:
        out = str(tmp_path / f"{name}.png")
        done = CliRunner().invoke(sysmon.commands.cli, ["chart", first, name, "-o", out])
        if name in ("kernel_memory", "wall_time", "flamegraph", "off_cpu_flamegraph"):
            assert isinstance(done.exception, NoData), "it was recorded without"
        else:
            assert done.exit_code == 0, done.exception
