"""Files opened and changed, compared with the program that did it and with /proc's view of its descriptors."""

import mmap
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.recording import Trace, busy, python, record_command, recording

pytestmark = pytest.mark.live

PRELUDE = """
import ctypes, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1])
def attempt(call, *args, **named):
    try: return call(*args, **named)
    except OSError: return None
"""


def record(tmp_path: Path, code: str, *, uid: int = 0) -> Trace:
    """Records Python code that works in a directory `w`. What the interpreter itself opens is elsewhere."""
    work = tmp_path / "w"
    work.mkdir(exist_ok=True)
    drop = f"os.setgid({uid}); os.setuid({uid})\n" if uid else ""
    command = [sys.executable, "-I", "-S", "-c", PRELUDE + drop + code, str(work)]
    trace = record_command(tmp_path / "t.parquet", *command)
    assert trace.status == 0, trace.output
    trace.assert_nothing_lost()
    return trace


def opens(trace: Trace, work: Path, columns: str) -> list[tuple[Any, ...]]:
    return trace.rows(f"SELECT {columns} FROM opens WHERE starts_with(full_path, '{work}') ORDER BY ts")


def test_where_a_path_starts(tmp_path: Path) -> None:
    w = tmp_path / "w"
    code = """
os.makedirs("a/b")
os.open("x", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640)      # relative
a = os.open(sys.argv[1] + "/a", os.O_RDONLY)                        # absolute
os.open("y", os.O_CREAT | os.O_RDWR, 0o600, dir_fd=a)               # from a descriptor
os.chdir("a/b")
os.open("../y", os.O_RDONLY)                                        # after chdir
os.fchdir(a)
os.open(".//b/./", os.O_RDONLY | os.O_DIRECTORY)
attempt(os.open, "no", os.O_RDONLY, dir_fd=99)                      # no such descriptor
"""
    found = opens(
        record(tmp_path, code), w, "full_path, origin, directory, path, result, error, mode, flags & ~32768, inode"
    )
    assert [f[:6] for f in found] == [
        (f"{w}/x", "cwd", f"{w}", "x", 3, None),
        (f"{w}/a", "absolute", None, f"{w}/a", 4, None),
        (f"{w}/a/y", "dirfd", f"{w}/a", "y", 5, None),
        (f"{w}/a/b/../y", "cwd", f"{w}/a/b", "../y", 6, None),
        (f"{w}/a/b/", "cwd", f"{w}/a", ".//b/./", 7, None),
    ]
    assert [f[6] for f in found] == [0o640, None, 0o600, None, None]
    cloexec = os.O_CLOEXEC
    assert [f[7] for f in found] == [
        os.O_CREAT | os.O_WRONLY | cloexec,
        cloexec,
        os.O_CREAT | os.O_RDWR | cloexec,
        cloexec,
        cloexec | os.O_DIRECTORY,
    ]
    assert [f[8] for f in found] == [(w / n).stat().st_ino for n in ("x", "a", "a/y", "a/y", "a/b")]


@pytest.mark.alone  # an unreadable path is a loss in every recording
def test_errors_and_invalid_descriptors(tmp_path: Path) -> None:
    code = """
attempt(os.open, "none", os.O_RDONLY)
attempt(os.open, "no", os.O_RDONLY, dir_fd=99)
attempt(os.open, "x", os.O_WRONLY)
attempt(os.open, "x/y", os.O_RDONLY)
libc.syscall(257, -100, ctypes.c_void_p(8), 0)
"""
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / "x").touch(0o444)
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    trace = record(tmp_path, code, uid=65534)
    where = "error IN ('ENOENT', 'EBADF', 'EACCES', 'ENOTDIR', 'EFAULT') AND uid = 65534 AND tid = pid"
    found = trace.rows(f"SELECT error, result, path, origin, directory FROM opens WHERE {where} ORDER BY ts")
    if os.uname().machine == "x86_64":
        assert found.pop() == ("EFAULT", -14, None, "unresolved", None)
    w = str(tmp_path / "w")
    assert found[-4:] == [
        ("ENOENT", -2, "none", "cwd", w),
        ("EBADF", -9, "no", "unresolved", None),
        ("EACCES", -13, "x", "cwd", w),
        ("ENOTDIR", -20, "x/y", "cwd", w),
    ]


