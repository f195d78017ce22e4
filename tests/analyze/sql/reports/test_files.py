"""Files opened and changed, each answer worked out by hand."""

from pathlib import Path
from typing import Any

import pytest

import sysmon
from tests import traces
from tests.traces import Row, at, born, calls, row

P = {"pid": 7, "start": born(0), "comm": "a", "syscall": "openat"}
Q = {"pid": 8, "start": born(1), "comm": "b", "syscall": "openat"}


def report(tmp_path: Path, name: str, rows: list[Row]) -> list[tuple[Any, ...]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        return trace.report(name).fetchall()


def full_path(tmp_path: Path, **columns: Any) -> str | None:
    with sysmon.open(traces.write(tmp_path / "t.parquet", [row("open", at(1), **P, **columns)])) as trace:
        ((path,),) = trace.sql("SELECT full_path FROM opens").fetchall()
        return path if path is None else str(path)


@pytest.mark.parametrize(
    ("origin", "directory", "path", "full"),
    [
        ("absolute", None, "/etc/passwd", "/etc/passwd"),
        ("absolute", None, "//etc/./passwd", "/etc/passwd"),
        ("absolute", None, "/etc/../x", "/etc/../x"),
        ("absolute", None, "/a/.b/..c", "/a/.b/..c"),
        ("cwd", "/", "a", "/a"),
        ("cwd", "/src", "a/b", "/src/a/b"),
        ("cwd", "/src", "./a", "/src/a"),
        ("cwd", "/src", ".", "/src"),
        ("dirfd", "/src", "", "/src"),
        ("dirfd", "/src", "../a", "/src/../a"),
        ("fd", "/src/a", None, "/src/a"),
        ("unresolved", None, "a", None),
        (None, None, None, None),
    ],
)
def test_a_path_from_the_root(
    tmp_path: Path, origin: str | None, directory: str | None, path: str | None, full: str | None
) -> None:
    assert full_path(tmp_path, origin=origin, directory=directory, path=path) == full


def test_files_by_path(tmp_path: Path) -> None:
    # /x: two processes, three calls of 1, 2 and 6 us: 9 us in total, mean 3, maximum 6; one failed, one was for
    # writing.
    rows = [
        row("open", at(1), **P, origin="absolute", path="/x", result=3, flags=0, latency_ns=1000),
        row("open", at(1), **P, origin="cwd", directory="/", path="x", result=3, flags=0o102, latency_ns=2000),
        row("open", at(1), **Q, origin="absolute", path="/x", result=-13, error="EACCES", flags=1, latency_ns=6000),
        row("open", at(1), **Q, origin="absolute", path="/y", result=3, flags=0, latency_ns=None),
    ]
    assert report(tmp_path, "files", rows) == [
        ("/x", 3, 1, 1, 2, 9e-6, 3.0, 6.0, 1, None, None),
        ("/y", 1, 0, 0, 1, None, None, None, 1, None, None),
    ]


HERE = 4026531832
"""The recorder's mount namespace."""


def files_of(tmp_path: Path, rows: list[Row], columns: str) -> list[tuple[Any, ...]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows, mount_namespace=HERE)) as trace:
        return trace.sql(f"SELECT {columns} FROM report.files").fetchall()


def test_files_by_identity(tmp_path: Path) -> None:
    """Two names of one file are one row, one name of two files is two; failures count for the file with their name."""
    ok = {"origin": "absolute", "result": 3, "flags": 0, "latency_ns": 1000, "device": 5, "mount_namespace": HERE}
    no = {
        "origin": "absolute",
        "result": -13,
        "error": "EACCES",
        "flags": 0,
        "latency_ns": 1000,
        "mount_namespace": HERE,
    }
    rows = [
        *(row("open", at(1), **P, **ok, path="/a", inode=1) for _ in range(3)),
        *(row("open", at(1), **Q, **ok, path="/link", inode=1) for _ in range(2)),
        row("open", at(1), **P, **ok, path="/a", inode=2),
        row("open", at(1), **P, **ok, path="/b", inode=2, generation=9),
        row("open", at(1), **Q, **no, path="/a"),
        row("open", at(1), **Q, **no, path="/never"),
        row("open", at(1), **Q, **no | {"mount_namespace": HERE + 1}, path="/never"),
        *(row("open", at(1), **P, **ok | {"device": 9}, path="/proc/self/stat", inode=i) for i in (7, 8)),
    ]
    assert sorted(files_of(tmp_path, rows, "path, opens, errors, processes, names, device, inode")) == [
        ("/a", 1, 0, 1, 1, 5, 2),
        ("/a", 6, 1, 2, 2, 5, 1),
        ("/b", 1, 0, 1, 1, 5, 2),
        ("/never", 1, 1, 1, 1, None, None),
        ("/proc/self/stat", 2, 0, 1, 1, None, None),
        (f"mnt:[{HERE + 1}]:/never", 1, 1, 1, 1, None, None),
    ]


