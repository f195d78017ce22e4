"""What ran and what waited, by stack; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from sysmon.analyze.stacks.folded import ON_CPU, folded
from tests import traces
from tests.traces import Row, at, born, row, stack_rows

MS = 10**6

PARSE, HASH, READ, ADDRESS, NO_ROOM, LEAF = 3, 4, 6, 7, 8, 11

TREE: tuple[tuple[int | None, dict[str, Any]], ...] = (
    (None, {"function": "_start", "module": "/usr/bin/server"}),
    (1, {"function": "main", "module": "/usr/bin/server"}),
    (2, {"function": "parse", "module": "/usr/bin/server"}),
    (2, {"function": "hash", "module": "/usr/bin/server"}),
    (None, {"function": "do_syscall_64", "module": "kernel"}),
    (5, {"function": "read", "module": "kernel"}),
    (None, {"module": "/usr/lib/libfoo.so", "address": 0x1234, "missing": "no symbol"}),
    (None, {"missing": "no room for the stack"}),
    (1, {"function": "main", "module": "/usr/bin/other"}),
    (9, {"missing": "caller skipped"}),
    (10, {"function": "memcmp", "module": "/usr/lib/libc.so.6"}),
)
"""Stacks 1 to 11: the stack that called, and the function."""


def sampled(tid: int | None, user: int | None, kernel: int | None, samples: int, second: float = 1) -> Row:
    who = {"pid": 0, "start": 0} if tid is None else {"pid": 7, "start": born(-5)}
    return row("samples", at(second), **who, tid=tid, thread=tid and f"t{tid}", user_stack=user, kernel_stack=kernel,
               samples=samples)  # fmt: skip


def waited(tid: int, user: int | None, kernel: int, waits: int, ms: int, max_ms: int) -> Row:
    return row("off_cpu", at(1), pid=7, start=born(-5), tid=tid, thread=f"t{tid}", waited_for="sleep", user_stack=user,
               kernel_stack=kernel, waits=waits, waited_ns=ms * MS, max_waited_ns=max_ms * MS)  # fmt: skip


ROWS = [
    row("clock", at(0), event="start", boottime_ns=0),
    *(row("clock", at(second), event="snapshot", boottime_ns=0) for second in (1, 2)),
    row("exec", at(0), pid=7, start=born(-5), comm="server"),
    *stack_rows(at(1), TREE),
    sampled(7, PARSE, None, 60),
    sampled(7, HASH, None, 20),
    sampled(7, HASH, None, 10, second=2),
    sampled(7, PARSE, READ, 10),
    sampled(8, ADDRESS, None, 25),
    sampled(None, None, None, 5),
    waited(7, PARSE, READ, 3, 300, 200),
    waited(8, HASH, READ, 1, 100, 100),
    waited(8, NO_ROOM, READ, 1, 100, 100),
]


def report(tmp_path: Path, name: str, **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", ROWS), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def test_functions_by_samples(tmp_path: Path) -> None:
    rows = report(tmp_path, "hot_functions")
    assert [(r["comm"], r["function"], r["module"], r["self"], r["total"], r["samples"]) for r in rows] == [
        ("server", "parse", "/usr/bin/server", 60, 70, 125),
        ("server", "hash", "/usr/bin/server", 30, 30, 125),
        ("server", "libfoo.so+0x1234", "/usr/lib/libfoo.so", 25, 25, 125),
        ("server", "read", "kernel", 10, 10, 125),  # in the kernel, so not `parse` itself ran
        ("(other)", "[unknown]", None, 5, 5, 5),
        ("server", "_start", "/usr/bin/server", 0, 100, 125),
        ("server", "main", "/usr/bin/server", 0, 100, 125),
        ("server", "do_syscall_64", "kernel", 0, 10, 125),
    ]
    # Wilson: (60 + 1.9208 ± 1.96 sqrt(60 × 65 / 125 + 0.9604)) / (125 + 3.8416)
    first = rows[0]
    assert (first["self_pct"], first["total_pct"], first["cut_pct"]) == (48, 56, 20)
    assert first["self_low_pct"] == pytest.approx(39.43, abs=0.01)
    assert first["self_high_pct"] == pytest.approx(56.69, abs=0.01)


def test_functions_of_a_thread(tmp_path: Path) -> None:
    rows = report(tmp_path, "hot_functions_by_thread")
    assert [
        (r["tid"], r["thread"], r["function"], r["self"], r["total"], r["samples"], r["cut_pct"]) for r in rows[:4]
    ] == [
        (7, "t7", "parse", 60, 70, 100, 0),
        (7, "t7", "hash", 30, 30, 100, 0),
        (8, "t8", "libfoo.so+0x1234", 25, 25, 25, 100),
        (7, "t7", "read", 10, 10, 100, 0),
    ]


def test_functions_of_a_window(tmp_path: Path) -> None:
    (first, *_) = report(tmp_path, "hot_functions", since="+1")
    assert (first["function"], first["self"], first["samples"], first["self_pct"]) == ("hash", 10, 10, 100)


def test_waits_by_stack(tmp_path: Path) -> None:
    rows = report(tmp_path, "off_cpu")
    names = (
        "function",
        "kernel_function",
        "stack",
        "is_whole",
        "blocked_s",
        "blocked_pct",
        "waits",
        "mean_ms",
        "max_ms",
    )
    assert [tuple(r[name] for name in names) for r in rows] == [
        ("parse", "read", "_start;main;parse", True, 0.3, 60, 3, 100, 200),
        ("hash", "read", "_start;main;hash", True, 0.1, 20, 1, 100, 100),
        ("[no room for the stack]", "read", "[no room for the stack]", False, 0.1, 20, 1, 100, 100),
    ]
    by_thread = report(tmp_path, "off_cpu_by_thread")
    assert [(r["tid"], r["function"], r["blocked_pct"]) for r in by_thread] == [
        (7, "parse", 100),
        (8, "hash", 50),
        (8, "[no room for the stack]", 50),
    ]


def test_what_is_known_of_the_stacks_of_a_program(tmp_path: Path) -> None:
    server, other = report(tmp_path, "stack_quality")
    assert tuple(server.values()) == ("server", 125, 20, 0, 0, 20, 0.5, 0, 0, 20, 0)
    assert tuple(other.values()) == ("(other)", 5, 0, 0, 100, 0, *[None] * 5)


@pytest.mark.parametrize(
    ("function", "whole"),
    [
        ("__libc_start_call_main", True),
        ("start", True),
        (None, True),
        ("qsort", False),
        ("msort_with_tmp.part.0", False),
    ],
)
def test_a_function_of_the_c_library_that_calls_back_does_not_begin_a_thread(
    tmp_path: Path, function: str | None, whole: bool
) -> None:
    outer = {"function": function, "module": "/usr/lib/libc.so.6", "address": None if function else 0x27200}
    tree = ((None, outer), (1, {"function": "compare", "module": "/usr/bin/server"}))
    rows = [*ROWS[:4], *stack_rows(at(1), tree), waited(7, 2, 1, 1, 100, 100)]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        assert trace.sql("SELECT is_whole FROM report.off_cpu").fetchall() == [(whole,)]


def test_a_stack_that_skips_a_caller_is_not_whole(tmp_path: Path) -> None:
    rows = [*ROWS[:3], row("exec", at(0), pid=7, start=born(-5), comm="other"), *stack_rows(at(1), TREE)]
    path = traces.write(tmp_path / "s.parquet", [*rows, sampled(7, LEAF, None, 3), waited(7, LEAF, READ, 1, 100, 100)])
    with sysmon.open(path) as trace:
        assert trace.report("stack_quality").fetchall() == [("other", 3, 100, 100, 0, 0, 0.1, 100, 100, 0, 0)]
        [wait] = trace.sql("SELECT stack, is_whole FROM report.off_cpu").fetchall()
        assert wait == ("_start;main;[caller skipped];memcmp", False)
        found = trace.sql("SELECT function, self, total, cut_pct FROM report.hot_functions").fetchall()
        assert found[0] == ("memcmp", 3, 3, 100) and ("[caller skipped]", 0, 3, 100) in found
        # It does reach back to where the thread began.
        [stack] = folded(trace, ON_CPU)
        names = [(frame.name, frame.origin) for frame in stack.frames[1:]]
        assert names == [("_start", "user"), ("main", "user"), ("[caller skipped]", "unknown"), ("memcmp", "user")]