def test_names_of_any_bytes_and_length(tmp_path: Path) -> None:
    w = tmp_path / "w"
    code = r"""
names = [b"\xff\xc3(", b"two\nlines", b"\x1b[31mred", "snö ☃".encode(), b"back\\xff", b"n" * 255]
for name in names: os.open(name, os.O_CREAT | os.O_WRONLY)
for _ in range(14):
    os.mkdir(b"d" * 250); os.chdir(b"d" * 250)
os.open("deep", os.O_CREAT | os.O_WRONLY)
path = os.fsencode(sys.argv[1]) + b"/."
path += b"/." * ((4000 - len(path) - 10) // 2) + b"/two\nlines"
os.open(path, os.O_RDONLY)
attempt(os.open, b"/" + b"x/" * 2047, os.O_RDONLY)
attempt(os.open, b"/" + b"x/" * 2047 + b"y", os.O_RDONLY)
"""
    trace = record(tmp_path, code)
    found = opens(trace, w, "path, path_bytes, path_truncated, length(directory)")
    assert [f[:3] for f in found[:6]] == [
        (r"\xff\xc3(", b"\xff\xc3(", False),
        ("two\nlines", None, False),
        ("\x1b[31mred", None, False),
        ("snö ☃", None, False),
        ("back\\xff", None, False),
        ("n" * 255, None, False),
    ]
    assert found[6] == ("deep", None, False, len(str(w)) + 14 * 251)
    assert 3999 <= len(found[7][0]) <= 4000 and found[7][0].endswith("/./two\nlines") and not found[7][2]
    long = trace.rows(
        "SELECT length(path), path_truncated, error FROM opens WHERE starts_with(path, '/x/x/') ORDER BY ts"
    )
    assert long == [(4095, False, "ENOENT"), (4095, True, "ENAMETOOLONG")]


def test_a_path_on_a_page_that_is_not_resident(tmp_path: Path) -> None:
    """The path's page belongs to a file that nothing has read since it was dropped from memory."""
    w = tmp_path / "w"
    w.mkdir()
    (w / "target").touch()
    page = tmp_path / "page"
    with page.open("wb") as f:
        f.write(os.fsencode(str(w / "target")) + b"\0" * (mmap.PAGESIZE * 3))
        f.flush()
        os.fsync(f.fileno())
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    code = f"""
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p] + [ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_size_t]
fd = os.open({str(page)!r}, os.O_RDONLY)
for _ in range(13):
    at = libc.mmap(None, 4096, 1, 2, fd, 0)
    assert libc.open(ctypes.c_void_p(at), 0) > 0
"""
    assert len(opens(record(tmp_path, code), w / "target", "path")) == 13


def test_openat2_creat_and_open(tmp_path: Path) -> None:
    if os.uname().machine != "x86_64":
        pytest.skip("by the numbers of x86-64")
    w = tmp_path / "w"
    code = """
how = struct.pack("QQQ", os.O_CREAT | os.O_RDWR, 0o604, 0)
libc.syscall(437, -100, b"two", how, len(how))
libc.syscall(85, b"made", 0o611)
libc.syscall(2, b"one", os.O_CREAT | os.O_RDWR, 0o622)
libc.syscall(437, -100, b"two", struct.pack("QQQ", 0, 0o604, 0), len(how))
"""
    found = opens(record(tmp_path, code), w, "syscall, path, mode, flags, error")
    assert found == [
        ("openat2", "two", 0o604, os.O_CREAT | os.O_RDWR, None),
        ("creat", "made", 0o611, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, None),
        ("open", "one", 0o622, os.O_CREAT | os.O_RDWR, None),
        ("openat2", "two", None, 0, "EINVAL"),
    ]


def test_a_descriptor_passed_to_another_process(tmp_path: Path) -> None:
    code = """
os.mkdir("shared"); os.mkdir("elsewhere")
one, other = socket.socketpair()
if os.fork() == 0:
    _data, (fd,), *_ = socket.recv_fds(other, 1, 1)
    os.chdir("elsewhere")
    os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    os._exit(0)
fd = os.open("shared", os.O_RDONLY)
socket.send_fds(one, [b"x"], [fd])
os.wait()
"""
    w = tmp_path / "w"
    found = opens(record(tmp_path, code), w, "full_path, origin, error")
    assert found == [(f"{w}/shared", "cwd", None), (f"{w}/shared/file", "dirfd", None)]


