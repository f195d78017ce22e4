"""Charts, checked by what matplotlib was told to draw: no pixels."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle, StepPatch

import sysmon
from sysmon.analyze import charts
from sysmon.analyze.charts import flamegraph, intervals, lifetimes, output, ranks, style
from sysmon.analyze.text import summary
from sysmon.bpf.programs import csource, probes
from sysmon.errors import BadRequest, CannotWrite, NoData
from tests import traces
from tests.golden import sample
from tests.traces import Row, at, born, calls, row

MIB = 1 << 20

Drawn = Callable[..., Figure]


@pytest.fixture
def drawn(tmp_path: Path) -> Drawn:
    """Draws a chart of handmade rows."""

    def draw(name: str, rows: list[Row], part: dict[str, Any] | None = None, /, **changes: Any) -> Figure:
        given = part or {}
        syscall = given.pop("syscall", None)
        path = traces.write(tmp_path / "t.parquet", rows, **changes)
        with sysmon.open(path, **given) as trace:
            return charts.draw(trace, name, syscall=syscall)

    return draw


def stack_of(axes: Axes) -> dict[str, np.ndarray[Any, Any]]:
    """The thickness of each layer, by label."""
    out = {}
    for patch in axes.patches:
        if isinstance(patch, StepPatch) and patch.get_fill():
            values, _, base = patch.get_data()
            out[str(patch.get_gid())] = values - (0 if base is None else base)
    return out


def texts(figure: Figure) -> str:
    """All text on the figure outside its panels."""
    return "\n".join(
        t.get_text() for t in (*figure.texts, *(t for legend in figure.legends for t in legend.get_texts()))
    )


def had(second: float, pid: int, rss_mib: float, start: float = 0) -> Row:
    return row("memory", at(second), pid=pid, start=born(start), rss_anon_bytes=round(rss_mib * MIB), rss_file_bytes=0,
               rss_shmem_bytes=0, swap_bytes=0)  # fmt: skip


def used(second: float, pid: int, cpu_ms: int, wait_ms: int | None = 0, start: float = 0) -> Row:
    given = {"voluntary_switches": 0, "involuntary_switches": 0, "migrations": 0}
    wait_ns = None if wait_ms is None else wait_ms * 10**6
    return row("cpu", at(second), pid=pid, start=born(start), oncpu_ns=cpu_ms * 10**6, wait_ns=wait_ns, **given)


def host(second: float, *busy_ms: int) -> list[Row]:
    return [
        row("host", at(second), cpu=cpu, busy_ns=ms * 10**6, idle_ns=10**9 - ms * 10**6)
        for cpu, ms in enumerate(busy_ms)
    ]


def allocated(second: float, pid: int | None, mib: float) -> Row:
    zero = dict.fromkeys(("allocations", "frees", "frees_of_unknown_size", "pages_allocated_bytes"), 0)
    return row("kernel_memory", at(second), pid=pid, start=None if pid is None else born(0), freed_bytes=0,
               allocated_bytes=round(mib * MIB), pages_freed_bytes=0, **zero)  # fmt: skip


def snapshots(*seconds: float) -> list[Row]:
    return [row("clock", at(second), event="snapshot") for second in seconds]


def of_all_kinds() -> list[Row]:
    return [*sample.rows(), allocated(1, 101, 3), allocated(2, None, 1)]


def levels(axes: Axes) -> dict[str, list[float]]:
    return {name: [round(float(v), 6) for v in values] for name, values in stack_of(axes).items()}


def boxes(axes: Axes) -> dict[str, tuple[float, float, float]]:
    """The boxes of a flame graph that have a name: left end, level and width."""
    places = [
        (patch.get_x(), patch.get_y(), patch.get_width()) for patch in axes.patches if isinstance(patch, Rectangle)
    ]
    named = {}
    for text in axes.texts:
        x, y = text.get_position()
        named[text.get_text()] = next(p for p in places if p[1] == int(y) and p[0] <= x < p[0] + p[2])
    return {name: (round(left, 3), level, round(width, 3)) for name, (left, level, width) in named.items()}


def test_a_flame_graph_has_boxes_as_wide_as_their_shares(drawn: Drawn) -> None:
    # Of 400 samples 300 are of `parse`, called by `main`, 98 of a stack without callers; 2 are less than can be seen.
    functions = ("main", "parse", "lost", "x")
    tree = [(None, 0), (1, 1), (None, 2), (1, 3)]
    rows = [
        *traces.stack_rows(
            at(1), [(caller, {"function": functions[place], "module": "/bin/a"}) for caller, place in tree]
        ),
        *(
            row("samples", at(1), pid=7, start=born(0), tid=7, thread="a", user_stack=stack, samples=samples)
            for stack, samples in ((2, 300), (3, 98), (4, 2))
        ),
        row("exec", at(0), pid=7, start=born(0), comm="a"),
        *snapshots(1),
    ]
    figure = drawn("flamegraph", rows, sample_rate=99)
    (axes,) = figure.axes
    assert boxes(axes) == {
        "all: 400 samples": (0, 0, 1),
        "a (7) 100.0 %": (0, 1, 1),
        "[callers unknown] 100.0 %": (0, 2, 1),  # nothing begins with a function in which threads begin
        "lost 24.5 %": (0, 3, 0.245),
        "main 75.5 %": (0.245, 3, 0.755),
        "parse 75.0 %": (0.245, 4, 0.75),
    }
    said = texts(figure)
    assert (
        "Sampled: 400 samples, 99 a second of each CPU; a share of all of them is uncertain by at most 4.9 points"
        in said
    )
    assert "100.0 % are of stacks that do not reach back" in said


def test_a_flame_graph_of_two_recordings_is_coloured_where_they_differ(tmp_path: Path) -> None:
    functions = ("main", "parse", "render", "hash", "gone")
    tree = [(None if name == "main" else 1, {"function": name, "module": "/bin/a"}) for name in functions]

    def written(name: str, pid: int, **samples: int) -> Path:
        of = {"pid": pid, "start": born(0), "tid": pid, "thread": "a"}
        taken = [
            row("samples", at(1), **of, user_stack=functions.index(function) + 1, samples=number)
            for function, number in samples.items()
        ]
        rows = [*traces.stack_rows(at(1), tree), *taken, row("exec", at(0), pid=pid, start=born(0), comm="a")]
        return traces.write(tmp_path / name, [*rows, *snapshots(1)])

    before = written("before.parquet", 7, parse=300, render=600, gone=100)
    after = written("after.parquet", 8, parse=310, render=190, hash=500)
    with sysmon.open(before) as one, sysmon.open(after) as other:
        figure = charts.draw_difference(one, other)
        with pytest.raises(NoData, match="no samples in this part of BEFORE"):
            charts.draw_difference(one, other, ["b"])
    (axes,) = figure.axes
    assert boxes(axes) == {
        "all: 1,000 samples": (0, 0, 1),
        "a": (0, 1, 1),  # whatever its pid is
        "[callers unknown]": (0, 2, 1),
        "main": (0, 3, 1),
        "hash +50.0": (0, 4, 0.5),
        "parse": (0.5, 4, 0.31),
        "render -41.0": (0.81, 4, 0.19),
    }
    colours = [patch.get_facecolor() for patch in axes.patches]
    assert len(set(colours)) == 3 and colours.count(colours[0]) == 5, "red, blue, and what is no more than chance"
    assert "10.0 % of the samples before have stacks that are not there after; most of one are below gone (10.0 %)" in (
        texts(figure)
    )


def test_a_flame_graph_of_waits_has_the_reason_on_top_and_no_idle_threads(drawn: Drawn) -> None:
    tree = [
        (None, {"function": "_start", "module": "/bin/a"}),
        (1, {"missing": "caller skipped"}),
        (2, {"function": "f"}),
    ]
    rows = [
        *traces.stack_rows(at(1), tree),
        *(
            row("off_cpu", at(1), pid=7, start=born(0), tid=7, thread="a", waited_for=why, waits=1,
                user_stack=3 if why == "lock" else 1, waited_ns=ms * 10**6, max_waited_ns=ms * 10**6)
            for why, ms in (("disk", 1000), ("lock", 500), (None, 500), ("idle", 9000))
        ),
        row("exec", at(0), pid=7, start=born(0), comm="a"),
        *snapshots(1),
    ]  # fmt: skip
    figure = drawn("off_cpu_flamegraph", rows)
    (axes,) = figure.axes
    assert boxes(axes) == {
        "all: 2 s": (0, 0, 1),
        "a (7) 100.0 %": (0, 1, 1),
        "_start 100.0 %": (0, 2, 1),
        "[caller skipped] 25.0 %": (0, 3, 0.25),
        "f 25.0 %": (0, 4, 0.25),
        "[lock] 25.0 %": (0, 5, 0.25),
        "[disk] 50.0 %": (0.25, 3, 0.5),
        "[unknown] 25.0 %": (0.75, 3, 0.25),
    }
    top = {patch.get_x(): to_hex(patch.get_facecolor()) for patch in axes.patches if patch.get_y() == 3}
    colours = flamegraph.COLOURS
    assert top == {0: colours["unknown"], 0.25: colours["reason"], 0.75: colours["unknown"]}
    assert "25.0 % are of stacks with a function that has no frame" in texts(figure)
    assert "what it waited for" in texts(figure)
    assert "Exact" in texts(figure) and "do not reach back" not in texts(figure)


def test_cpu_adds_up_to_what_the_machine_did(drawn: Drawn) -> None:
    # Two CPUs. In the first second 7 has 0.6 s and 8 has 0.2 s of 1.0 s busy: 20 % belong to nobody recorded. In the
    # second 7 has 1.4 s, all of it. In the third there is no row at all: unknown.
    rows = [
        used(1, 7, 600, 250), used(1, 8, 200), used(2, 7, 1400, 500), *host(1, 700, 300), *host(2, 1000, 400),
        row("exec", at(0), pid=7, start=born(0), comm="spin"), *snapshots(1, 2, 3),
    ]  # fmt: skip
    figure = drawn("cpu", rows)
    cpu, waits = figure.axes
    shown = stack_of(cpu)
    assert {name: list(values[:2].round(6)) for name, values in shown.items()} == {
        "spin 7": [60, 140],
        "? 8": [20, 0],
        "rest of the machine": [20, 0],
    }
    assert all(np.isnan(values[2]) for values in shown.values())
    assert list(stack_of(waits)["spin 7"][:2]) == [0.25, 0.5]
    (capacity,) = (line for line in cpu.lines if line.get_gid() == "capacity")
    assert list(capacity.get_ydata()) == [200, 200]
    # Of 4 s of known CPU time 2.4 s were busy.
    assert "idle: 1.60 s" in texts(figure)
    assert cpu.get_title(loc="left") == "Used: 60 % of the machine, 55 % by these processes"


def test_the_stack_sums_to_the_report_whichever_processes_are_shown(tmp_path: Path) -> None:
    """Twenty processes, of which seven have a colour: with all others the sum is the report's."""
    rows = [used(1 + second, 100 + i, 7 * i + second) for i in range(20) for second in range(5)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        shown = stack_of(charts.draw(trace, "cpu").axes[0])
        total = sum(r[0] for r in trace.report("cpu").select("cpu_s").fetchall())
    assert len(shown) == 8
    assert "13 others" in shown
    assert sum(float(values.sum()) for values in shown.values()) / 100 == pytest.approx(total)


def test_io_sums_to_the_report(tmp_path: Path) -> None:
    with sysmon.open(traces.write(tmp_path / "t.parquet", of_all_kinds())) as trace:
        read, written = charts.draw(trace, "io").axes
        totals = trace.report("io").select("read_bytes, written_bytes").fetchall()
    for axes, total in ((read, sum(r for r, _ in totals)), (written, sum(w for _, w in totals))):
        scale = {"[bytes/s]": 1, "[KiB/s]": 1 << 10, "[MiB/s]": MIB}[axes.get_ylabel()]
        edges = np.asarray(axes.patches[0].get_data().edges)  # type: ignore[attr-defined]
        shown = sum(float((values * np.diff(edges)).sum()) for values in stack_of(axes).values())
        assert shown * scale == pytest.approx(total)


def test_kernel_memory_shows_interrupts_separately(drawn: Drawn) -> None:
    figure = drawn("kernel_memory", [allocated(1, 7, 3), allocated(2, 7, 1), allocated(2, None, 2)])
    assert levels(figure.axes[0]) == {"? 7": [3, 1], "in interrupts": [0, 2]}


def test_errors_by_number_and_in_older_traces_by_call(drawn: Drawn) -> None:
    me = {"pid": 7, "start": born(0), "nr": 257, "abi": "x86_64", "total_ns": 1}
    rows = [
        row("syscall_errors", at(1), syscall="openat", error="ENOENT", errno=2, calls=5, **me),
        row("syscall_errors", at(2), syscall="openat", error="ENOENT", errno=2, calls=3, **me),
        row("syscall_errors", at(2), syscall="openat", error="EACCES", errno=13, calls=2, **me),
        calls(at(1), 7, born(0), "openat", 90, 9, errors=5), calls(at(2), 7, born(0), "openat", 90, 9, errors=5),
    ]  # fmt: skip
    assert levels(drawn("errors", rows).axes[0]) == {"ENOENT of openat": [5, 3], "EACCES of openat": [0, 2]}
    older = [k for k in (r["kind"] for r in rows) if k != "syscall_errors"]
    assert levels(drawn("errors", rows[3:], kinds=older).axes[0]) == {"openat": [5, 5]}
    with pytest.raises(NoData, match="no system call read failed"):
        drawn("errors", rows, {"syscall": "read"})


def test_a_heat_map_counts_each_call(drawn: Drawn) -> None:
    rows = [
        calls(at(1), 7, born(0), "read", traces.bucket_of(1000), 10),
        calls(at(2), 7, born(0), "read", traces.bucket_of(1000), 4), calls(at(2), 7, born(0), "write", 200, 6),
        *snapshots(1, 2),
    ]  # fmt: skip
    axes = drawn("heatmap", rows).axes[0]
    cells = np.ma.getdata(np.ma.filled(axes.collections[0].get_array(), 0))
    assert cells.sum(axis=0).tolist() == [10, 10]
    assert (cells > 0).sum() == 3
    p99 = next(p for p in axes.patches if p.get_gid() == "p99").get_data().values  # type: ignore[attr-defined]
    assert 960 <= p99[0] < 1024
    assert p99[1] > 10**6
    axes = drawn("heatmap", rows, {"syscall": "write"}).axes[0]
    assert float(np.ma.filled(axes.collections[0].get_array(), 0).sum()) == 6


def life(pid: int, began: float, ended: float | None, ppid: int, comm: str, **end: Any) -> list[Row]:
    me = {"pid": pid, "start": born(began), "ppid": ppid}
    out = [row("fork", at(began), **me, comm="sh"), row("exec", at(began + 0.01), **me, comm=comm, argv=[comm])]
    return out if ended is None else [*out, row("exit", at(ended), **me, comm=comm, **({"exit_code": 0} | end))]


def lines_of(figure: Figure) -> list[str]:
    """The names of the lines from the top, with their indentation."""
    found = [t for t in figure.axes[0].texts if t.get_text()]
    left = min(t.xyann[0] for t in found)  # type: ignore[attr-defined]
    return [" " * round((t.xyann[0] - left) / (72 * 0.09)) + t.get_text() for t in found]  # type: ignore[attr-defined]


def test_lifetimes_are_in_tree_order(drawn: Drawn) -> None:
    rows = [
        row("process", at(0), pid=1, start=born(-900), ppid=0, comm="init", edge="both"),
        row("process", at(0), pid=2, start=born(-800), ppid=1, comm="idle", edge="both"),
        *life(10, 1, 9, 1, "make"), *life(12, 3, 4, 10, "ld", exit_code=1), *life(11, 2, 3, 10, "cc"),
        *life(20, 5, 6, 1, "crash", exit_code=None, signal=11), *life(30, 7, None, 20, "stays"),
    ]  # fmt: skip
    figure = drawn("lifetimes", rows)
    assert lines_of(figure) == ["make 10", " cc 11", " ld 12", "crash 20", " stays 30"]
    ends = [str(c.get_gid()) for c in figure.axes[0].collections]
    assert ends == ["exit status 0", "exit status 0", "another exit status", "killed by a signal", "lived on"]
    assert "killed by a signal" in texts(figure)


def test_thousands_of_processes_of_one_name_share_a_line(drawn: Drawn) -> None:
    rows = [*life(10, 0.5, 9, 1, "make")]
    for i in range(2000):
        rows += life(100 + i, 1 + i / 400, 1.01 + i / 400, 10, "cc1", exit_code=int(i == 1000))
    figure = drawn("lifetimes", rows)
    assert lines_of(figure) == ["make 10", " cc1 × 2,000"]
    assert len(charts.svg(figure)) < 30_000


def test_more_names_than_lines_are_noted(drawn: Drawn) -> None:
    rows = [r for i in range(60) for r in life(100 + i, 1 + i / 10, 8, 1, f"job{i}")]
    figure = drawn("lifetimes", rows)
    assert len(lines_of(figure)) == lifetimes.LINES
    assert f"No room here for {60 - lifetimes.LINES} more" in texts(figure)


def test_a_long_chain_of_processes(drawn: Drawn) -> None:
    rows = [r for i in range(1500) for r in life(100 + i, 1 + i / 1000, 8, 99 + i, f"c{i}")]
    assert lines_of(drawn("lifetimes", rows))


def test_a_process_has_one_colour_in_every_chart(tmp_path: Path) -> None:
    """The largest by CPU time and by memory differ and overlap; also in a part of the trace."""
    rows = [used(1, 100 + i, 10 * i + 1) for i in range(12)] + [
        had(1, 100 + i, 500 - 10 * abs(i - 8)) for i in range(30)
    ]
    rows += [allocated(1, 100 + i, 1 + i % 7) for i in range(20)] + snapshots(1)
    rows += [row("exec", at(0.5), pid=100 + i, start=born(0), comm=f"p{i}") for i in range(30)]
    path = traces.write(tmp_path / "t.parquet", rows)
    seen: dict[str, set[str]] = {}
    for part in ({}, {"since": "+0.5"}, {"pids": [105, 111, 108]}):
        with sysmon.open(path, **part) as trace:  # type: ignore[arg-type]
            for name in ("cpu", "memory", "kernel_memory"):
                figure = charts.draw(trace, name)
                here = {}
                for patch in figure.axes[0].patches:
                    label = str(patch.get_gid())
                    if label.startswith("p"):
                        here[label] = to_hex(patch.get_facecolor())
                        seen.setdefault(label, set()).add(here[label])
                assert len(set(here.values())) == len(here), f"two of one colour in {name}"
    assert len(seen) > 10
    assert all(len(colours) == 1 for colours in seen.values())


def test_colours_are_assigned_as_on_a_map() -> None:
    a, b, c, d = ((i, 0) for i in range(4))
    found = ranks.coloured([[a, b], [b, c], [c, d]])
    assert all(found[x] != found[y] for x, y in ((a, b), (b, c), (c, d)))
    # A part of the trace does not change the colours of the whole.
    assert found.items() <= ranks.coloured([[a, b], [b, c], [c, d], [(9, 0), a, d]], 3).items()


SEEN_BY = {  # linear RGB as seen by people who lack one kind of cone: Machado, Oliveira, Fernandes, 2009
    "all cones": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(rgb: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """CIE L*a*b* of linear sRGB, white D65."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(rgb, 0, 1) / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN_BY)
def test_colours_differ_for_every_colour_vision(eyes: str) -> None:
    """By at least 14; 2.3 is just noticeable side by side."""
    shown = [np.array(to_rgb(c)) for c in (*style.PALETTE, style.OTHERS)]
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in shown]
    seen = [lab(np.array(SEEN_BY[eyes]) @ c) for c in linear]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 14


def test_losses_are_shaded_where_they_happened(drawn: Drawn) -> None:
    rows = [
        *(used(second, 7, 500) for second in (1, 2, 3, 4)), *snapshots(1, 2, 3, 4),
        row("loss", at(3), cause="map full", place="cpu", lost=17),
        row("loss", at(2), cause="ring full", place="open", lost=99),
    ]  # fmt: skip
    figure = drawn("cpu", rows)
    for axes in figure.axes:
        (shades,) = (c for c in axes.collections if c.get_gid() == "loss")
        (shade,) = shades.get_paths()
        box = shade.get_extents()
        assert (box.x0, box.x1) == (2, 3)
    assert "17 (map full: cpu)" in texts(figure)
    assert "99" not in texts(figure)  # no chart of CPU time is affected by lost opens


def test_marks_and_notes_are_lines_at_their_time(drawn: Drawn) -> None:
    rows = [
        *(used(second, 7, 500) for second in (1, 2, 3, 4)), *snapshots(1, 2, 3, 4),
        row("mark", at(1.5), text="deploy \x1b[2J42"),
        row("note", at(2), text="slow", until=at(3)),
        row("note", at(9), text="not in the window"),
    ]  # fmt: skip
    figure = drawn("cpu", rows, {"until": "+4"})
    for axes in figure.axes:
        assert [line.get_xdata()[0] for line in axes.lines if line.get_gid() == "remark"] == [1.5, 2, 3]
    told = [text.get_text() for text in figure.axes[0].texts if text.get_gid() == "remark"]
    assert told == [" deploy \\x1b[2J42 ", " slow "]


def test_every_loss_place_is_known_to_a_chart_or_affects_none() -> None:
    of_files = {"open", "file_op", "socket", "syscall", "peer", "rename", "syscall_inflight", "cgroup", "on_open",
                "on_file_op", "on_socket", "on_message", "on_sock_send", "on_sock_recv", "on_rename",
                "on_cgroup_mkdir", "on_cgroup_move", "process_io", "threads of process_io", "signal",
                "on_signal", "oom_kill", "on_oom_kill", "waits", "on_waking", "objects", "object_name", "on_object",
                "on_object_name", "on_identify", "polled", "on_poll", "on_polled", "on_call"}  # fmt: skip
    of_disks = {"block_io", "requests in flight"} | {p.program for p in probes.PROBES if p.of == probes.BLOCK}
    of_files |= {"connection", "retransmit", "dns"} | {p.program for p in probes.PROBES if "TCP" in p.records}
    of_files |= {p.program for p in probes.PROBES if p.optional and p.records == "interrupts"} - {
        *charts.ALLOCATIONS
    }  # they attribute wakeups, and allocations where interrupts allocate
    known = {place.removesuffix(" of others") for _, place in csource.losses().values()}
    only_texts = {place for cause, place in csource.losses().values() if cause == "unreadable"}
    places = known | {p.program for p in (*probes.PROBES, *probes.HOOKS.values())} | {probes.SAMPLE_PROGRAM}
    drawn_places = {place for chart in charts.CHARTS.values() for place in chart.places}
    assert drawn_places <= places
    assert places - drawn_places <= of_files | of_disks | only_texts
    assert not drawn_places & (of_files | of_disks)


def test_steps_of_a_long_recording_keep_the_sum(tmp_path: Path) -> None:
    rows = [r for second in range(1, 1001) for r in (used(second, 7, 100), *snapshots(second))]
    path = traces.write(tmp_path / "t.parquet", rows, ended_ns=at(1000))
    with sysmon.open(path) as trace:
        axes = charts.draw(trace, "cpu").axes[0]
    (patch,) = (p for p in axes.patches if isinstance(p, StepPatch))
    values, edges, _ = patch.get_data()
    assert len(values) == intervals.MOST
    assert float((values * np.diff(edges)).sum()) == pytest.approx(100 * 100)
    assert "[min:s]" in drawn_label(axes)


def drawn_label(axes: Axes) -> str:
    return "".join(a.get_xlabel() for a in axes.figure.axes)


def test_a_short_last_interval_makes_no_spike() -> None:
    edges = np.array([0, 10, 20, 30, 31], dtype=np.int64)
    assert intervals._even(edges).tolist() == [0, 10, 20, 31]
    assert intervals._even(np.array([0, 1], dtype=np.int64)).tolist() == [0, 1]


def test_the_axis_covers_the_window(drawn: Drawn) -> None:
    rows = [r for second in range(1, 10) for r in (used(second, 7, 100 * second), *snapshots(second))]
    axes = drawn("cpu", rows, {"since": "+3", "until": "+6"}).axes[0]
    assert axes.get_xlim() == (3, 6)
    assert levels(axes) == {"? 7": [40, 50, 60]}


def test_a_small_leak_is_named(drawn: Drawn) -> None:
    """Eight large processes that do not grow, and a small one that grows steadily by 2 MiB a second, 120 a minute."""
    rows = [had(second, 100 + i, 1000 + i) for i in range(8) for second in range(1, 8)]
    rows += [had(second, 7, 5 + 2 * second) for second in range(1, 8)]
    rows.append(row("exec", at(0), pid=7, start=born(0), comm="leaky"))
    figure = drawn("memory", rows)
    assert "leaky 7 grows steadily, by 120.0 MiB a minute." in texts(figure)
    assert "leaky 7: 19.0 MiB, +120.0 MiB/min" in texts(figure)
    assert sum(v[-1] for v in levels(figure.axes[0]).values()) * 1024 == pytest.approx(8 * 1000 + 28 + 19, rel=1e-5)


def test_latency_of_a_process(drawn: Drawn) -> None:
    rows = [calls(at(1), 7, born(0), "read", 90, 5), calls(at(1), 8, born(0), "read", 90, 9)]
    (axes,) = drawn("latency", rows, {"pids": [7]}).axes
    assert axes.get_title(loc="left").startswith("? 7: read: 5 calls")
    with pytest.raises(NoData, match="no system call write returned"):
        drawn("latency", rows, {"syscall": "write"})


def test_where_the_time_of_threads_went(drawn: Drawn) -> None:
    """Of two threads in four seconds: one runs and waits for a lock through two snapshots, one sleeps."""

    def cycle(second: float, waited_for: str, **ms: int) -> Row:
        names = ("oncpu", "occupied", "waited", "waited_before", "ready", "ready_before")
        counts = {f"{name}_ns": ms.get(name, 0) * 10**6 for name in names}
        return row("cpu", at(second), pid=7, start=born(0), tid=71, thread="worker", waited_for=waited_for,
                   waits=int(waited_for == "lock"), **counts)  # fmt: skip

    rows = [
        *(r for second in range(5) for r in snapshots(second)),
        cycle(1, "runnable", oncpu=600, occupied=600, ready=400),
        cycle(4, "lock", oncpu=400, occupied=400, waited=2600, waited_before=2000),
        row("thread", at(4), pid=7, start=born(0), tid=72, thread="sleeper", waited_for="sleep", off_cpu_ns=4 * 10**9),
    ]
    rows[-2]["thread"] = "renamed"  # by an exec
    figure = drawn("wall_time", rows, ended_ns=at(4))
    together, alone = figure.axes
    layers = {label: values.tolist() for label, values in stack_of(together).items()}
    assert layers["running"] == pytest.approx([0.6, 0, 0, 0.4])
    assert layers["runnable"] == pytest.approx([0.4, 0, 0, 0])
    assert layers["lock"] == pytest.approx([0, 1, 1, 0.6])
    assert [label.get_text() for label in alone.get_yticklabels()] == ["renamed 71"]
    assert stack_of(alone)["lock of 71"].tolist() == pytest.approx([0, 0.86, 0.86, 0.6 * 0.86])
    assert "lock: 2.60 s" in texts(figure) and "resting: 4 s" in texts(figure)


@pytest.mark.parametrize("name", charts.CHARTS)
def test_one_row_is_enough(name: str, drawn: Drawn) -> None:
    one = {
        "wall_time": used(10, 7, 1) | {"tid": 7, "occupied_ns": 10**6},
        "cpu": used(10, 7, 1), "memory": had(10, 7, 1), "kernel_memory": allocated(10, 7, 1),
        "io": calls(at(10), 7, born(0), "read", 90, 1, bytes=1), "latency": calls(at(10), 7, born(0), "read", 0, 1),
        "heatmap": calls(at(10), 7, born(0), "read", 0, 1),
        "errors": calls(at(10), 7, born(0), "read", 90, 1, errors=1),
        "lifetimes": row("exit", at(10), pid=7, start=born(1), comm="x", exit_code=0),
        "flamegraph": row("samples", at(10), pid=7, start=born(0), tid=7, samples=1),
        "off_cpu_flamegraph": row("off_cpu", at(10), pid=7, start=born(0), tid=7, waits=1, waited_ns=1),
    }  # fmt: skip
    changes = {"kinds": ["syscall_stats"]} if name == "errors" else {}
    rows = [had(9, 7, 2), had(10, 7, 1)] if name == "growth" else [one[name]]  # a change takes two samples
    rows += [*snapshots(9), *snapshots(10)] if name == "wall_time" else []  # an interval takes two snapshots
    output.rendered(drawn(name, rows, **changes), "png")
    with pytest.raises(NoData):
        drawn(name, rows, {"until": "+0.5"}, **changes)


@pytest.mark.parametrize("name", charts.CHARTS)
def test_a_trace_of_a_single_instant(name: str, drawn: Drawn) -> None:
    figure = drawn(name, of_all_kinds(), ended_ns=traces.T0)
    assert figure.axes and all(left < right for left, right in (axes.get_xlim() for axes in figure.axes))
    assert output.rendered(figure, "png").startswith(b"\x89PNG")


def test_a_picture_shows_itself_in_a_notebook(tmp_path: Path) -> None:
    with sysmon.open(traces.write(tmp_path / "t.parquet", of_all_kinds())) as trace:
        picture = trace.chart("cpu", pid=101)
        image, size = picture._repr_png_()
        assert image.startswith(b"\x89PNG")
        assert size["width"] == 630
        assert picture.svg().startswith("<svg")
        assert trace.chart("latency", pid=[101, 60], syscall="read").figure.axes
        with pytest.raises(BadRequest, match="no process 4242"):
            trace.chart("cpu", pid=4242)
        assert trace.report("cpu").fetchall()  # still open


def test_the_users_matplotlib_settings_change_nothing(drawn: Drawn) -> None:
    before = charts.svg(drawn("memory", [had(1, 7, 10)]))
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red", "text.parse_math": True}):
        assert charts.svg(drawn("memory", [had(1, 7, 10)])) == before
        assert matplotlib.rcParams["font.size"] == 20


def test_memory_is_what_each_process_had_until_it_ended(drawn: Drawn) -> None:
    # 7 does not run in the third second and keeps its value; 8 ends at 2.5 s and is gone at the third snapshot.
    rows = [
        had(1, 7, 10), had(1, 8, 4), had(2, 7, 20), had(4, 7, 40), had(4, 9, 1),
        row("exit", at(2.5), pid=8, start=born(0), comm="b"), row("exec", at(0.5), pid=7, start=born(0), comm="a"),
        row("clock", at(3), event="snapshot"),
    ]  # fmt: skip
    stack = stack_of(drawn("memory", rows).axes[0])
    assert {name: list(values) for name, values in stack.items()} == {
        "a 7": [10, 20, 20, 40],
        "b 8": [4, 4, 0, 0],
        "? 9": [0, 0, 0, 1],
    }


def test_growth_is_relative_to_the_first_sample(drawn: Drawn) -> None:
    # 7 has 10, 12 and 40; 8 gives back 3; 9 calls execve at 1.5 s and then grows by 1; 10 is seen once.
    rows = [
        had(1, 7, 10), had(2, 7, 12), had(4, 7, 40), had(1, 8, 5), had(3, 8, 2), had(1, 9, 50), had(2, 9, 1),
        had(3, 9, 2), had(3, 10, 7), row("exec", at(1.5), pid=9, start=born(0), comm="c"),
    ]  # fmt: skip
    (axes,) = drawn("growth", rows).axes
    lines = {str(line.get_gid()): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}
    unit = lines["? 7"][1][-1] / 30  # in the axis's unit
    assert {n: (x, [y / unit for y in ys]) for n, (x, ys) in lines.items() if n[0] in "?c"} == {
        "? 7": ([1, 2, 4], [0, 2, 30]),
        "? 8": ([1, 3], [0, -3]),
        "c 9": ([2, 3], [0, 1]),
    }
    low, high = axes.get_ylim()
    assert low < -3 * unit and high > 30 * unit


def test_the_summary_and_the_chart_show_the_same_calls(tmp_path: Path) -> None:
    """Those that only wait come last in both, however long they took."""
    longest = {
        "futex": 150,
        "poll": 140,
        "read": 130,
        "write": 120,
        "openat": 110,
        "close": 100,
        "fsync": 90,
        "stat": 80,
    }
    rows = [calls(at(1), 7, born(0), name, bucket, 5) for name, bucket in longest.items()]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        drawn = [axes.get_title(loc="left").split(":")[0] for axes in charts.draw(trace, "latency").axes]
        listed = [name for name, *_ in trace.own(summary.SECTIONS[0].query).fetchall()]
    assert drawn == listed[: len(drawn)] == ["read", "write", "openat", "close", "fsync", "stat"]
    assert listed[-2:] == ["futex", "poll"]


def test_latency_counts_each_call_and_marks_percentiles(drawn: Drawn) -> None:
    # 98 reads of 1024 to 1151 ns, 2 of 2^20 ns: the median is 1087 ns, the 99th percentile is a slow one, and no longer
    # than the maximum, 2^20 ns. Together 98 x 1060 ns + 2 x 2^20 ns = 2.20103 ms.
    rows = [
        calls(at(1), 7, born(0), "read", traces.bucket_of(1024), 98, total_ns=98 * 1060, max_ns=1150),
        calls(at(2), 7, born(0), "read", traces.bucket_of(1 << 20), 2),
    ]
    for part in ({}, {"pids": [7]}):
        (axes,) = drawn("latency", rows, part).axes
        assert np.nansum(stack_of_raw(axes)) == 100
        marks = {str(line.get_gid()): line.get_xdata()[0] for line in axes.lines}  # type: ignore[index]
        assert marks == {"p50": 1087.5, "p99": 1 << 20}
        assert "read: 100 calls, 2.20 ms in all" in axes.get_title(loc="left")


def test_a_heat_map_marks_no_percentile_above_the_largest(drawn: Drawn) -> None:
    figure = drawn("heatmap", [calls(at(1), 7, born(0), "read", traces.bucket_of(1 << 20), 2)])
    (p99,) = (p for p in figure.axes[0].patches if p.get_gid() == "p99")
    assert np.nanmax(p99.get_data().values) == 1 << 20  # type: ignore[attr-defined]


def stack_of_raw(axes: Axes) -> np.ndarray[Any, Any]:
    (patch,) = (p for p in axes.patches if isinstance(p, StepPatch))
    return np.asarray(patch.get_data().values)


@pytest.mark.parametrize("name", charts.CHARTS)
def test_an_empty_trace_has_nothing_to_draw(name: str, drawn: Drawn) -> None:
    with pytest.raises(NoData, match="in this part of the trace"):
        drawn(name, [])
    with pytest.raises(NoData, match="recorded without"):
        drawn(name, [], kinds=["process"])


@pytest.mark.parametrize("name", charts.CHARTS)
def test_an_svg_for_a_page(name: str, tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", of_all_kinds() + hostile(), losses=sample.LOSSES)
    with sysmon.open(path) as trace:
        text = charts.svg(charts.draw(trace, name))
        again = charts.svg(charts.draw(trace, name))
    ElementTree.fromstring(text)
    assert text == again
    assert text.startswith('<svg role="img"')
    assert "<style" not in text
    assert style.INK not in text
    assert "currentColor" in text
    assert len(text) < 100_000
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def hostile() -> list[Row]:
    """Processes whose names are markup, formulas, control characters, or in no font."""
    names = ["$x^2$", "_hidden", "<b>&amp;", "\x1b[31m\n", "漢😀𠀀", "%s{}\\", "a" * 400]
    return [
        r
        for i, name in enumerate(names)
        for r in (
            row("exec", at(1), pid=2000 + i, start=born(0), comm=name, argv=[name]),
            had(1, 2000 + i, 500 + i),
            had(2, 2000 + i, 600 + i),
        )
    ]


def test_names_are_escaped(drawn: Drawn) -> None:
    figure = drawn("memory", hostile())
    output.rendered(figure, "png")
    said = texts(figure)
    for name in (
        "$x^2$ 2000",
        "_hidden 2001",
        "<b>&amp; 2002",
        "\\x1b[31m\\x0a 2003",
        "\\u6f22😀\\U00020000 2004",
        "aaa…",
    ):
        assert name in said
    assert not any(t.get_parse_math() for legend in figure.legends for t in legend.get_texts())


@pytest.mark.parametrize("ending", output.ENDINGS)
def test_files(ending: str, drawn: Drawn, tmp_path: Path) -> None:
    figure = drawn("memory", [had(1, 7, 10)])
    path = tmp_path / f"chart.{ending}"
    size = charts.write(figure, path)
    content = path.read_bytes()
    assert size == len(content)
    assert {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[ending] == content[: 4 + (ending == "svg")]
    with pytest.raises(CannotWrite, match="exists"):
        charts.write(figure, path)
    charts.write(figure, path, force=True)
    assert path.read_bytes() == content
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"chart.{ending}", "t.parquet"]


def test_bad_requests(drawn: Drawn, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="did you mean memory"):
        drawn("memry", [])
    with pytest.raises(BadRequest, match="--syscall is for"):
        drawn("memory", [had(1, 7, 1)], {"syscall": "read"})
    with pytest.raises(BadRequest, match=r"\.png, \.svg or \.pdf"):
        charts.write(Figure(), tmp_path / "chart.gif")
