"""Differences between two traces, each answer worked out by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.diff import compare, figures, text
from sysmon.analyze.diff.comparison import Comparison, Options
from sysmon.analyze.diff.sections import sections
from sysmon.errors import BadRequest
from tests import traces
from tests.analyze.commands.test_commands import in_process
from tests.traces import Row, at, born, bucket_low, bucket_of, calls, row

pytestmark = pytest.mark.slow

US = 1000
FAST, SLOW = bucket_of(10 * US), bucket_of(1000 * US)


def found(tmp_path: Path, before: list[Row], after: list[Row], /, **changes: Any) -> Comparison:
    """Compares two handmade traces. `before` and `after` in the changes apply to one trace's metadata."""
    options = changes.pop("options", Options())
    of_one = {name: changes.pop(name, {}) for name in ("before", "after")}
    part = {name: changes.pop(f"part_{name}", {}) for name in ("before", "after")}
    paths = {
        name: traces.write(tmp_path / f"{name}.parquet", rows, **{**changes, **of_one[name]})
        for name, rows in (("before", before), ("after", after))
    }
    with (
        sysmon.open(paths["before"], **part["before"]) as b,
        sysmon.open(paths["after"], **part["after"]) as a,
    ):
        return compare(b, a, options)


def records(comparison: Comparison, name: str) -> list[dict[str, Any]]:
    frame = comparison.rows(name).df()
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def process(pid: int, comm: str, **columns: Any) -> Row:
    given = {"start": born(0), "ppid": 1, "edge": "both", "kernel_thread": False} | columns
    return row("process", at(0), pid=pid, comm=comm, **given)


def steady(
    pid: int, syscall: str, per_second: int, bucket: int = FAST, *, errors: int = 0, seconds: int = 10
) -> list[Row]:
    """This many calls in each of ten seconds, all with one latency."""
    return [calls(at(s + 1), pid, born(0), syscall, bucket, per_second, errors=errors) for s in range(seconds)]


def everything() -> list[Row]:
    """A trace in which every section has something to compare."""
    app = {"pid": 7, "start": born(0)}
    out = [
        process(7, "app", path="/usr/bin/app"),
        process(2, "kworker/0:1", kernel_thread=True),
        row("exec", at(1), pid=8, start=born(1), comm="helper", path="/bin/helper", argv=["helper"]),
        row("exit", at(2), pid=8, start=born(1), comm="helper", exit_code=0, lifetime_ns=10**9, peak_rss_bytes=1 << 20),
        *steady(7, "read", 100),
        calls(at(3), 8, born(1), "openat", None, 1),
        row("open", at(1), **app, syscall="openat", path="/etc/app", origin="absolute", result=3, latency_ns=5),
        row("open", at(1), **app, syscall="openat", path="/no", origin="absolute", result=-2, error="ENOENT"),
        row("host", at(10), cpu=0, idle_ns=5 * 10**9, busy_ns=5 * 10**9),
    ]
    for second in range(10):
        out.append(row("cpu", at(second + 1), **app, oncpu_ns=10**8 + second, wait_ns=5, voluntary_switches=1))
        out.append(row("memory", at(second + 1), **app, rss_anon_bytes=1 << 20, rss_file_bytes=0, rss_shmem_bytes=0))
    return out


def test_the_same_trace_has_no_difference(tmp_path: Path) -> None:
    with found(tmp_path, everything(), everything()) as same:
        assert {s.name: same.changes(s.name) for s in sections()} == {s.name: 0 for s in sections()}
        assert {s.name: same.rows(s.name).fetchall() for s in sections()} == {s.name: [] for s in sections()}
        assert same.notes == []
        assert same.busy_pct == (50, 50)
    with found(tmp_path, everything(), everything(), options=Options(unchanged=True)) as same:
        assert [len(same.rows(n).fetchall()) for n in ("syscalls_by_command", "syscalls", "cpu")] == [2, 2, 1]
        assert [len(same.rows(n).fetchall()) for n in ("programs", "memory", "exits")] == [2, 1, 1]
        assert {r["rate_q"] for r in records(same, "syscalls")} == {1}


@pytest.mark.parametrize("rows", [[], [process(7, "app")], [calls(at(1), 7, born(0), "read", FAST, 3)]])
def test_an_empty_trace_and_one_of_one_row(tmp_path: Path, rows: list[Row]) -> None:
    with found(tmp_path, rows, rows) as same:
        assert all(same.changes(s.name) == 0 for s in sections())
    with found(tmp_path, rows, everything()) as other, found(tmp_path, everything(), rows) as back:
        for comparison in (other, back):
            for section in sections():
                comparison.rows(section.name).fetchall()
        assert any("BEFORE has no rows" in n for n in other.notes) == (not rows)
        assert any("AFTER has no rows" in n for n in back.notes) == (not rows)


def test_a_window_with_nothing_in_it(tmp_path: Path) -> None:
    with found(tmp_path, everything(), everything(), part_after={"since": "+50"}) as nothing:
        assert any("AFTER has no rows in the selected window" in n for n in nothing.notes)
        (read,) = [r for r in records(nothing, "syscalls") if r["syscall"] == "read"] or [None]
        assert read is None  # in no time there is no rate, and so no change
        for section in sections():
            nothing.rows(section.name).fetchall()


