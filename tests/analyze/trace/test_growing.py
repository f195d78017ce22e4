"""A recording that still runs is looked at again and again: each look answers as a trace made of the same commit."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sysmon
from sysmon.analyze.trace.cursor import Cursor
from sysmon.analyze.trace.growing.places import HandedParts
from sysmon.analyze.trace.growing.recording import Growing
from sysmon.analyze.trace.reports import reports
from sysmon.analyze.trace.trace import Trace
from sysmon.bpf.kinds import kind_named, lifecycle
from sysmon.bpf.trace_file import journal, partial, recover, schema, tables, unfinished
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import CUT_OFF, RUNNING
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.errors import SysmonError
from sysmon.recorder.output import flight
from sysmon.recorder.output.flight import FlightWriter, Keep
from tests import traces
from tests.growing import Recorder
from tests.lengths import examples
from tests.traces import Row, at, born, row

SAMPLES = Path(__file__).parents[3] / "sample_traces"


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "GROUP_ROWS", 300)
    monkeypatch.setattr(tables, "SHARED_ROWS", 50)
    monkeypatch.setattr(journal, "SMALL_JOURNAL_BYTES", 20_000)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "t.parquet", "cron", 6)
    yield made
    made.close()


def made_whole(directories: list[Path], to: Path) -> Path:
    """A file of what was committed, as `sysmon repair` makes it."""
    held = [Directory.hold(directory) for directory in directories]
    parts, recording = unfinished.read_parts(held)
    with to.open("xb") as out:
        recover.write(parts, recording, out)
    for directory in held:
        directory.close()
    return to


def answers(trace: Trace, names: list[str]) -> dict[str, object]:
    """What it answers to everything."""
    with trace.reading():
        found: dict[str, object] = {name: trace.report(name).fetchall() for name in names}
        found["processes by pid"] = trace.own("SELECT * FROM unfiltered.processes ORDER BY pid, start").fetchall()
        found["rows"] = trace.own(
            "SELECT kind, count(*), min(ts), max(ts) FROM unfiltered.trace GROUP BY kind ORDER BY kind"
        ).fetchall()
    return found


ALL = [report.name for report in reports()]
FEW = ["cpu", "syscalls", "processes", "files", "findings", "lives"]


def assert_equal(trace: Trace, tmp_path: Path, names: list[str], *windows: tuple[int | None, int | None]) -> None:
    """The trace answers as a file of the same commit, in each of these windows, or in its own."""
    parts = partial.of(tmp_path / "t.parquet")[0]
    path = made_whole(parts, tmp_path / "whole")
    with sysmon.open(path) as whole:
        assert not isinstance(whole.source, Growing)
        for window in windows or [(trace.since_ns, trace.until_ns)]:
            whole.move(*window)
            if windows:
                trace.move(*window)
            expected, found = answers(whole, names), answers(trace, names)
            for name, rows in expected.items():
                assert found[name] == rows, name
            assert {**trace.metadata, "stopped_by": ""} == {**whole.metadata, "stopped_by": ""}
    path.unlink()


@pytest.mark.slow
def test_each_look_answers_as_a_file_of_the_same_commit(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        assert isinstance(trace.source, Growing) and trace.metadata["stopped_by"] == RUNNING
        assert_equal(trace, tmp_path, FEW)
        answers(trace, ALL)  # what was computed for it is not taken for an answer later
        for _ in range(examples(3)):
            count = recorder.add()
            assert trace.refresh() == 0, "nothing is committed"
            recorder.commit()
            assert trace.refresh() == count
            assert_equal(trace, tmp_path, ALL)


@pytest.mark.slow
def test_a_window_moves_along(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        for _ in range(examples(3) + 1):
            edge = recorder.at_ns - 10**9
            assert_equal(trace, tmp_path, FEW, (edge, None), (recorder.recording["started_ns"], edge))
            recorder.add()
            recorder.commit()
            trace.refresh()


def test_processes_that_were_asked_for(recorder: Recorder, tmp_path: Path) -> None:
    for _ in range(2):
        recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        (comm,) = trace.sql("SELECT comm FROM processes GROUP BY comm ORDER BY count(*) DESC, comm LIMIT 1").fetchall()[
            0
        ]
    with sysmon.open(recorder.path, comms=[comm]) as trace:
        recorder.add()
        recorder.commit()
        trace.refresh()
        ((directory,),) = partial.of(recorder.path)
        with sysmon.open(made_whole([directory], tmp_path / "whole"), comms=[comm]) as whole:
            for name in ("processes", "cpu", "syscalls", "files"):
                assert trace.report(name).fetchall() == whole.report(name).fetchall(), name


def test_one_process_is_of_the_same_commit(recorder: Recorder) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        (pid, calls) = trace.sql(
            "SELECT pid, sum(calls) FROM syscall_stats GROUP BY pid ORDER BY 2 DESC LIMIT 1"
        ).fetchall()[0]
        recorder.add()
        recorder.commit()
        query = "SELECT sum(calls) FROM report.syscalls"
        with trace.part((pid,)) as part:
            assert part.sql(query).fetchall() == [(calls,)]
        trace.refresh()
        ((more,),) = trace.sql(f"SELECT sum(calls) FROM syscall_stats WHERE pid = {pid}").fetchall()
        assert trace._kept_part((pid,)).sql(query).fetchall() == [(more,)]


@pytest.mark.slow
def test_when_it_ends_it_is_the_file(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path, since="1") as trace:
        scratch = trace.source.place if isinstance(trace.source, Growing) else tmp_path
        trace.report("cpu").fetchall()
        count = sum(recorder.add() for _ in range(5))
        recorder.finish()
        assert os.listdir(tmp_path) == ["t.parquet"]
        assert trace.refresh() == count
        assert not isinstance(trace.source, Growing) and not scratch.exists()
        assert trace.metadata == recorder.recording | {"rows": dict(recorder.out.rows)}
        with sysmon.open(recorder.path, since="1") as whole:
            assert answers(trace, FEW) == answers(whole, FEW)
        assert trace.refresh() == 0


def test_it_may_have_got_another_name(recorder: Recorder) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        shutil.copy(SAMPLES / "leak.parquet", recorder.path)
        with pytest.raises(SysmonError, match="now exists"):
            recorder.finish()
        trace.refresh()
        assert not isinstance(trace.source, Growing)
        assert trace.source.path.name.startswith("t-")


def test_when_the_recorder_is_killed_it_says_so_and_stays(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        recorder.add()
        recorder.kill()
        assert trace.refresh() == 0
        assert trace.metadata["stopped_by"] == CUT_OFF
        assert_equal(trace, tmp_path, ["cpu", "processes"])


def test_a_directory_that_is_removed_stays_readable(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        ((directory,),) = partial.of(recorder.path)
        before = answers(trace, ["cpu", "syscalls"])
        recorder.kill()
        shutil.rmtree(directory)
        assert trace.refresh() == 0 and trace.metadata["stopped_by"] == CUT_OFF
        assert answers(trace, ["cpu", "syscalls"]) == before


@pytest.mark.slow
def test_journals_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while nobody looks: twice, so that the same one is in use again."""
    monkeypatch.setattr(journal, "SMALL_JOURNAL_BYTES", 500)
    recorder = Recorder(tmp_path / "t.parquet", "cron", 60)
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        trace.report("processes").fetchall()
        assert isinstance(trace.source, Growing)
        log = trace.source._parts[0].source.following.log
        most = 0
        for commits in (1, 20, 1, 1, 20, 5):
            before = log.turns
            for _ in range(commits):
                recorder.add()
                recorder.commit()
            trace.refresh()
            most = max(most, log.turns - before)
            assert_equal(trace, tmp_path, ["cpu", "syscalls"])
        assert most > 1
    recorder.close()


