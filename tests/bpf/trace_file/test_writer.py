"""The file that the recorder writes."""

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import files, lifecycle
from sysmon.bpf.trace_file import schema, tables
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.bpf.trace_file.writer import TraceWriter, write
from sysmon.errors import BrokenTrace, CannotWrite
from tests import traces

META: Recording = traces.recording()


def forks(*ts: int) -> pa.RecordBatch:
    rows = [{"ts": t, "pid": t % 1000, "start": 10_000_000} for t in ts]
    return pa.RecordBatch.from_pylist(rows, schema=schema.of_kind(lifecycle.FORK))


def test_rows_are_sorted_in_row_groups_of_one_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GROUP_ROWS", 4)
    monkeypatch.setattr(tables, "SHARED_ROWS", 3)
    monkeypatch.setattr(tables, "OUT_OF_ORDER_NS", 9)
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    out.add(lifecycle.FORK, forks(30, 10))
    out.add(lifecycle.EXIT, pa.RecordBatch.from_pylist([{"ts": 5}], schema=schema.of_kind(lifecycle.EXIT)))
    out.add(lifecycle.FORK, forks(20, 40))
    out.add(lifecycle.FORK, forks(60, 50))
    out.finish(META)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    groups = [file.read_row_group(i).select(["kind", "ts"]).to_pydict() for i in range(file.num_row_groups)]
    assert [(g["kind"], [t.value for t in g["ts"]]) for g in groups] == [
        (["fork"] * 4, [10, 20, 30, 40]),
        (["fork", "fork", "exit"], [50, 60, 5]),  # the rest
    ]
    assert json.loads(file.metadata.metadata[schema.METADATA_KEY]) == META
    assert out.rows["fork"] == 6 and out.total_rows == 7


def test_the_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    out.add(lifecycle.FORK, forks(1))
    assert not (tmp_path / "t.parquet").exists()
    out.finish(META)
    assert os.listdir(tmp_path) == ["t.parquet"]


def test_every_flipped_bit_before_the_footer_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    out = TraceWriter(path, force=False)
    out.add(lifecycle.FORK, forks(*range(META["started_ns"], META["started_ns"] + 5000)))
    out.finish(META)
    whole = path.read_bytes()
    sysmon.open(path).close()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for at in range(4, footer, 397):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(BrokenTrace):
            sysmon.open(path)
    described = whole.index(b'"started_ns": ') + 20
    path.write_bytes(whole[:described] + bytes([whole[described] ^ 1]) + whole[described + 1 :])
    with pytest.raises(BrokenTrace):
        sysmon.open(path)


@pytest.mark.parametrize("random", [False, True], ids=["become small", "stay as they are"])
def test_a_file_with_a_size_limit_ends_just_below_it(tmp_path: Path, random: bool) -> None:
    wanted = 1 << 20
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    names = iter(range(1 << 62))
    for _ in range(10_000):
        paths = [f"/a/{os.urandom(60).hex() if random else next(names) // 1000}" for _ in range(200)]
        columns = {"ts": pa.array(range(200), schema.of_kind(files.OPEN).field("ts").type), "path": paths}
        out.add(files.OPEN, pa.RecordBatch.from_pydict(columns))
        if out.reaches(wanted):
            break
    out.finish(META)
    size = (tmp_path / "t.parquet").stat().st_size
    assert wanted / 2 < size <= wanted


KINDS_AND_BATCHES = [
    (lifecycle.FORK, forks(*range(30, 40), 10)),
    (lifecycle.EXIT, pa.RecordBatch.from_pylist([{"ts": 5, "pid": 7}], schema=schema.of_kind(lifecycle.EXIT))),
    (
        lifecycle.EXEC,
        pa.RecordBatch.from_pydict(
            {"ts": pa.array([1, 2], schema.of_kind(lifecycle.EXEC).field("ts").type), "comm": ["a", None]}
        ),
    ),
    (lifecycle.EXEC, pa.RecordBatch.from_pylist([], schema=schema.of_kind(lifecycle.EXEC))),
    (lifecycle.FORK, forks(*range(1000, 7000))),
]


