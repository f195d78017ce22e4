"""TCP connections, each answer worked out by hand."""

from pathlib import Path
from typing import Any

import sysmon
from sysmon.analyze.trace.findings import findings
from tests import traces
from tests.traces import Row, at, born, row

SERVER, CLIENT, WORKER = 7, 8, 9
SECOND = 10**9


def alive(pid: int, comm: str) -> Row:
    return row("process", at(0), edge="both", pid=pid, start=born(-5), comm=comm)


ALIVE = [alive(SERVER, "server"), alive(CLIENT, "client"), alive(WORKER, "worker")]


def connection(second: float, number: int | None, pid: int | None = SERVER, **columns: Any) -> Row:
    given = {
        "start": None if pid is None else born(-5), "family": "AF_INET", "direction": "in", "local_address": "10.0.0.1",
        "local_port": 80, "remote_address": "10.0.0.2", "remote_port": 40_000, "network_namespace": 1,
        "tcp_state": "ESTABLISHED", "sent_bytes": 0, "received_bytes": 0, "resent_bytes": 0, "sent_segments": 0,
        "retransmits": 0,
    }  # fmt: skip
    return row("connection", at(second), connection_id=number, pid=pid, **given | columns)


def report(tmp_path: Path, name: str, rows: list[Row]) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*ALIVE, *rows])) as trace:
        found: list[dict[str, Any]] = trace.report(name).df().astype(object).to_dict("records")
        return [{name: None if value != value else value for name, value in one.items()} for one in found]


def test_lives_in_order_and_then_what_goes_on(tmp_path: Path) -> None:
    handed = {"holder_pid": WORKER, "holder_start": born(-5)}
    ended, goes_on, unknown = report(
        tmp_path,
        "tcp_connections",
        [
            connection(10, 2, state_at_start="CLOSE_WAIT", **handed),
            connection(
                5, 1, opened=at(3), ended="closed", closed_by="local", sent_bytes=300, resent_bytes=100, rtt_us=1500
            ),
            connection(10, None, pid=None, sent_bytes=None),
        ],
    )
    assert (ended["comm"], ended["lasted_s"], ended["how"], ended["closed_by"]) == ("server", 2, "closed", "local")
    assert (ended["resent_pct"], ended["rtt_ms"], ended["holder"]) == (25, 1.5, None)
    assert (goes_on["ended"], goes_on["lasted_s"], goes_on["state_at_start"]) == (None, None, "CLOSE_WAIT")
    assert goes_on["holder"] == "worker (9)"
    assert (unknown["pid"], unknown["sent_bytes"]) == (None, None)


def test_what_several_files_say_of_a_connection_is_one_row(tmp_path: Path) -> None:
    (life,) = report(
        tmp_path,
        "tcp_connections",
        [
            connection(4, 1, opened=at(1), sent_bytes=10, tcp_state="ESTABLISHED"),
            connection(8, 1, opened=at(1), sent_bytes=5, tcp_state="CLOSE_WAIT", state_at_start="ESTABLISHED"),
            connection(
                9, 1, opened=at(1), sent_bytes=1, tcp_state="LAST_ACK", state_at_start="CLOSE_WAIT", ended="closed"
            ),
        ],
    )
    assert (life["sent_bytes"], life["state"], life["state_at_start"], life["lasted_s"]) == (16, "LAST_ACK", None, 8)


def test_states(tmp_path: Path) -> None:
    """A process that was given a connection has it, and not the one that accepted it."""
    rows = [
        connection(10, 1, tcp_state="CLOSE_WAIT", tcp_state_ns=2 * SECOND, holder_pid=WORKER, holder_start=born(-5)),
        connection(10, 2, tcp_state="CLOSE_WAIT", tcp_state_ns=SECOND, holder_pid=WORKER, holder_start=born(-5)),
        connection(5, 3, state_at_start="ESTABLISHED", ended="closed"),
        connection(10, 4, CLIENT, direction="out", local_port=5, remote_port=443),
    ]
    found = [tuple(one.values())[:8] for one in report(tmp_path, "tcp_states", rows)]
    assert found == [
        (WORKER, "worker", "CLOSE_WAIT", "in", 80, 0, 2, 2),
        (CLIENT, "client", "ESTABLISHED", "out", 443, 0, 1, None),
        (SERVER, "server", "ESTABLISHED", "in", 80, 1, 0, None),
    ]


