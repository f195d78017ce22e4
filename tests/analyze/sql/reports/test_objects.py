"""Reads and writes by file and connection; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import sysmon
from tests import traces
from tests.traces import Row, at, born, calls, row

MS = 10**6
FILE = {"object_type": "file", "object": 5, "object_device": 1}


def process(pid: int, comm: str) -> Row:
    return row("process", at(0), pid=pid, start=born(-5), comm=comm, edge="both")


def did(pid: int, way: str, number: int, ms: int, moved: int | None = 0, second: float = 1, **what: Any) -> Row:
    times = {"total_ns": ms * MS, "blocked_ns": 0, "max_ns": ms * MS}
    given = {"way": way, "calls": number, "errors": 0, "bytes": moved, **times}
    return row("objects", at(second), pid=pid, start=born(-5), **(given | what))


def report(tmp_path: Path, name: str, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    clocks = [row("clock", at(second), event="snapshot", boottime_ns=0) for second in (0, 1, 2, 3)]
    names = [process(7, "db"), process(8, "client")]
    with sysmon.open(traces.write(tmp_path / "t.parquet", [*clocks, *names, *rows]), **part) as trace:
        return trace.report(name).df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def named(second: float, path: str, **what: Any) -> Row:
    return row("object_name", at(second), **(FILE | what), object_path=path)


def test_a_file_has_the_name_of_the_time(tmp_path: Path) -> None:
    """Its first name also holds before it was seen: a count may reach the file before the name."""
    rows = [
        named(1.5, "/a"),
        named(2.5, "/b"),
        did(7, "write", 1, 10, 100, **FILE),
        did(7, "write", 1, 20, 200, second=2, **FILE),
        did(7, "write", 1, 70, 400, second=3, **FILE),
        did(7, "sync", 1, 5, None, second=3, **FILE),
        did(7, "read", 1, 0, 8, object_type="file", object=6, object_device=1),
    ]
    found = report(tmp_path, "file_io", rows)
    assert [(r["file"], r["written_bytes"], r["total_s"], r["syncs"], r["sync_s"]) for r in found] == [
        ("/b", 400, 0.075, 1, 0.005),
        ("/a", 300, 0.03, None, None),
        ("file with inode 6 on device 1", None, 0, None, None),
    ]


def test_generations_are_different_files(tmp_path: Path) -> None:
    rows = [named(0.5, f"/{n}", generation=n) for n in (1, 2)]
    rows += [did(7, "read", n, 1, 3, generation=n, **FILE) for n in (1, 2)]
    assert {r["file"]: r["reads"] for r in report(tmp_path, "file_io", rows)} == {"/1": 1, "/2": 2}


def test_terminals_come_last_and_io_uring_is_missing(tmp_path: Path) -> None:
    rows = [
        did(7, "read", 1, 60_000, 1, object_type="device", object=3, object_device=9),
        did(7, "write", 1, 1, 1, **FILE),
        calls(at(2), 8, born(-5), "io_uring_enter", 10, 1234),
        calls(at(2), 9, born(-5), "io_submit", 10, 100),
    ]
    found = report(tmp_path, "file_io", rows)
    assert [(r["object_type"], r["total_s"]) for r in found] == [
        ("file", 0.001),
        ("io_uring", None),
        ("libaio", None),
        ("device", 60),
    ]
    assert found[1]["file"] == "(not measured: 1,234 calls of io_uring_enter)"
    assert (found[2]["pid"], found[2]["file"]) == (9, "(not measured: 100 calls of io_submit)")


def test_without_objects_there_is_nothing_to_miss(tmp_path: Path) -> None:
    assert report(tmp_path, "file_io", [calls(at(2), 8, born(-5), "io_uring_enter", 10, 1234)]) == []


def test_who_is_at_the_other_end_of_a_pipe(tmp_path: Path) -> None:
    pipe = {"object_type": "pipe", "object": 40}
    fifo = {"object_type": "pipe", "object": 40, "object_device": 1}
    rows = [
        did(7, "read", 2, 9, 50, **pipe),
        did(8, "write", 1, 1, 50, **pipe),
        did(7, "read", 1, 5, 1, **fifo),
        row("object_name", at(0.5), **fifo, object_path="/run/fifo"),
    ]
    reader, alone, writer = report(tmp_path, "connection_io", rows)
    assert (reader["connection"], reader["kind"], reader["peer"]) == ("pipe:[40]", "pipe", "client (8)")
    assert (alone["connection"], alone["peer"]) == ("/run/fifo", None), "another pipe, whose number is that of a file"
    assert (writer["peer"], writer["sent_bytes"], writer["receives"]) == ("db (7)", 50, None)
    only = report(tmp_path, "connection_io", rows, pids=[7])
    assert [r["peer"] for r in only] == ["client (8)", None], "also if it was not chosen"


def test_many_at_the_other_end(tmp_path: Path) -> None:
    pipe = {"object_type": "pipe", "object": 40}
    rows = [did(7, "read", 1, 9, 50, **pipe), *(did(pid, "write", 1, 0, 1, **pipe) for pid in (8, 9, 10, 11, 12))]
    assert report(tmp_path, "connection_io", rows)[0]["peer"] == "client (8), ? (9), ? (10) and 2 more"


def test_unix_sockets(tmp_path: Path) -> None:
    """The accepted end tells who is at the other, as it had no inode when the client sent; else who listened."""
    unix = {"object_type": "socket", "family": "AF_UNIX", "socket_type": "SOCK_STREAM"}
    rows = [
        did(8, "write", 1, 3, 5, object=50, **unix),
        did(7, "read", 1, 2, 5, object=51, **unix),
        did(8, "write", 1, 1, 5, object=52, **unix),
        row("object_name", at(0.5), object=50, object_type="socket", family="AF_UNIX", remote_address="/run/db",
            peer_pid=1),
        row("object_name", at(0.5), object=51, object_type="socket", family="AF_UNIX", local_address="/run/db",
            peer_inode=50, peer_pid=8),
        row("object_name", at(0.5), object=52, object_type="socket", family="AF_UNIX", peer_inode=53, peer_pid=7),
    ]  # fmt: skip
    found = report(tmp_path, "connection_io", rows)
    assert [(r["pid"], r["connection"], r["peer"]) for r in found] == [
        (8, "unix /run/db", "db (7)"),
        (7, "unix /run/db", "client (8)"),
        (8, "socket:[52]", "db (7)"),
    ]


def test_connections_within_the_host(tmp_path: Path) -> None:
    """By the two ports, if both addresses are of this host."""
    tcp = {"object_type": "socket", "family": "AF_INET", "socket_type": "SOCK_STREAM"}
    there, here = {"local_port": 4000, "remote_port": 80}, {"local_port": 80, "remote_port": 4000}
    rows = [
        did(8, "write", 1, 9, 5, object=60, remote_address="127.0.0.1", **there, **tcp),
        did(7, "read", 1, 8, 5, object=61, remote_address="::ffff:127.0.0.1", **here, **tcp | {"family": "AF_INET6"}),
        did(8, "write", 1, 7, 5, object=62, remote_address="10.0.0.9", **there, **tcp),
        did(7, "read", 1, 6, 5, object=63, remote_address="10.0.0.8", **here, **tcp),
    ]
    found = report(tmp_path, "connection_io", rows)
    assert [(r["connection"], r["peer"]) for r in found] == [
        ("127.0.0.1:80", "db (7)"),
        ("[::ffff:127.0.0.1]:4000", "client (8)"),
        ("10.0.0.9:80", None),
        ("10.0.0.8:4000", None),
    ]


def test_directories(tmp_path: Path) -> None:
    """One with everything in a single directory below is left out."""
    rows = []
    for n, path in enumerate(("/var/lib/a/x", "/var/lib/a/y", "/var/lib/b/c/z", "/w"), 1):
        what = FILE | {"object": n}
        rows += [named(0.5, path, object=n), did(7, "write", 1, 10 ** (4 - n), 1, **what)]
    found = report(tmp_path, "directory_io", rows)
    assert [(r["directory"], round(1000 * r["total_s"]), r["files"], r["depth"]) for r in found] == [
        ("/", 1111, 4, 0),
        ("/var/lib", 1110, 3, 2),
        ("/var/lib/a", 1100, 2, 3),
        ("/var/lib/b/c", 10, 1, 4),
    ]


def test_what_did_not_fit_is_of_others(tmp_path: Path) -> None:
    rows = [row("objects", at(1), pid=0, start=0, way="read", object_type="file", calls=5, bytes=7, total_ns=MS)]
    ((other),) = report(tmp_path, "file_io", rows)
    assert (other["pid"], other["comm"], other["file"], other["reads"]) == (0, "(other)", None, 5)