def test_rates(tmp_path: Path) -> None:
    """100 a second for 10 s against 300 a second for 5 s: 1,000 and 1,500 calls, three times the rate."""
    before = [process(7, "app"), *steady(7, "read", 100)]
    after = [process(7, "app"), *steady(7, "read", 300, seconds=5)]
    with found(tmp_path, before, after, after={"ended_ns": at(5)}) as changed:
        for name in ("syscalls", "syscalls_by_command"):
            (read,) = records(changed, name)
            assert (read["syscall"], read["changed"]) == ("read", "rate")
            assert (read["calls_before"], read["calls_after"]) == (1000, 1500)
            assert (read["rate_before"], read["rate_after"]) == (100, 300)
            # The smallest latency of the bucket, 9.728 us: 100 calls a second, and 300.
            assert read["time_before_s"] == pytest.approx(100 * bucket_low(FAST) / 1e9)
            assert read["time_after_s"] == pytest.approx(300 * bucket_low(FAST) / 1e9)
            assert (read["slower"], read["p50_q"], read["p99_q"]) == (0.5, 1, 1)
            assert read["rate_q"] < 1e-9


def test_a_rate_that_varies_within_a_recording_is_no_change(tmp_path: Path) -> None:
    """500 against 1,000 calls, but all in one second of ten: it could as well have been none."""
    before = [process(7, "app"), calls(at(3), 7, born(0), "read", FAST, 500)]
    after = [process(7, "app"), calls(at(6), 7, born(0), "read", FAST, 1000)]
    with found(tmp_path, before, after, options=Options(unchanged=True)) as chance:
        (read,) = records(chance, "syscalls")
        assert read["changed"] == ""
        assert read["rate_q"] > 0.5


def load(rates: list[int], syscall: str = "fdatasync") -> list[Row]:
    """This many calls in each second; a second with none has no row."""
    of = [calls(at(s + 1), 7, born(0), syscall, SLOW, n) for s, n in enumerate(rates) if n]
    return [process(7, "db"), *of]


@pytest.mark.parametrize("idle", [0, 1])
def test_idle_ends_do_not_hide_four_times_the_rate(tmp_path: Path, idle: int) -> None:
    """Five of ten seconds are idle, or nearly: 4 s at 100 a second against 4 s at 400, plus partial seconds."""
    before = [idle, idle, idle, 30, 100, 101, 99, 100, 60, idle]
    after = [idle, 200, 400, 402, 398, 400, 160, idle, idle, idle]
    with found(tmp_path, load(before), load(after)) as changed:
        (row,) = records(changed, "syscalls_by_command")
        assert (row["changed"], row["unproven"]) == ("rate", "")
        assert row["rate_before"] == sum(before) / 10 and row["rate_after"] == sum(after) / 10


def test_idle_ends_that_differ_are_no_change_of_the_rate(tmp_path: Path) -> None:
    """Equally fast while active, 4 s against 9 s: the active time may be chance, so the change is not proven."""
    before, after = load([0, 0, 0, 100, 100, 101, 99, 0, 0, 0]), load([100, 101, 99, 100, 100, 101, 99, 100, 100, 0])
    with found(tmp_path, before, after) as changed:
        (row,) = records(changed, "syscalls_by_command")
        assert (row["changed"], row["unproven"]) == ("", "rate")


def test_idle_ends_of_cpu_time(tmp_path: Path) -> None:
    """10 % of a CPU for four seconds of ten against 40 %."""

    def rows(shares: list[int]) -> list[Row]:
        mine = {"pid": 7, "start": born(0), "wait_ns": 0, "voluntary_switches": 1}
        used = [row("cpu", at(s + 1), oncpu_ns=p * 10**7, **mine) for s, p in enumerate(shares) if p]
        return [process(7, "db"), *used]

    with found(
        tmp_path, rows([0, 0, 0, 5, 10, 11, 9, 10, 5, 0]), rows([0, 20, 40, 42, 38, 40, 20, 0, 0, 0])
    ) as changed:
        (cpu,) = records(changed, "cpu")
        assert cpu["changed"] and cpu["cpu_q"] < 0.01