def test_retransmits_by_peer(tmp_path: Path) -> None:
    def again(second: float, pid: int, segment: str, segments: int, **columns: Any) -> Row:
        given = {"direction": "out", "remote_address": "10.0.0.1", "remote_port": 443} | columns
        return row("retransmit", at(second), pid=pid, start=born(-5), segment=segment, segments=segments, **given)

    rows = [
        again(1, CLIENT, "SYN", 2),
        again(2, CLIENT, "SYN", 1),
        again(2, CLIENT, "data", 4),
        again(2, CLIENT, "data", 1, remote_address="10.0.0.9"),
        row("retransmit", at(2), pid=0, start=0, segment="data", segments=3),
    ]
    found = [tuple(one.values())[:10] for one in report(tmp_path, "retransmits", rows)]
    assert found == [
        (CLIENT, "client", "out", "10.0.0.1", 443, None, 4, 3, 0, 7),
        (0, "(other)", None, None, None, None, 3, 0, 0, 3),
        (CLIENT, "client", "out", "10.0.0.9", 443, None, 1, 0, 0, 1),
    ]


def found(tmp_path: Path, rows: list[Row], rule: str) -> list[Any]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*ALIVE, *rows])) as trace:
        return [f for f in findings(trace) if f.rule == rule]


def test_a_finding_for_connections_left_open(tmp_path: Path) -> None:
    def left(count: int, ns: int = SECOND, **columns: Any) -> list[Row]:
        given = {"tcp_state": "CLOSE_WAIT", "tcp_state_ns": ns} | columns
        return [connection(10, 1 + i, **given) for i in range(count)]

    (f,) = found(tmp_path, left(10, state_at_start="CLOSE_WAIT"), "close_wait")
    assert (f.severity, f.pid) == ("medium", SERVER)
    assert f.summary == "server (7) keeps connections open that the other side has closed (CLOSE_WAIT): 10 on port 80"
    assert "10 were in it when the recording began" in f.evidence
    (f,) = found(tmp_path, left(1000, holder_pid=WORKER, holder_start=born(-5)), "close_wait")
    assert (f.severity, f.pid) == ("high", WORKER)
    assert not found(tmp_path, left(9), "close_wait")
    assert not found(tmp_path, left(10, SECOND - 1), "close_wait")
    assert not found(tmp_path, left(10, ended="closed"), "close_wait")


def test_a_finding_for_retransmits(tmp_path: Path) -> None:
    def sent(again: int, segments: int, **columns: Any) -> list[Row]:
        given = {
            "direction": "out",
            "local_port": 5,
            "remote_port": 443,
            "retransmits": again,
            "sent_segments": segments,
        }
        return [connection(10, 1, CLIENT, **given | columns)]

    (f,) = found(tmp_path, sent(20, 2000, resent_bytes=30_000, rtt_us=2500), "retransmits")
    assert (f.severity, f.pid) == ("medium", CLIENT)
    assert f.summary == "client (8) sends 1.0 % of its segments to 10.0.0.2 port 443 again"
    assert f.evidence == (
        "20 of 2,000 segments were sent again, 30,000 bytes, in 1 connections; the longest round-trip time was 2.5 ms"
    )
    assert found(tmp_path, sent(100, 2000), "retransmits")[0].severity == "high"
    assert not found(tmp_path, sent(19, 100), "retransmits")
    assert not found(tmp_path, sent(20, 2001), "retransmits")
    silent = [
        connection(10, i, CLIENT, direction="out", local_port=i, remote_port=443, tcp_state="SYN_SENT", retransmits=3)
        for i in range(1, 6)
    ]
    (f,) = found(tmp_path, silent, "retransmits")
    assert (f.severity, f.summary) == ("high", "client (8) gets no answer from 10.0.0.2 port 443: 5 connections")
    assert not found(tmp_path, silent[1:], "retransmits")
