"""DNS queries, each answer worked out by hand."""

from pathlib import Path
from typing import Any

import sysmon
from sysmon.analyze.trace.findings import findings
from tests import traces
from tests.traces import Row, at, born, row

MS = 10**6
SERVER = "10.0.0.53"
ALIVE = [row("process", at(0), edge="both", pid=7, start=born(-5), comm="app")]


def asked(second: float, domain: str | None, queries: int, server: str = SERVER, kind: int | None = 1) -> Row:
    none = {"answers": 0, "answer_ns": 0, "max_answer_ns": 0, "truncated_answers": 0}
    named = {"domain": domain, "record_type": kind, "remote_address": server}
    return row("dns", at(second), pid=7, start=born(-5), **named, queries=queries, **none)


def answered(second: float, domain: str, answer: str, answers: int, ms: int, longest_ms: int, cut: int = 0) -> Row:
    named = {"domain": domain, "record_type": 1, "remote_address": SERVER, "answer": answer, "queries": 0}
    times = {"answer_ns": ms * MS, "max_answer_ns": longest_ms * MS, "truncated_answers": cut}
    return row("dns", at(second), pid=7, start=born(-5), **named, answers=answers, **times)


def test_names_with_their_answers(tmp_path: Path) -> None:
    rows = [
        asked(1, "a.example", 5),
        answered(1, "a.example", "NOERROR", 3, 30, 20, cut=1),
        answered(2, "a.example", "SERVFAIL", 1, 50, 50),
        asked(1, None, 2, kind=None),
        asked(1, "b.example", 1, kind=4711),
        row("dns", at(1), pid=0, start=0, queries=4, answers=0, answer_ns=0, max_answer_ns=0, truncated_answers=0),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*ALIVE, *rows])) as trace:
        found = [r[:12] for r in trace.report("dns").fetchall()]
    assert found == [
        (7, "app", "a.example", "A", SERVER, 5, 4, 1, "NOERROR", 1, 20, 50),
        (0, "(other)", None, None, None, 4, 0, 4, None, 0, None, None),
        (7, "app", None, None, SERVER, 2, 0, 2, None, 0, None, None),
        (7, "app", "b.example", "TYPE4711", SERVER, 1, 0, 1, None, 0, None, None),
    ]


def found(tmp_path: Path, *rows: Row) -> list[Any]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*ALIVE, *rows])) as trace:
        return [f for f in findings(trace) if f.rule == "slow_dns"]


def test_a_finding_for_a_slow_server(tmp_path: Path) -> None:
    (f,) = found(tmp_path, asked(1, "a.example", 20), answered(2, "a.example", "NOERROR", 20, 1000, 100))
    assert (f.severity, f.summary) == ("medium", f"app (7) waits 1.0 s for the DNS server {SERVER}")
    assert f.evidence == "20 queries for 1 names, 20 answers, 50.0 ms each and 100.0 ms at most, such as for a.example"
    assert not found(tmp_path, asked(1, "a.example", 20), answered(2, "a.example", "NOERROR", 20, 999, 100))
    assert not found(tmp_path, asked(1, "a.example", 21), answered(2, "a.example", "NOERROR", 21, 1000, 100))


def test_a_finding_for_a_server_that_does_not_answer(tmp_path: Path) -> None:
    other = [asked(1, "a.example", 1), answered(1, "a.example", "NOERROR", 1, 1, 1)]
    (f,) = found(tmp_path, asked(1, "a.example", 3, "10.0.0.9"), *other)
    assert (f.severity, f.summary) == ("high", "app (7) gets no answer from the DNS server 10.0.0.9")
    assert f.evidence == "3 queries for 1 names, 0 answers, such as for a.example"
    assert not found(tmp_path, asked(1, "a.example", 2, "10.0.0.9"), *other)