def test_unproven_changes_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 calls of 1 ms in one second against 160 in one: four times as many, 0.12 s in 10 s, and maybe chance."""
    paths = []
    for name, count in (("b", 40), ("a", 160)):
        rows = [process(7, "db"), *steady(7, "read", 100), calls(at(5), 7, born(0), "fdatasync", SLOW, count)]
        paths.append(str(traces.write(tmp_path / f"{name}.parquet", rows)))
    _, out, _ = in_process(monkeypatch, capsys, "diff", *paths, "syscalls_by_command")
    assert "System calls by command: no significant difference\n" in out
    (line,) = [line for line in out.splitlines() if line.startswith("db ")]
    assert line.split()[1] == "fdatasync" and " 4 → 16 ×4.0?" in line
    assert "? after a ratio: not significant" in out
    status, out, _ = in_process(monkeypatch, capsys, "diff", *paths, "--exit-code", "--format", "json")
    assert (status, json.loads(out)["changes"]["syscalls"]) == (0, 0)


def test_calls_that_wait_come_after_calls_that_work(tmp_path: Path) -> None:
    """The waits changed a thousand times as much, but only mean that others did less."""
    names = {"epoll_wait": SLOW, "futex": SLOW, "recvfrom": SLOW, "fdatasync": FAST, "wait4": SLOW, "nanosleep": SLOW}
    before = [process(7, "db"), *(r for n, bucket in names.items() for r in steady(7, n, 100, bucket))]
    after = [process(7, "db"), *(r for n, bucket in names.items() for r in steady(7, n, 400, bucket))]
    with found(tmp_path, before, after) as changed:
        order = ["nanosleep", "fdatasync", "recvfrom", "epoll_wait", "futex", "wait4"]
        assert [r["syscall"] for r in records(changed, "syscalls_by_command")] == order


def test_latency(tmp_path: Path) -> None:
    """All calls 100 times slower. p50 is the middle of the bucket, but no more than the maximum latency in it."""
    with found(tmp_path, [process(7, "app"), *steady(7, "read", 50)],
               [process(7, "app"), *steady(7, "read", 50, SLOW)]) as changed:  # fmt: skip
        (read,) = records(changed, "syscalls_by_command")
        assert (read["command"], read["changed"]) == ("app", "p50, p99")
        assert (read["p50_before_us"], read["p50_after_us"]) == (bucket_low(FAST) / 1e3, bucket_low(SLOW) / 1e3)
        assert read["slower"] == 1
        assert read["rate_q"] == 1


def test_a_tail(tmp_path: Path) -> None:
    """2 % of the calls 100 times slower, in every second: the median stays, p99 does not.

    A later call is slower than an earlier one in 1 of 50 cases and ties otherwise: 0.02 + 0.98 / 2 = 0.51.
    """
    before = [process(7, "app"), *steady(7, "fsync", 100)]
    after = [process(7, "app"), *steady(7, "fsync", 98), *steady(7, "fsync", 2, SLOW)]
    with found(tmp_path, before, after) as changed:
        (fsync,) = records(changed, "syscalls_by_command")
        assert fsync["changed"] == "p99"
        assert fsync["slower"] == pytest.approx(0.51)
        assert fsync["p50_before_us"] == fsync["p50_after_us"] == bucket_low(FAST) / 1e3
        assert (fsync["p99_before_us"], fsync["p99_after_us"]) == (bucket_low(FAST) / 1e3, bucket_low(SLOW) / 1e3)


def test_a_slow_tail_in_one_burst_is_no_change(tmp_path: Path) -> None:
    """The same 20 slow calls within one second are one thing that happened once."""
    before = [process(7, "app"), *steady(7, "fsync", 100)]
    after = [process(7, "app"), *steady(7, "fsync", 98), calls(at(5), 7, born(0), "fsync", SLOW, 20)]
    with found(tmp_path, before, after, options=Options(unchanged=True)) as chance:
        (fsync,) = records(chance, "syscalls_by_command")
        assert fsync["changed"] == ""
        assert fsync["p99_q"] > 0.1


def test_errors(tmp_path: Path) -> None:
    """None of 1,000 against 50 of 1,000."""
    with found(tmp_path, [process(7, "app"), *steady(7, "openat", 100)],
               [process(7, "app"), *steady(7, "openat", 100, errors=5)]) as changed:  # fmt: skip
        (openat,) = records(changed, "syscalls")
        assert (openat["changed"], openat["errors_before_pct"], openat["errors_after_pct"]) == ("errors", 0, 5)


def test_a_new_call_has_no_latency_before(tmp_path: Path) -> None:
    with found(tmp_path, [process(7, "app"), *steady(7, "read", 9)],
               [process(7, "app"), *steady(7, "read", 9), *steady(7, "fsync", 9, SLOW)]) as changed:  # fmt: skip
        (fsync,) = records(changed, "syscalls_by_command")
        assert (fsync["changed"], fsync["rate_before"], fsync["rate_after"]) == ("rate", 0, 9)
        assert (fsync["p50_before_us"], fsync["slower"], fsync["p99_q"]) == (None, None, None)
        assert fsync["p50_after_us"] == bucket_low(SLOW) / 1e3


def test_what_takes_most_time_comes_first_and_waits_for_children_last(tmp_path: Path) -> None:
    names = ("read", "wait4", "write")
    before = [process(7, "app"), *(r for n in names for r in steady(7, n, 10))]
    after = [process(7, "app"), *steady(7, "read", 20), *steady(7, "write", 10, SLOW), *steady(7, "wait4", 20, SLOW)]
    with found(tmp_path, before, after) as changed:
        assert [r["syscall"] for r in records(changed, "syscalls_by_command")] == ["write", "read", "wait4"]


def test_small_changes_are_left_out_as_asked(tmp_path: Path) -> None:
    before, after = ([process(7, "app"), *steady(7, "read", n)] for n in (1000, 1200))
    with found(tmp_path, before, after) as little:
        assert records(little, "syscalls") == []
    with found(tmp_path, before, after, options=Options(min_change_pct=10)) as enough:
        assert [r["changed"] for r in records(enough, "syscalls")] == ["rate"]


def test_latency_that_takes_no_time_is_left_out(tmp_path: Path) -> None:
    """3 calls a second, 1 us against 2 us: 3 us a second do not matter."""
    one, two = bucket_of(1 * US), bucket_of(2 * US)
    with found(tmp_path, [process(7, "app"), *steady(7, "read", 3, one)],
               [process(7, "app"), *steady(7, "read", 3, two)], options=Options(unchanged=True)) as small:  # fmt: skip
        (read,) = records(small, "syscalls")
        assert (read["changed"], read["p50_q"] < 0.01) == ("", True)


def test_a_program_that_is_new_gone_or_moved(tmp_path: Path) -> None:
    def ran(pid: int, comm: str, path: str) -> list[Row]:
        me = {"pid": pid, "start": born(1), "comm": comm}
        return [row("exec", at(1), **me, path=path, argv=[comm, "-x"]), *steady(pid, "read", 5)]

    before = [
        *ran(7, "old", "/bin/old"),
        *ran(8, "tool", "/opt/1/tool"),
        process(9, "kworker/1:0", ppid=2, kernel_thread=None),
    ]
    after = [
        *ran(17, "new", "/bin/new"),
        *ran(18, "tool", "/opt/2/tool"),
        process(19, "ksoftirqd/0", kernel_thread=True),
    ]
    with found(tmp_path, before, after) as changed:
        said = [
            (r["changed"], r["command"], r["processes_before"], r["processes_after"], r["path_before"], r["path_after"])
            for r in records(changed, "programs")
        ]
        assert said == [
            ("new", "new", 0, 1, None, "/bin/new"),
            ("gone", "old", 1, 0, "/bin/old", None),
            ("moved", "tool", 1, 1, "/opt/1/tool", "/opt/2/tool"),
        ]
        # Calls of a command in one trace only are not a change; the command has its line among the programs.
        assert records(changed, "syscalls_by_command") == []


def test_kernel_threads_are_grouped_without_their_numbers(tmp_path: Path) -> None:
    def worker(number: str) -> list[Row]:
        return [process(7, f"kworker/{number}", kernel_thread=True), *steady(7, "read", 5)]

    with found(tmp_path, worker("0:1"), worker("1:2-events"), options=Options(unchanged=True)) as same:
        assert [r["command"] for r in records(same, "syscalls_by_command")] == ["kworker"]


def test_cpu(tmp_path: Path) -> None:
    """0.1 against 0.3 s per second, each second slightly different, so that chance can be estimated."""

    def used(ns: int) -> list[Row]:
        me = {"pid": 7, "start": born(0)}
        return [
            process(7, "app"),
            *(row("cpu", at(s + 1), **me, oncpu_ns=ns + s % 2 * 10**6, wait_ns=10**6) for s in range(10)),
        ]

    with found(tmp_path, used(10**8), used(3 * 10**8)) as changed:
        (app,) = records(changed, "cpu")
        assert (app["command"], app["changed"], app["processes_before"]) == ("app", True, 1)
        assert (app["cpu_before_s"], app["cpu_after_s"]) == pytest.approx((0.1005, 0.3005))
        assert (app["wait_before_s"], app["wait_after_s"]) == pytest.approx((0.001, 0.001))
        assert app["cpu_q"] < 1e-6
    with found(tmp_path, used(10**6), used(3 * 10**6)) as little:
        assert records(little, "cpu") == []  # 2 ms a second


def test_cpu_time_of_single_runs_is_compared_by_size_alone(tmp_path: Path) -> None:
    run = {"command": ["make"], "command_status": 0, "stopped_by": "command"}

    def used(ns: int) -> list[Row]:
        return [process(7, "cc"), row("cpu", at(1), pid=7, start=born(0), oncpu_ns=ns)]

    with found(tmp_path, used(10**8), used(3 * 10**8), **run, after={"ended_ns": at(20)}) as changed:
        assert changed.per == "run"
        (cc,) = records(changed, "cpu")
        assert (cc["cpu_before_s"], cc["cpu_after_s"], cc["cpu_q"]) == (0.1, 0.3, None)


def test_runs_of_a_command_are_compared_per_run(tmp_path: Path) -> None:
    """100 calls in a run of 10 s and 100 in one of 5 s are the same work."""
    run = {"command": ["make"], "command_status": 0, "stopped_by": "command"}
    before, after = [process(7, "cc"), *steady(7, "read", 10)], [process(7, "cc"), *steady(7, "read", 20, seconds=5)]
    with found(tmp_path, before, after, **run, after={"ended_ns": at(5)}, options=Options(unchanged=True)) as same:
        (read,) = records(same, "syscalls")
        assert (read["rate_before"], read["rate_after"], read["rate_q"]) == (100, 100, 1)
    with found(tmp_path, before, after, **run, part_before={"until": "+5"}) as window:
        assert window.per == "s"


def test_memory(tmp_path: Path) -> None:
    """The maximum of all snapshots, and the peak of a process that began in the recording, as only that is of it."""

    def had(mib: int, peak_mib: int) -> list[Row]:
        return [
            process(7, "app"),
            row("memory", at(1), pid=7, start=born(0), rss_anon_bytes=mib << 20, rss_file_bytes=0, rss_shmem_bytes=0),
            row("exit", at(2), pid=7, start=born(0), comm="app", exit_code=0, peak_rss_bytes=999 << 20),
            row("fork", at(3), pid=8, start=born(3), comm="sh", ppid=1),
            row("exit", at(4), pid=8, start=born(3), comm="cc1", exit_code=0, peak_rss_bytes=peak_mib << 20),
        ]

    with found(tmp_path, had(10, 100), had(20, 110)) as changed:
        (app,) = records(changed, "memory")
        assert (app["command"], app["peak_before_mib"], app["peak_after_mib"]) == ("app", 10, 20)


def test_exit_codes(tmp_path: Path) -> None:
    def ended(*ends: tuple[str, int | None, int | None, int]) -> list[Row]:
        out, pid = [], 10
        for comm, code, signal, count in ends:
            for _ in range(count):
                pid += 1
                out.append(row("exit", at(1), pid=pid, start=born(0), comm=comm, exit_code=code, signal=signal))
        return out

    before = ended(("grep", 0, None, 40), ("grep", 1, None, 40), ("ls", 0, None, 3), ("app", 0, None, 5))
    after = ended(
        ("grep", 0, None, 5), ("grep", 1, None, 75), ("ls", 0, None, 2), ("app", None, 11, 5), ("x", 3, None, 1)
    )
    with found(tmp_path, before, after) as changed:
        said = [
            (r["changed"], r["command"], r["exit_code"], r["signal"], r["processes_before"], r["processes_after"])
            for r in records(changed, "exits")
        ]
        assert said == [
            ("gone", "app", 0, None, 5, 0),
            ("new", "app", None, 11, 0, 5),
            ("fewer", "grep", 0, None, 40, 5),
            ("more", "grep", 1, None, 40, 75),
        ]


FUNCTIONS = ("_start", "parse", "render", "hash", "[vdso]")


def sampled(*per_second: dict[str, int], comm: str = "app", pid: int = 7) -> list[Row]:
    """Samples of functions that `_start` called, by second."""
    tree = [(None if name == "_start" else 1, {"function": name, "module": "/usr/bin/app"}) for name in FUNCTIONS]
    return [
        process(pid, comm),
        *traces.stack_rows(at(1), tree),
        *(
            row("samples", at(second), pid=pid, start=born(0), tid=pid, thread=comm, samples=samples,
                user_stack=FUNCTIONS.index(name) + 1)
            for second, functions in enumerate(per_second, 1)
            for name, samples in functions.items()
        ),
    ]  # fmt: skip


def test_functions(tmp_path: Path) -> None:
    before = sampled(*[{"parse": 30, "render": 60, "_start": 9}] * 10)
    after = sampled(*[{"parse": 33, "render": 20, "hash": 40, "_start": 9}] * 10)
    with found(tmp_path, before, after) as changed:
        rows = records(changed, "functions")
        assert [(r["changed"], r["command"], r["function"], r["module"]) for r in rows] == [
            ("less", "app", "render", "app"),
            ("new", "app", "hash", "app"),
        ]
        render = rows[0]
        assert (render["samples_before"], render["samples_after"]) == (990, 1020)
        assert render["self_before_pct"] == pytest.approx(100 * 60 / 99)
        assert render["self_after_pct"] == pytest.approx(100 * 20 / 102)
    with found(tmp_path, before, before) as same:
        assert records(same, "functions") == []


def test_a_function_that_ran_in_some_seconds_only_is_no_change(tmp_path: Path) -> None:
    """One of ten seconds, ten of its samples in each recording, or forty: as much as seconds differ."""
    quiet = [{"parse": 99}] * 9
    with found(tmp_path, sampled({"hash": 10, "parse": 89}, *quiet), sampled({"hash": 40, "parse": 59}, *quiet)) as few:
        assert records(few, "functions") == []
    with found(tmp_path, sampled({"hash": 2}), sampled({"parse": 2})) as chance:
        assert records(chance, "functions") == []


def opened(path: str, *, pid: int = 7, error: str | None = None, times: int = 1) -> list[Row]:
    result = -2 if error else 3
    one = row(
        "open",
        at(1),
        pid=pid,
        start=born(0),
        syscall="openat",
        path=path,
        origin="absolute",
        result=result,
        error=error,
    )
    return [one] * times


def test_files(tmp_path: Path) -> None:
    """Numbers, and random letters of names in /tmp, make no difference; files of new programs only are not listed."""
    before = [
        process(7, "app"),
        *opened("/etc/a.conf"),
        *opened("/proc/123/stat"),
        *opened("/tmp/tmpab3x_9q/out"),
        *opened("/data/gone"),
    ]
    after = [
        process(7, "app"),
        process(8, "other"),
        *opened("/etc/a.conf"),
        *opened("/proc/4567/stat"),
        *opened("/tmp/tmpzz0y_1k/out"),
        *opened("/etc/b.conf", times=3),
        *opened("/log/1"),
        *opened("/log/2"),
        *opened("/other/file", pid=8),
    ]
    with found(tmp_path, before, after) as changed:
        said = [
            (r["changed"], r["path"], r["calls_before"], r["calls_after"], r["paths"])
            for r in records(changed, "files")
        ]
        assert said == [
            ("new", "/etc/b.conf", 0, 3, 1),
            ("new", "/log/1", 0, 2, 2),
            ("gone", "/data/gone", 1, 0, 1),
        ]


def test_views_into_the_kernel_are_no_files(tmp_path: Path) -> None:
    views = [
        "/proc/7/stat", "/proc", "/sys/fs/cgroup/a", "/dev/pts/3", "/dev/ptmx", "/dev/tty", "/dev/null", "/dev/urandom",
        "anon_inode:[eventpoll]", "pipe:[123]", "socket:[9]", "memfd:x", "/memfd:x (deleted)", "/dev/fd/3",
    ]  # fmt: skip
    before = [process(7, "app"), *opened("/etc/a.conf")]
    after = [*before, *(r for path in (*views, "/dev/sda", "/procs/x") for r in opened(path))]
    with found(tmp_path, before, after) as changed:
        assert [r["path"] for r in records(changed, "files")] == ["/dev/sda", "/procs/x"]


def test_failing_files(tmp_path: Path) -> None:
    """Files that could be opened before come first; an error in both traces is not a difference."""
    before = [
        process(7, "app"),
        *opened("/etc/app.conf", times=2),
        *opened("/lib/x", error="ENOENT"),
        *opened("/mended", error="EACCES"),
    ]
    after = [
        process(7, "app"),
        *opened("/lib/x", error="ENOENT"),
        *opened("/never", error="ENOENT", times=9),
        *opened("/etc/app.conf", error="EACCES"),
        *opened("/mended"),
    ]
    with found(tmp_path, before, after) as changed:
        said = [
            (r["changed"], r["path"], r["error"], r["failed_before"], r["failed_after"], r["succeeded_before"])
            for r in records(changed, "file_errors")
        ]
        assert said == [
            ("new", "/etc/app.conf", "EACCES", 0, 1, 2),
            ("gone", "/mended", "EACCES", 1, 0, 0),
            ("new", "/never", "ENOENT", 0, 9, 0),
        ]


def test_what_was_not_recorded_is_not_compared(tmp_path: Path) -> None:
    kinds = [k for k in traces.recording()["kinds"] if k not in ("open", "cpu")]
    few = [r for r in everything() if r["kind"] in kinds]
    with found(tmp_path, everything(), few, after={"kinds": kinds}) as partly:
        assert partly.missing("cpu") == "AFTER was recorded without cpu"
        assert partly.missing("files") == "AFTER was recorded without open"
        assert partly.missing("syscalls") == ""
        assert [partly.changes(s.name) for s in sections()] == [0] * len(sections())
        assert partly.rows("files").fetchall() == []
        assert any("only BEFORE was recorded with open, cpu" in n for n in partly.notes)


def test_changes_of_files_count_only_where_both_have_them(tmp_path: Path) -> None:
    kinds = [k for k in traces.recording()["kinds"] if k != "file_op"]
    removed = row("file_op", at(1), pid=7, start=born(0), syscall="unlink", path="/x", origin="absolute", result=0)
    with found(tmp_path, [process(7, "app"), removed], [process(7, "app")]) as changed:
        assert [r["path"] for r in records(changed, "files")] == ["/x"]
    with found(tmp_path, [process(7, "app"), removed], [process(7, "app")], after={"kinds": kinds}) as changed:
        assert records(changed, "files") == []


HOST = {**traces.recording()["host"], "kernel": "6.2.0", "cpus": 64, "name": "b", "memory_bytes": 1 << 30}
PROBE = {"name": "on_exec", "tracepoint": "x", "attached": False, "reason": "no"}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        ({"ended_ns": at(100)}, ["spans: 10 s before, 100 s after"]),
        ({"ended_ns": at(3)}, ["AFTER has fewer than 4 intervals"]),
        (
            {
                "losses": [{"cause": "ring full", "place": "open", "lost": 1234}],
                "interval_s": 0.5,
                "comms": ["app"],
                "command": ["x"], "command_status": 0, "stopped_by": "command",
                "host": HOST,
                "probes": [PROBE],
            },
            [
                "AFTER lost ring full open 1,234",
                "interval: 1 s before, 0.5 s after",
                "processes recorded: all before, named app after",
                "only AFTER is one run of a command",
                "kernel: 6.1.0 before, 6.2.0 after",
                "CPUs: 2 before, 64 after",
                "host: testhost before, b after",
                "memory: 4.0 GiB before, 1.0 GiB after",
                "on_exec",
            ],
        ),
    ],
)  # fmt: skip
def test_what_makes_traces_hard_to_compare_is_noted(tmp_path: Path, changes: dict[str, Any], said: list[str]) -> None:
    with found(tmp_path, everything(), everything(), after=changes) as other:
        assert all(sum(each in note for note in other.notes) == 1 for each in said), other.notes
        assert changes or not other.notes


def test_chosen_pids_may_differ(tmp_path: Path) -> None:
    with found(tmp_path, everything(), everything(), before={"pids": [7]}, after={"pids": [8]}) as same:
        assert same.notes == []


def test_only_some_commands(tmp_path: Path) -> None:
    before, after = (
        [process(7, "app"), process(8, "db"), *steady(7, "read", n), *steady(8, "read", n)] for n in (10, 100)
    )
    with found(tmp_path, before, after, options=Options(comms=("db",))) as some:
        assert [r["command"] for r in records(some, "syscalls_by_command")] == ["db"]
        assert [r["calls_after"] for r in records(some, "syscalls")] == [1000]
    with pytest.raises(BadRequest, match="in either trace"):
        found(tmp_path, before, after, options=Options(comms=("nobody",)))


def test_windows_are_between_snapshots(tmp_path: Path) -> None:
    """From +2.5 s to +7.5 s the snapshots at 3 to 7 s count, and so the time from 2 s to 7 s: 50 calls in 5 s."""
    clocks = [row("clock", at(s), event="snapshot", boottime_ns=0, monotonic_ns=0, realtime_ns=0) for s in range(11)]
    rows = [process(7, "app"), *steady(7, "read", 10), *clocks]
    part = {"since": "+2.5", "until": "+7.5"}
    with found(tmp_path, rows, rows, part_before=part, part_after={}, options=Options(unchanged=True)) as window:
        assert window.length_s == (5, 10)
        (read,) = records(window, "syscalls")
        assert (read["calls_before"], read["rate_before"], read["rate_after"]) == (50, 10, 10)


HOSTILE = '\x1b[31m</script><img src=x onerror=alert(1)>|`=cmd()\u202e"\n'


def hostile(pid: int, **columns: Any) -> list[Row]:
    return [
        process(pid, HOSTILE, argv=[HOSTILE], path=HOSTILE, **columns),
        *[{**r, "abi": HOSTILE} for r in steady(pid, HOSTILE, pid * 100)],
        row("exit", at(9), pid=pid, start=born(0), comm=HOSTILE, exit_code=pid),
        *opened(f"/{HOSTILE}{'x' * pid}", pid=pid),
        *opened(f"/{HOSTILE}{'y' * pid}", pid=pid, error=HOSTILE),
    ]


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    host = {**traces.recording()["host"], "name": HOSTILE}
    losses = [{"cause": HOSTILE, "place": HOSTILE, "lost": 1}]
    before = traces.write(tmp_path / "b.parquet", [*hostile(7), process(8, "=HYPERLINK(1)")])
    return str(before), str(traces.write(tmp_path / "a.parquet", hostile(9), host=host, losses=losses))


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_hostile_names_are_inert(
    form: str, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = in_process(monkeypatch, capsys, "diff", *pair, "--format", form)
    assert (status, err) == (0, "")
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "script" in out
    if form == "markdown":
        assert "<img" not in out.replace("\\<", "")
    if form == "json":
        assert json.loads(out)["exits"][0]["command"] == HOSTILE


@pytest.mark.parametrize("name", [s.name for s in sections()])
def test_csv_of_a_section(
    name: str, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = in_process(monkeypatch, capsys, "diff", *pair, name, "--format", "csv")
    assert status == 0
    assert "\x1b" not in out
    assert ",=HYPERLINK" not in out
    assert out.splitlines()[0].startswith(("changed", "command", "syscall"))


def test_exit_codes_of_the_command(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*arguments: str) -> int:
        return in_process(monkeypatch, capsys, "diff", *arguments)[0]

    same, other = (pair[0], pair[0]), pair
    assert status(*same) == status(*other) == status(*same, "--exit-code") == 0
    assert status(*other, "--exit-code") == 1
    assert status(*other, "memory", "--exit-code") == 0
    assert status(pair[0], "absent.parquet") == 1
    assert status(pair[0], "absent.parquet", "--exit-code") == 2
    assert status(*other, "nonsense") == 2
    assert status(*other, "--format", "csv") == 2
    assert status(*other, "--comm", "nobody") == 2


def test_every_section_of_the_same_trace_says_so_in_a_line(
    pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = in_process(monkeypatch, capsys, "diff", pair[0], pair[0])
    for section in sections():
        assert f"{section.title}: no difference\n" in out


def test_the_terminal_shows_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = traces.write(tmp_path / "b.parquet", [process(7, "app"), *steady(7, "read", 50)])
    after = traces.write(tmp_path / "a.parquet", [process(7, "app"), *steady(7, "read", 100, SLOW)])
    _, out, _ = in_process(monkeypatch, capsys, "diff", str(before), str(after), "syscalls_by_command")
    low, high = bucket_low(FAST), bucket_low(SLOW)
    assert f" {low / 1e3:.3g} → {high / 1e3:,.0f} ×" in out
    assert "50 → 100 ×2.0" in out
    assert "= 0\n" in out
    assert "command  syscall  time [ms/s]" in out and "rate [1/s]" in out and "p50 [us]" in out
    _, out, _ = in_process(monkeypatch, capsys, "diff", str(before), str(after), "--limit", "0")
    assert "System calls: 1 changed, 0 shown" in out


def test_near_values_have_no_ratio() -> None:
    def shown_as(before: float | None, after: float | None) -> str:
        return figures.around(before, after, figures.duration)

    assert shown_as(10.0, 10.3) == "10 s → 10.3 s"
    assert shown_as(10.3, 10.0) == "10.3 s → 10 s"
    assert shown_as(10.0, 10.01) == "= 10 s"
    assert shown_as(0.0, 0.0) == "= 0"
    assert shown_as(10.0, 10.6) == "10 s → 10.6 s ×1.06"
    assert shown_as(0.0, 1.0) == "0 → 1 s"
    assert shown_as(None, 1.0) == "- → 1 s"
    assert shown_as(None, None) == "-"


def test_a_narrow_terminal_has_a_line_for_each_figure() -> None:
    names = ("command", "syscall", "time [ms]", "calls", "p99 [us]")
    table = text.upright(
        names, [("db", "fsync", "1 → 9 ×9.0", "= 5", "2 → 7 ×3.5?"), ("db", "read", "0 → 1", "= 1", "= 2")]
    )
    assert list(table.rows) == [
        ("db", "fsync", "time [ms]", "1 → 9 ×9.0"),
        ("", "", "p99 [us]", "2 → 7 ×3.5?"),
        ("db", "read", "time [ms]", "0 → 1"),
    ]


def test_changes_on_a_page_are_sorted_by_the_later_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = traces.write(tmp_path / "b.parquet", [process(7, "app"), *steady(7, "read", 50)])
    after = traces.write(tmp_path / "a.parquet", [process(7, "app"), *steady(7, "read", 100)])
    in_process(monkeypatch, capsys, "diff", str(before), str(after), "--html", str(tmp_path / "d.html"))
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert '<td class="n" data-v="100.0">50 → 100 ×2.0</td>' in page
    assert '<th scope="col" class="n">rate [1/s]</th>' in page


def test_a_page(
    pair: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "d.html"
    status, out, err = in_process(monkeypatch, capsys, "diff", *pair, "--html", str(page), "--exit-code")
    assert (status, out) == (1, "")
    assert err.startswith("wrote ")
    text = page.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "\u202e" not in text and "\x1b" not in text
    assert text.count("<script") == 1
    assert "&lt;/script&gt;" in text
    for section in sections():
        assert section.name in text
    assert in_process(monkeypatch, capsys, "diff", *pair, "--html", str(page))[0] == 1  # it exists already
    assert in_process(monkeypatch, capsys, "diff", *pair, "--html", str(page), "--force")[0] == 0
    assert in_process(monkeypatch, capsys, "diff", *pair, "--html", pair[0], "--force")[0] == 1
    assert in_process(monkeypatch, capsys, "diff", *pair, "memory", "--html", str(page), "--force")[0] == 2
    assert in_process(monkeypatch, capsys, "diff", *pair, "--force")[0] == 2


@pytest.mark.parametrize("form", ["table", "json", "markdown"])
def test_a_limit_cuts_every_section(
    form: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = Path(__file__).parents[3] / "sample_traces"
    pair = (str(samples / "release-1.parquet"), str(samples / "release-2.parquet"))
    status, out, err = in_process(monkeypatch, capsys, "diff", *pair, "--limit", "1", "--format", form)
    assert (status, err) == (0, "")
    assert out.count("flock") == (3 if form == "json" else 2) - (form == "json")
    assert "gzip" in out
    if form == "json":
        found = {s.name: json.loads(out)[s.name] for s in sections()}
        assert [name for name, rows in found.items() if rows is None] == ["functions"], "recorded without samples"
        assert {len(rows) for rows in found.values() if rows is not None} == {0, 1}


def test_the_first_lines_show_what_changed_between_the_sample_releases() -> None:
    """The differences that sample_traces/README.md lists."""
    samples = Path(__file__).parents[3] / "sample_traces"
    with (
        sysmon.open(samples / "release-1.parquet") as before,
        sysmon.open(samples / "release-2.parquet") as after,
        compare(before, after) as changed,
    ):
        flock = records(changed, "syscalls_by_command")[0]
        assert (flock["command"], flock["syscall"], flock["changed"]) == ("orders.py", "flock", flock["changed"])
        assert "p99" in flock["changed"]
        assert (flock["calls_before"], flock["calls_after"]) == (1600, 1600)
        assert [(r["changed"], r["command"], r["processes_after"]) for r in records(changed, "programs")] == [
            ("new", "gzip", 16)
        ]
        (missing,) = records(changed, "file_errors")
        assert missing["path"].endswith("/features.json")
        assert (missing["failed_before"], missing["failed_after"], missing["error"]) == (0, 1600, "ENOENT")


def test_bursts_in_every_second_are_a_change(tmp_path: Path) -> None:
    """None against 1, 9, 1, 9 … a second: rates vary widely, but each later block is above each earlier one."""
    before = [process(7, "app"), *steady(7, "read", 50)]
    after = [*before, *(calls(at(s + 1), 7, born(0), "fsync", FAST, 1 + 8 * (s % 2)) for s in range(10))]
    with found(tmp_path, before, after) as changed:
        assert [(r["syscall"], r["changed"]) for r in records(changed, "syscalls_by_command")] == [("fsync", "rate")]


def test_traces_without_common_commands_are_not_compared(tmp_path: Path) -> None:
    """Having nothing in common is not sameness. Sections that are empty on both sides are the same."""
    before = [process(7, "app"), *steady(7, "read", 10)]
    after = [process(9, "other"), *steady(9, "read", 10)]
    with found(tmp_path, before, after) as comparison:
        reason = "none of its commands is in both recordings"
        assert comparison.missing("syscalls_by_command") == reason
        title, _, rows = text.table_of(comparison, next(s for s in sections() if s.name == "syscalls_by_command"), None)
        assert (title, rows) == (f"System calls by command: not compared, {reason}", 0)
        assert comparison.missing("syscalls") == ""
        assert comparison.missing("exits") == ""
    after += [process(7, "app"), *steady(7, "read", 10)]
    with found(tmp_path, before, after) as comparison:
        assert comparison.missing("syscalls_by_command") == ""
        title, _, rows = text.table_of(comparison, next(s for s in sections() if s.name == "syscalls_by_command"), None)
        told = "no difference; 1 of 2 commands is in both"
        assert (title, rows) == (f"System calls by command: {told}", 0)
