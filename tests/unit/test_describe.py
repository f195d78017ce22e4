"""What a trace says of itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import analyze
from analyze import describe
from analyze.trace import Trace
from bpf import schema
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
    """A file that another program rewrote has none."""
    whole = sample_trace("build")
    assert dict(describe.everything(whole))["checksum"].startswith("right")
    table = pq.read_table(whole.source.path)
    texts = pq.read_metadata(whole.source.path).metadata
    kept = {key: text for key, text in texts.items() if key != schema.CHECKSUM_KEY}
    pq.write_table(table.replace_schema_metadata(kept), tmp_path / "t.parquet")
    with analyze.open_trace(tmp_path / "t.parquet") as rewritten:
        assert dict(describe.everything(rewritten))["checksum"].startswith("none (")