def test_a_trace_from_batches_equals_the_recorders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, including checksum and metadata."""
    monkeypatch.setattr(tables, "GROUP_ROWS", 5000)
    monkeypatch.setattr(tables, "SHARED_ROWS", 50)
    out = TraceWriter(tmp_path / "recorded.parquet", force=False)
    for kind, batch in KINDS_AND_BATCHES:
        out.add(kind, batch)
    out.finish({**META, "rows": dict(out.rows)})
    path = tmp_path / "written.parquet"
    said = write(path, META, iter(KINDS_AND_BATCHES))
    assert said["rows"] == out.rows and out.rows["fork"] == 6011
    assert path.read_bytes() == (tmp_path / "recorded.parquet").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    with sysmon.open(path) as trace:
        assert trace.metadata == said
        assert trace.sql("SELECT count(*) FROM forks").fetchall() == [(6011,)]
        assert trace.sql("SELECT pid, comm FROM execs ORDER BY ts").fetchall() == [(None, "a"), (None, None)]


def test_a_trace_from_batches_is_streamed_into_any_open_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 50,000 rows no more than two row groups wait."""
    monkeypatch.setattr(tables, "GROUP_ROWS", 1000)

    class Pipe(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation("seek")

    out, sizes = Pipe(), []

    def batches() -> Iterator[tuple[Kind, pa.RecordBatch]]:
        for begin in range(0, 50_000, 500):
            sizes.append(len(out.getvalue()))
            yield lifecycle.FORK, forks(*range(begin, begin + 500))

    said = write(out, META, batches())
    assert said["rows"]["fork"] == pq.read_table(io.BytesIO(out.getvalue())).num_rows == 50_000
    assert len(set(sizes)) == 50, "each second batch is written with the one before"


@pytest.mark.parametrize(
    ("kind", "columns", "said"),
    [
        (lifecycle.FORK, {"path": ["x"]}, "kind fork has no column path of type string"),
        (lifecycle.FORK, {"pid": pa.array([1], pa.uint32())}, "rows of kind fork have no time"),
        (lifecycle.FORK, {"pid": ["x"]}, "kind fork has no column pid of type string"),
        (Kind("nonsense", "nonsenses", "Of no trace.", ()), {}, "no trace has a kind nonsense"),
    ],
)
def test_invalid_rows_are_not_written(tmp_path: Path, kind: Kind, columns: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write(tmp_path / "t.parquet", META, [(kind, pa.RecordBatch.from_pydict(columns))])
    assert os.listdir(tmp_path) == []


def test_abandoning_leaves_nothing(tmp_path: Path) -> None:
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    out.add(lifecycle.FORK, forks(1))
    out.abandon()
    assert os.listdir(tmp_path) == []


def test_an_existing_file_or_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("dangling",):
        with pytest.raises(CannotWrite, match="exists"):
            TraceWriter(tmp_path / name, force=False)


def test_force_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "t.parquet").symlink_to("precious")
    out = TraceWriter(tmp_path / "t.parquet", force=True)
    out.finish(META)
    assert (tmp_path / "precious").read_text() == "mine"
    assert (tmp_path / "t.parquet").read_bytes()[:4] == b"PAR1"


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    out = TraceWriter(tmp_path / "t.parquet", force=False)

    class Full(io.BytesIO):
        def write(self, _data: object) -> int:
            raise OSError(28, "No space left on device")

    out._sink._out = Full()
    out.add(lifecycle.FORK, forks(1))
    with pytest.raises(CannotWrite, match="No space left on device"):
        out.finish(META)
    out.abandon()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("wins", "ends_well"), [(1, True), (19, True), (20, False)])
def test_another_user_exchanges_the_hidden_directory_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wins: int, ends_well: bool
) -> None:
    """Between mkdir(2) and open(2): another name is tried, and what took its place stays."""
    make, made = os.mkdir, []

    def exchanged(name: str, mode: int, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        made.append(name)
        if len(made) <= wins:
            (tmp_path / name).rmdir()
            (tmp_path / name).symlink_to("/")

    monkeypatch.setattr(os, "mkdir", exchanged)
    if not ends_well:
        with pytest.raises(CannotWrite, match="was replaced by another directory; choose another place with -o"):
            TraceWriter(tmp_path / "t.parquet", force=False)
    else:
        TraceWriter(tmp_path / "t.parquet", force=False).abandon()
    assert sum(path.is_symlink() for path in tmp_path.iterdir()) == len(list(tmp_path.iterdir())) == wins