def test_every_way_to_change_files(tmp_path: Path) -> None:
    w = tmp_path / "w"
    code = """
open("x", "w").close()
os.mkdir("d", 0o751); d = os.open("d", os.O_RDONLY)
os.rename("x", "d/y"); os.rename("y", "z", src_dir_fd=d, dst_dir_fd=d)
os.link("d/z", "l"); os.symlink("any/../text", "s"); os.symlink("text", "s", dir_fd=d)
os.truncate("l", 7); f = os.open("l", os.O_RDWR); os.ftruncate(f, 3)
os.chmod("l", 0o604); os.fchmod(f, 0o600); os.chown("l", 1, 2); os.fchown(f, 3, -1); os.lchown("s", 4, 5)
os.unlink("l"); os.unlink("z", dir_fd=d); os.unlink("s", dir_fd=d)
attempt(os.rmdir, "none"); os.mkfifo("fifo", 0o600)
attempt(os.rename, "n" * 200, "m" * 3000)
"""
    trace = record(tmp_path, code)
    found = trace.rows(
        "SELECT syscall, full_path, full_path2, error, coalesce(mode & 511, size_bytes, owner), owner_group, path "
        f"FROM file_ops WHERE starts_with(full_path, '{w}') OR starts_with(full_path2, '{w}') ORDER BY ts"
    )
    at = {f[0]: f for f in found}
    assert [f[0] for f in found] == [
        "mkdir", "rename", "renameat", "link", "symlink", "symlinkat", "truncate", "ftruncate", "chmod", "fchmod",
        "chown", "fchown", "lchown", "unlink", "unlinkat", "unlinkat", "rmdir", "mknodat", "rename",
    ]  # fmt: skip
    assert at["mkdir"] == ("mkdir", f"{w}/d", None, None, 0o751, None, "d")
    assert found[1][1:4] == (f"{w}/x", f"{w}/d/y", None)
    assert at["renameat"][1:4] == (f"{w}/d/y", f"{w}/d/z", None)
    assert at["link"][1:4] == (f"{w}/d/z", f"{w}/l", None)
    assert (at["symlink"][2], at["symlink"][6]) == (f"{w}/s", "any/../text")
    assert at["symlinkat"][2] == f"{w}/d/s"
    assert at["truncate"][4] == 7 and at["ftruncate"][1:5] == (f"{w}/l", None, None, 3)
    assert at["chmod"][4] == 0o604 and at["fchmod"][1:5] == (f"{w}/l", None, None, 0o600)
    assert (
        at["chown"][4:6] == (1, 2)
        and at["fchown"][4:6] == (3, None)
        and at["lchown"][1:6] == (f"{w}/s", None, None, 4, 5)
    )
    assert at["rmdir"][1:4] == (f"{w}/none", None, "ENOENT")
    assert at["rename"][1:4] == (f"{w}/{'n' * 200}", f"{w}/{'m' * 3000}", "ENOENT")


def test_every_open_is_recorded_under_load(tmp_path: Path) -> None:
    code = "import os, sys\nfor i in range(20011):\n try: os.open('/no/such/%d' % i, 0)\n except OSError: pass"
    with recording(tmp_path / "t.parquet") as r, busy(1):
        process = python(code)
        assert process.wait() == 0
    r.assert_nothing_lost()
    where = f"pid = {process.pid} AND starts_with(path, '/no/such/')"
    assert r.rows(f"SELECT count(*), count(DISTINCT path) FROM opens WHERE {where}") == [(20011, 20011)]
    calls = r.one(f"SELECT sum(calls) FROM syscall_stats WHERE syscall = 'openat' AND pid = {process.pid}")
    assert r.one(f"SELECT count(*) FROM opens WHERE pid = {process.pid} AND syscall = 'openat'") == calls


def test_io_uring_opens_are_unseen_but_the_call_is_counted(tmp_path: Path) -> None:
    code = """
import mmap
params = ctypes.create_string_buffer(120)
ring = libc.syscall(425, 4, params)
assert ring > 0
array = struct.unpack_from("I", params, 40 + 24)[0]
tail = struct.unpack_from("I", params, 40 + 4)[0]
queue = mmap.mmap(ring, array + 16)
entries = mmap.mmap(ring, 4 * 64, offset=0x10000000)
name = ctypes.create_string_buffer(b"ring")
struct.pack_into("BBHiQQII", entries, 0, 18, 0, 0, -100, 0, ctypes.addressof(name), 0o600, os.O_CREAT | os.O_WRONLY)
struct.pack_into("I", queue, array, 0); struct.pack_into("I", queue, tail, 1)
assert libc.syscall(426, ring, 1, 1, 1, None, 0) == 1
os.open("seen", os.O_CREAT | os.O_WRONLY)
"""
    w = tmp_path / "w"
    trace = record(tmp_path, code)
    assert (w / "ring").exists()
    assert opens(trace, w, "path") == [("seen",)]
    assert trace.one("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'io_uring_enter'") == 1