def test_half_a_frame_is_no_frame(recorder: Recorder, tmp_path: Path) -> None:
    """However far a commit is written, a look sees all of it or nothing, and goes on when the rest comes."""
    recorder.add()
    recorder.commit()
    ((directory,),) = partial.of(recorder.path)
    before = {name: (directory / name).read_bytes() for name in (partial.LOG, *partial.JOURNALS)}
    with sysmon.open(recorder.path) as trace:
        trace.report("processes").fetchall()
        count = recorder.add()
        recorder.commit()
        whole = (directory / partial.LOG).read_bytes()
        new = len(whole) - len(before[partial.LOG])
        for length in [*range(0, new, max(1, new // 40)), new - 1]:
            os.truncate(directory / partial.LOG, len(before[partial.LOG]) + length)
            assert trace.refresh() == 0, length
            with (directory / partial.LOG).open("r+b") as log:
                log.write(whole[: len(before[partial.LOG]) + length])
        with (directory / partial.LOG).open("r+b") as log:
            log.write(whole)
        assert trace.refresh() == count
        assert_equal(trace, tmp_path, ["cpu", "processes"])


def test_what_an_older_recorder_wrote_is_read(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its log has neither times of row groups nor what a footer says of them."""
    wrote = journal.asdict
    monkeypatch.setattr(journal, "asdict", lambda g: {k: wrote(g)[k] for k in ("begin", "end", "crc", "rows")})
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        trace.move(recorder.at_ns - 10**9, None)
        assert_equal(trace, tmp_path, ["cpu", "processes", "syscalls"])
        recorder.add()
        recorder.commit()
        trace.refresh()
        assert_equal(trace, tmp_path, ["cpu", "processes", "syscalls"])
        assert trace.source._index["syscall_stats"][0].group.first_ns is None  # type: ignore[union-attr]
    recorder.kill()
    with sysmon.open(recorder.path) as trace:
        assert trace.sql("SELECT count(*) > 0 FROM syscall_stats").fetchall() == [(True,)]


def test_a_damaged_row_group_is_counted(recorder: Recorder, tmp_path: Path) -> None:
    recorder.add()
    recorder.commit()
    ((directory,),) = partial.of(recorder.path)
    group = unfinished.read(Directory.hold(directory)).groups[0]
    with (directory / partial.ROWS).open("r+b") as rows:
        rows.seek(group.begin + 100)
        rows.write(b"\x55\xaa")
    with sysmon.open(recorder.path) as trace:
        kinds = " ".join(group.rows)
        trace.rows().fetchall()
        lost = [(loss["place"], loss["lost"]) for loss in trace.metadata["losses"] if loss["cause"] == "damaged"]
        assert lost == list(group.rows.items()), kinds
        assert_equal(trace, tmp_path, ["syscalls", "processes"])


def test_only_what_a_window_needs_is_read(recorder: Recorder) -> None:
    for _ in range(6):
        recorder.add()
        recorder.commit()
    with sysmon.open(recorder.path) as trace:
        growing = trace.source
        assert isinstance(growing, Growing)
        trace.move(recorder.at_ns - 10**9, None)
        trace.sql("SELECT count(*) FROM syscall_stats").fetchall()
        copied = set(growing._files._of)
        assert {kind for piece in copied for kind in piece.group.rows} <= {"syscall_stats"}
        assert len(copied) < len(growing._index["syscall_stats"])
        assert all(piece.touches(recorder.at_ns - 10**9, None) for piece in copied)


def test_what_is_not_needed_is_removed(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysmon.analyze.trace.growing.segments.KEPT_BYTES", 0)
    monkeypatch.setattr("sysmon.analyze.trace.growing.segments.FILE_GROUPS", 1)
    for _ in range(6):
        recorder.add()
        recorder.commit()
    with sysmon.open(recorder.path) as trace:
        growing = trace.source
        assert isinstance(growing, Growing)
        trace.sql("SELECT count(*) FROM syscall_stats").fetchall()
        many = len(os.listdir(growing.place))
        trace.move(recorder.at_ns - 10**8, None)
        trace.sql("SELECT count(*) FROM opens").fetchall()
        assert len(os.listdir(growing.place)) <= many
        assert all(piece.touches(recorder.at_ns - 10**8, None) for piece in growing._files._of)
        monkeypatch.setattr(growing._files, "_most_bytes", 1)
        trace.move(None, None)
        with pytest.raises(SysmonError, match="ask for a window of it"):
            trace.sql("SELECT count(*) FROM opens")


def test_of_a_finished_file_nothing_is_new() -> None:
    with sysmon.open(SAMPLES / "leak.parquet") as trace:
        assert trace.refresh() == 0


@pytest.mark.parametrize("query", ["SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM '{other}'"])
def test_a_query_reads_the_recording_and_nothing_else(recorder: Recorder, tmp_path: Path, query: str) -> None:
    import duckdb

    other = shutil.copy(SAMPLES / "leak.parquet", tmp_path / "other.parquet")
    with sysmon.open(recorder.path) as trace, pytest.raises(duckdb.Error):
        trace.sql(query.format(other=other)).fetchall()


def _as_link(file: Path) -> None:
    file.rename(file.with_name("aside"))
    file.symlink_to("aside")


def _as_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _too_long(file: Path) -> None:
    with file.open("ab") as out:
        out.write(journal.HEAD.pack(journal.COMMIT, 0xFFFFFFFF, 0) + b"x" * 100)


def _without_end(file: Path) -> None:
    os.truncate(file, 1 << 40)


@pytest.mark.parametrize("name", [partial.ROWS, partial.LOG, *partial.JOURNALS])
@pytest.mark.parametrize("harm", [_as_link, _as_fifo, _too_long, _without_end])
@pytest.mark.parametrize("when", ["before", "between"])
def test_what_no_recorder_leaves_is_one_line_or_no_harm(
    recorder: Recorder, name: str, harm: Callable[[Path], None], when: str
) -> None:
    recorder.add()
    recorder.commit()
    ((directory,),) = partial.of(recorder.path)

    def looked_at() -> None:
        with sysmon.open(recorder.path) as trace:
            if when == "between":
                harm(directory / name)
                recorder.add()
                recorder.commit()
                trace.refresh()
            with trace.reading():
                trace.report("cpu").fetchall()
                trace.sql("SELECT count(*) FROM unfiltered.trace").fetchall()

    if when == "before":
        harm(directory / name)
    said = ""
    try:
        looked_at()
    except SysmonError as error:
        said = str(error)
    assert "\n" not in said


@pytest.mark.slow
def test_parts_that_are_not_kept_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a flight recorder: the first part goes, and with it its rows; the next then begins with its opening."""
    clock = [0.0]
    monkeypatch.setattr(flight.time, "monotonic", lambda: clock[0])
    out = FlightWriter(tmp_path / "t.parquet", False, Keep("4s", 4.0))
    trace: Trace | None = None
    for second in range(10):
        clock[0] = float(second)
        lost = [{"cause": "ring full", "place": "fork", "lost": 10 * second}] if second else []
        if second:
            out.turn({"losses": lost, "ended_ns": at(second)})
        out.begin(traces.recording(started_ns=at(second), losses=lost, ring="4s", began_ns=traces.T0))
        with out.opening():
            out.add(
                lifecycle.PROCESS, rows_of(row("process", at(second), pid=7, start=born(-5), comm="old", edge="start"))
            )
        out.commit({})
        forks = [
            row("fork", at(second + n / 1000), pid=1000 * second + n, start=born(second), ppid=7) for n in range(400)
        ]
        out.add(lifecycle.FORK, rows_of(*forks))
        out.commit({"ended_ns": at(second + 0.5), "losses": lost})
        trace = trace or sysmon.open(out.path)
        trace.refresh()
        if second in (0, 4, 5, 9):  # the first, those when the first part goes, and the last
            assert_equal(trace, tmp_path, ["processes", "losses"])
        ((first,),) = trace.sql("SELECT min(pid) FROM forks").fetchall()
        assert first == 1000 * max(0, second - 4)
    assert trace
    out.finish(traces.recording(ended_ns=at(10), ring="4s", started_ns=at(0), began_ns=traces.T0))
    trace.refresh()
    assert not isinstance(trace.source, Growing)
    assert trace.sql("SELECT min(pid), count(*) FROM forks").fetchall() == [(5000, 2000)]
    trace.close()


def rows_of(*rows: Row) -> pa.RecordBatch:
    kind = kind_named(rows[0]["kind"])
    return pa.RecordBatch.from_pylist(list(rows), schema=schema.of_kind(kind))


def events(draw: st.DrawFn) -> list[Row]:
    """Some rows of few processes, in any order: they begin, rename themselves, run programs, end and use a CPU."""
    found: list[Row] = []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["process", "fork", "exec", "exit", "rename", "cpu", "syscall_stats", "cgroup"]))
        pid, start = draw(st.integers(1, 3)), draw(st.sampled_from([None, born(0), born(1)]))
        given: Row = {"pid": pid, "start": start, "ppid": draw(st.integers(1, 3)), "tid": pid}
        given |= {"comm": draw(st.sampled_from("abc")), "cgroup_id": draw(st.integers(1, 2)), "calls": 3, "oncpu_ns": 5}
        given |= {"cgroup_path": draw(st.sampled_from(["/a", "/b"])), "path": draw(st.sampled_from([None, "/bin/x"]))}
        given |= {"edge": "start", "parent_start": draw(st.sampled_from([None, born(0)]))}
        names = {col.name for col in kind_named(kind).cols}
        found.append(row(kind, None, **{name: value for name, value in given.items() if name in names}))
    return found


@pytest.mark.slow
@settings(max_examples=examples(9), deadline=None, suppress_health_check=list(HealthCheck))
@given(commits=st.lists(st.composite(events)(), min_size=2, max_size=4), most_facts=st.sampled_from([0, 8]))
def test_any_commits(commits: list[list[Row]], most_facts: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Row groups of two rows, so that processes are told of in journals and in row groups; facts are kept or let go."""
    tmp_path = tmp_path_factory.mktemp("any")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables, "GROUP_ROWS", 2)
        patched.setattr("sysmon.analyze.trace.growing.processes.MOST_FACTS", most_facts)
        patched.setattr(journal, "SMALL_JOURNAL_BYTES", 3000)
        out = TraceWriter(tmp_path / "t.parquet", force=False)
        out.begin({**traces.recording(), "stopped_by": CUT_OFF})  # type: ignore[typeddict-item]
        out.commit({})
        with sysmon.open(out.path) as trace:
            trace.report("processes").fetchall()
            number = 0
            for rows in commits:
                for each in rows:  # no two at one instant: of two that contradict each other there either may win
                    number += 1
                    out.add(kind_named(each["kind"]), rows_of({**each, "ts": at(1 + number / 100)}))
                out.commit({"ended_ns": at(5)})
                assert trace.refresh() == len(rows)
                assert_equal(trace, tmp_path, ["cpu", "execs"])
        out.abandon()


def handed(directory: Path) -> dict[str, int]:
    """What a recorder hands over of a part: each file opened anew, to be read."""
    return {name: os.open(directory / name, os.O_RDONLY) for name in (partial.ROWS, partial.LOG, *partial.JOURNALS)}


def opened(parts: HandedParts) -> Trace:
    growing = Growing(parts)
    try:
        return Trace(growing)
    finally:
        growing.discard()


def test_what_was_handed_over_is_read_without_names_and_is_the_file_in_the_end(
    recorder: Recorder, tmp_path: Path
) -> None:
    parts = HandedParts(recorder.path)
    ((directory,),) = partial.of(recorder.path)
    parts.came(directory.name, handed(directory))
    directory.rename(tmp_path / "elsewhere")
    with opened(parts) as trace:
        for _ in range(6):
            rows = recorder.add()
            recorder.commit()
            assert trace.refresh() == rows and trace.metadata["stopped_by"] == RUNNING
        (tmp_path / "elsewhere").rename(directory)
        recorder.finish()
        parts.over()
        trace.refresh()
        assert not directory.exists() and isinstance(trace.source, Growing)
        with sysmon.open(recorder.path) as whole:
            assert trace.metadata["stopped_by"] == whole.metadata["stopped_by"]
            assert answers(trace, FEW) == answers(whole, FEW)


def test_what_was_handed_over_by_a_recorder_that_was_killed_stays(recorder: Recorder) -> None:
    parts = HandedParts(recorder.path)
    ((directory,),) = partial.of(recorder.path)
    parts.came(directory.name, handed(directory))
    recorder.add()
    recorder.commit()
    with opened(parts) as trace:
        before = answers(trace, ["cpu"])
        recorder.add()
        recorder.kill()
        parts.over()
        shutil.rmtree(directory)
        assert trace.refresh() == 0 and trace.metadata["stopped_by"] == CUT_OFF
        assert answers(trace, ["cpu"]) == before


def test_of_handed_parts_those_that_are_gone_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(flight.time, "monotonic", lambda: clock[0])
    out = FlightWriter(tmp_path / "t.parquet", False, Keep("4s", 4.0))
    parts = HandedParts(out.path)
    trace: Trace | None = None
    for second in range(8):
        clock[0] = float(second)
        if second:
            out.turn({"losses": [], "ended_ns": at(second)})
        out.begin(traces.recording(started_ns=at(second), ring="4s", began_ns=traces.T0))
        out.add(lifecycle.FORK, rows_of(row("fork", at(second), pid=second + 1, start=born(second), ppid=7)))
        out.commit({"ended_ns": at(second + 0.5)})
        there = partial.of(out.path)[0]
        for gone in set(parts.names()) - {directory.name for directory in there}:
            parts.gone(gone)
        parts.came(there[-1].name, handed(there[-1]))
        new = trace.refresh() if trace else 1
        trace = trace or opened(parts)
        assert new == 1  # however many rows go
        assert trace.metadata["started_ns"] == at(max(0, second - 4))
        assert trace.sql("SELECT min(pid), count(*) FROM forks").fetchall() == [
            (1 + max(0, second - 4), 1 + min(4, second))
        ]
    assert trace
    trace.close()
    out.abandon()
    still_open = [os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")]
    assert not [file for file in still_open if str(tmp_path) in file and "/journal" in file]


def test_a_look_that_finds_nothing_leaves_all_as_it_is(recorder: Recorder) -> None:
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        growing = trace.source
        assert isinstance(growing, Growing)
        waiting, said = growing.waiting, trace.metadata
        recorder.add()  # not committed
        assert trace.refresh() == 0
        assert growing.waiting is waiting and trace.metadata is said and not growing.news.waiting
        recorder.commit()
        assert trace.refresh() > 0
        assert growing.waiting is not waiting


def test_rows_of_many_commits_wait_in_few_pieces(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "t.parquet", "cron", 60)
    for _ in range(60):
        recorder.add()
        recorder.commit()
    with sysmon.open(recorder.path) as trace:
        growing = trace.source
        assert isinstance(growing, Growing)
        pieces = {kind: rows["ts"].num_chunks for kind, rows in growing.waiting.items()}
        counted = {kind: rows.num_rows for kind, rows in growing.waiting.items()}
    recorder.close()
    assert counted["syscall_stats"] > 60 and max(pieces.values()) <= 10


def test_a_cursor_knows_all_snapshots_of_what_came(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "t.parquet", "cron", 20)
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        followed = Cursor(trace)
        for _ in range(19):
            recorder.add()
            recorder.commit()
            followed.refresh()
            assert list(followed.position.edges) == list(Cursor(trace).position.edges)
    recorder.close()
