"""A trace's metadata in words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.analyze.text import describe
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.trace_file import schema
from tests import traces


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "all"),
        ({"command": ["make"]}, "only the command and its descendants"),
        ({"pids": [7, 8], "children": True}, "only pids 7, 8, and their descendants"),
    ],
)
def test_which_processes(asked: dict[str, Any], said: str) -> None:
    assert describe.followed(traces.recording(**asked)) == said  # type: ignore[arg-type]


def test_a_trace_says_whether_it_has_a_checksum(sample_trace: Callable[[str], Trace], tmp_path: Path) -> None:
    """A file that another program rewrote has no checksum."""
    whole = sample_trace("build")
    assert dict(describe.everything(whole))["checksum"].startswith("correct")
    table = pq.read_table(whole.source.path)
    texts = pq.read_metadata(whole.source.path).metadata
    kept = {key: text for key, text in texts.items() if key != schema.CHECKSUM_KEY}
    pq.write_table(table.replace_schema_metadata(kept), tmp_path / "t.parquet")
    with sysmon.open(tmp_path / "t.parquet") as rewritten:
        assert dict(describe.everything(rewritten))["checksum"].startswith("none (")


def test_events_of_cpus_and_clocks_are_described(tmp_path: Path) -> None:
    """Slewed by 400 us a second throughout, and set by 3.2 s before the fourth; the second CPU was offline for 3 s."""
    boot = 10**12
    rows = [
        traces.row(
            "clock", traces.at(s), event="snapshot", monotonic_ns=boot + s * 10**9, boottime_ns=boot + s * 10**9,
            realtime_ns=traces.T0 + s * 10**9 + (3_200_000_000 if s >= 4 else 0) + s * 400_000,
        )
        for s in range(9)
    ]  # fmt: skip
    rows += [
        traces.row("host", traces.at(s), cpu=cpu, idle_ns=10**9 * (1 - cpu), busy_ns=0, offline_ns=10**9 * cpu)
        for s in range(1, 4)
        for cpu in (0, 1)
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        assert describe.happened(trace) == [
            ("off line", "CPU 1 for 3.000 s"),
            (
                "wall clock",
                "was set by +3.200 s before 2023-11-14T22:13:24.000Z; times follow the clock as it was at the start",
            ),
        ]
