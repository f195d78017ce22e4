"""Notes in finished traces."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.analyze.edit.notes import Note, add
from sysmon.bpf.trace_file import writer
from sysmon.errors import BadRequest, NotATrace
from tests.analyze.edit.test_slices import lives
from tests.traces import at, recording, write

SAMPLE = Path(__file__).parents[3] / "sample_traces" / "leak.parquet"

NOTES = "SELECT EPOCH_NS(ts), EPOCH_NS(until), pid, text FROM notes ORDER BY ts"


def test_everything_else_stays_as_it_is(tmp_path: Path) -> None:
    path, size = tmp_path / "t.parquet", SAMPLE.stat().st_size
    shutil.copyfile(SAMPLE, path)
    path.chmod(0o640)
    if os.geteuid() == 0:
        for name in (tmp_path, path):
            os.chown(name, 1234, 4321)
    started = sysmon.open(path).metadata["started_ns"]
    add(path, Note("slow from here", started + 10**9, started + 2 * 10**9, 7))
    add(path, Note("all is well", started))
    found = path.stat()
    assert found.st_mode & 0o777 == 0o640
    assert found.st_size < size + 200_000  # an older version has fewer columns
    assert os.geteuid() != 0 or (found.st_uid, found.st_gid) == (1234, 4321)
    assert [file.name for file in tmp_path.iterdir()] == ["t.parquet"]
    with sysmon.open(path) as trace:  # the file's checksum is right
        assert trace.sql(NOTES).fetchall() == [
            (started, None, None, "all is well"),
            (started + 10**9, started + 2 * 10**9, 7, "slow from here"),
        ]
        assert trace.metadata["rows"]["note"] == 2 and trace.metadata["kinds"].count("note") == 1
    before, after = pq.ParquetFile(SAMPLE), pq.ParquetFile(path)
    assert after.num_row_groups == before.num_row_groups + 2
    columns = ", ".join(f'"{name}"' for name in before.schema_arrow.names)  # an older version has fewer
    same = f"SELECT {columns} FROM '{SAMPLE}' EXCEPT ALL SELECT {columns} FROM '{path}' WHERE kind <> 'note'"
    assert duckdb.sql(same).fetchall() == []
    assert after.metadata.num_rows == before.metadata.num_rows + 2
    assert pq.read_table(path).num_rows == after.metadata.num_rows


@pytest.mark.parametrize(
    ("note", "said"),
    [
        (Note(" ", at(1)), "empty"),
        (Note("é" * 1001, at(1)), "2,002 bytes"),
        (Note("a\x1b[2Jb", at(1)), "control characters"),
        (Note("a\u2028b", at(1)), "line breaks"),
        (Note("x", at(-1)), "outside of the trace"),
        (Note("x", at(1), at(11)), "outside of the trace"),
        (Note("x", at(2), at(2)), "not after --since"),
    ],
)
def test_what_no_trace_can_have_is_refused(note: Note, said: str, tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", lives())
    before = path.read_bytes()
    with pytest.raises(BadRequest, match=said):
        add(path, note)
    assert path.read_bytes() == before


def test_what_is_no_finished_trace_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link.parquet").symlink_to(write(tmp_path / "t.parquet", lives()))
    with pytest.raises(sysmon.SysmonError, match="not a regular file"):
        add(tmp_path / "link.parquet", Note("x", at(1)))
    with pytest.raises(NotATrace, match="no such file"):
        add(tmp_path / "absent.parquet", Note("x", at(1)))
    made = writer.TraceWriter(tmp_path / "cut.parquet", force=False)
    made.begin(recording())  # type: ignore[arg-type]
    made.commit({})
    with pytest.raises(BadRequest, match="sysmon mark"):
        add(tmp_path / "cut.parquet", Note("x", at(1)))
    made.abandon()
    with pytest.raises(BadRequest, match="sysmon repair"):
        add(tmp_path / "cut.parquet", Note("x", at(1)))


def test_notes_and_marks_of_a_part_are_those_of_its_time(tmp_path: Path) -> None:
    path = write(tmp_path / "t.parquet", lives())
    for second in (1, 3, 5):
        add(path, Note(f"note {second}", at(second)))
    with sysmon.open(path, since="+3", until="+5") as window:
        window.write_slice(tmp_path / "part.parquet")
    with sysmon.open(tmp_path / "part.parquet") as part:
        assert part.report("remarks").select("text").fetchall() == [("note 3",)]
