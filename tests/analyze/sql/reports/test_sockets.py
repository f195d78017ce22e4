"""Sockets and connections, each answer worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np

import sysmon
from sysmon.bpf.kind import ring_layouts
from sysmon.bpf.kinds import sockets
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read.decode import Decoder
from tests import traces
from tests.traces import Row, at, born, row

TCP = {"pid": 7, "start": born(0), "comm": "a", "family": "AF_INET", "socket_type": "SOCK_STREAM"}


def report(tmp_path: Path, name: str, rows: list[Row]) -> list[tuple[Any, ...]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        return trace.report(name).fetchall()


def call(second: float, syscall: str, result: int, error: str | None = None, **columns: Any) -> Row:
    return row("socket", at(second), **{**TCP, "syscall": syscall, "result": result, "error": error, **columns})


ROWS = [
    call(1, "socket", 3),
    call(2, "connect", -115, "EINPROGRESS", remote_address="10.0.0.1", remote_port=80, latency_ns=2500),
    call(3, "connect", -111, "ECONNREFUSED", remote_address="10.0.0.1", remote_port=81),
    call(4, "accept4", 5, local_address="::1", local_port=22, remote_address="::2", remote_port=9),
    call(5, "bind", -98, "EADDRINUSE"),
    call(6, "listen", 0),
    call(7, "socket", -97, "EAFNOSUPPORT", family=None, socket_type="SOCK_DGRAM"),
]


def test_sockets_are_counted_by_family_and_type(tmp_path: Path) -> None:
    # TCP: 1 created, 2 connects of which one failed, 1 accepted, none bound, 1 listening; 2 errors: refused, in use.
    found = [r[:11] for r in report(tmp_path, "sockets", ROWS)]
    assert found == [
        (7, "a", "AF_INET", "SOCK_STREAM", 1, 2, 1, 1, 0, 1, 2),
        (7, "a", None, "SOCK_DGRAM", 0, 0, 0, 0, 0, 0, 1),
    ]


def test_connections_are_in_order(tmp_path: Path) -> None:
    found = [r[3:12] for r in report(tmp_path, "connections", ROWS)]
    tcp = ("AF_INET", "SOCK_STREAM")
    assert found == [
        ("out", *tcp, None, None, "10.0.0.1", 80, "EINPROGRESS", 2.5),
        ("out", *tcp, None, None, "10.0.0.1", 81, "ECONNREFUSED", None),
        ("in", *tcp, "::1", 22, "::2", 9, None, None),
    ]


def test_removing_the_peer_is_no_connection(tmp_path: Path) -> None:
    udp = {"family": "AF_INET", "socket_type": "SOCK_DGRAM"}
    rows = [call(1, "connect", 0, remote_address="10.0.0.1", remote_port=53, **udp), call(2, "connect", 0, **udp)]
    assert [r[8] for r in report(tmp_path, "connections", rows)] == ["10.0.0.1"]
    ((connects, failed),) = [r[5:7] for r in report(tmp_path, "sockets", rows)]
    assert (connects, failed) == (1, 0)


def test_addresses_by_family() -> None:
    addresses = [
        (2, bytes((10, 0, 0, 1)), "10.0.0.1", None),
        (10, bytes(15) + b"\1", "::1", None),
        (10, bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 1)), "::ffff:10.0.0.1", None),
        (1, b"/run/x\0junk", "/run/x", None),
        (1, b"\0abs", "@abs", b"\0abs"),
        (1, b"\xff", "\\xff", b"\xff"),
        (1, b"@abs", "@abs", None),
    ]
    records = np.zeros(len(addresses) + 1, ring_layouts(sockets.SOCKET)[0].dtype)
    for record, (family, raw, _text, _bytes) in zip(records, addresses, strict=False):
        record["family"], record["local_address_len"] = family, len(raw)
        record["local_address"] = np.void(raw.ljust(108, b"?"))
    records[-1]["local_address_len"] = 0xFFFFFFFF
    batch = Decoder(0, SyscallNames("x86_64")).batch(sockets.SOCKET, records)
    assert batch["local_address"].to_pylist() == [*(a[2] for a in addresses), None]
    assert batch["local_address_bytes"].to_pylist() == [*(a[3] for a in addresses), None]
    assert batch["family"].to_pylist()[:4] == ["AF_INET", "AF_INET6", "AF_INET6", "AF_UNIX"]


def test_a_send_is_a_connection_where_it_is_an_event(tmp_path: Path) -> None:
    rows = [
        *ROWS,
        call(8, "sendto", 5, remote_address="10.0.0.1", remote_port=80),
        call(9, "sendmsg", -111, "ECONNREFUSED", remote_address="10.0.0.1", remote_port=81),
    ]
    # 4 connects, of which 2 were refused and one is still in progress.
    assert report(tmp_path, "sockets", rows)[0][5:7] == (4, 2)
    assert [r[3] for r in report(tmp_path, "connections", rows)] == ["out", "out", "in", "out", "out"]


def test_peers_are_summed_over_snapshots_and_sockets(tmp_path: Path) -> None:
    def peer(second: float, address: str | None, port: int | None, *counts: int, **columns: Any) -> Row:
        names = (
            "datagrams_sent", "datagram_bytes_sent", "datagrams_received", "datagram_bytes_received", "datagram_errors",
        )  # fmt: skip
        udp = {**TCP, "socket_type": "SOCK_DGRAM", "protocol": 17}
        del udp["comm"]
        given = {"remote_address": address, "remote_port": port, **dict(zip(names, counts, strict=True))}
        return row("peer", at(second), **{**udp, **given, **columns})

    rows = [
        peer(1, "10.0.0.1", 53, 2, 80, 1, 500, 0),
        peer(2, "10.0.0.1", 53, 1, 40, 1, 100, 1),
        peer(2, "10.0.0.2", 53, 0, 0, 0, 0, 7),
        peer(2, None, None, 0, 0, 9, 90, 0, family="AF_UNIX", protocol=0),
        peer(2, "10.0.0.1", None, 4, 4, 0, 0, 0, protocol=1),
        peer(2, None, None, 0, 0, 100, 100, 0, pid=0, start=0),
    ]
    found = [(r[0], r[1], *r[4:12]) for r in report(tmp_path, "peers", rows)]
    assert found == [
        (0, "(other)", "udp", None, None, 0, 0, 100, 100, 0),
        (7, None, None, None, None, 0, 0, 9, 90, 0),
        (7, None, "udp", "10.0.0.1", 53, 3, 120, 2, 600, 1),
        (7, None, "icmp", "10.0.0.1", None, 4, 4, 0, 0, 0),
        (7, None, "udp", "10.0.0.2", 53, 0, 0, 0, 0, 7),
    ]