def test_a_chroot_is_another_directory(tmp_path: Path) -> None:
    told = {"origin": "absolute", "result": -2, "error": "ENOENT", "mount_namespace": HERE}
    rows = [
        row("open", at(1), **P, **told, path="/etc/x"),
        row("open", at(2), **P, **told, path="/etc/x", directory="/jail"),
    ]
    assert sorted(files_of(tmp_path, rows, "path, opens")) == [("/etc/x", 1), ("/jail/etc/x", 1)]
    found = report(tmp_path, "file_errors", rows)
    assert sorted((r[2], r[4]) for r in found) == [("/etc/x", 1), ("/jail/etc/x", 1)]


def test_errors_of_opens_and_of_changes(tmp_path: Path) -> None:
    no = {"result": -2, "error": "ENOENT", "origin": "absolute"}
    rows = [
        row("open", at(2), **P, **no, path="/x"),
        row("open", at(1), **Q, **no, path="/x"),
        row("open", at(1), **Q, origin="absolute", path="/x", result=0),
        row("file_op", at(3), **{**P, "syscall": "rename"}, **no, path="/x", origin2="absolute", path2="/y"),
    ]
    found = [r[:7] for r in report(tmp_path, "file_errors", rows)]
    assert found == [
        ("ENOENT", "openat", "/x", None, 2, 2, "a"),
        ("ENOENT", "rename", "/x", "/y", 1, 1, "a"),
    ]


def test_the_text_of_a_link_is_shown_as_it_is(tmp_path: Path) -> None:
    rows = [
        row("file_op", at(1), **{**P, "syscall": "symlink"}, origin="absolute", path="/a/./b", result=0,
            origin2="cwd", directory2="/d", path2="l", latency_ns=1000)
    ]  # fmt: skip
    ((_ts, _pid, _comm, _call, path, path2, error, latency_us, _uid, _start),) = report(tmp_path, "file_ops", rows)
    assert (path, path2, error, latency_us) == ("/a/./b", "/d/l", None, 1.0)


def test_reads_and_writes_of_a_process(tmp_path: Path) -> None:
    # 10 + 5 reads of 300 + 0 bytes, one of them an error, 2 us; a write of 7 bytes; a copy of 9; a getppid is neither.
    who = (7, born(0))
    rows = [
        calls(at(1), *who, "read", 40, 10, bytes=300, total_ns=1500),
        calls(at(2), *who, "recvfrom", 48, 5, errors=1, bytes=0, total_ns=500),
        calls(at(1), *who, "pwritev2", 40, 1, bytes=7, total_ns=100),
        calls(at(1), *who, "sendfile", 40, 1, bytes=9, total_ns=300),
        calls(at(1), *who, "getppid", 40, 99),
        calls(at(1), 8, born(0), "getppid", 40, 99),
    ]
    ((pid, comm, *read_write_copy, read, written, cancelled, _start),) = report(tmp_path, "io", rows)
    assert (pid, comm) == (7, None)
    assert read_write_copy == [300, 15, 1, 2e-6, 7, 1, 0, 1e-7, 9, 1, 0, 3e-7]
    assert (read, written, cancelled) == (None, None, None)  # not recorded by an older version


def test_kernel_accounting_is_shown_next_to_calls(tmp_path: Path) -> None:
    """A process without calls that move bytes (io_uring, mapped files), and one without kernel accounting."""
    none = {"rchar_bytes": 0, "wchar_bytes": 0, "read_calls": 0, "write_calls": 0, "cancelled_write_bytes": 0}
    rows = [
        calls(at(1), 7, born(0), "read", 40, 10, bytes=300),
        *(
            row("process_io", at(i), pid=8, start=born(0), storage_read_bytes=5, storage_write_bytes=1000, **none)
            for i in (1, 2)
        ),
    ]
    found = {pid: rest for pid, *rest in report(tmp_path, "io", rows)}
    assert list(found) == [8, 7]
    assert found[8][-4:-1] == [10, 2000, 0] and found[8][1] is None
    assert found[7][-4:-1] == [0, 0, 0] and found[7][1] == 300
