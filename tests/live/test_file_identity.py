"""Which file was opened: device and inode compared with fstat(2), names with the directory tree that the test made."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.recording import Trace, record_command

pytestmark = pytest.mark.live

PRELUDE = """
import ctypes, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
os.chdir(sys.argv[1])
said = []
def opened(path, flags=os.O_RDONLY, **named):
    fd = os.open(path, flags, 0o644, **named)
    said.append([os.fstat(fd).st_dev, os.fstat(fd).st_ino])
    return fd
def mount(*arguments):
    assert not os.spawnvp(os.P_WAIT, "mount", ("mount", *arguments))
def in_child(work):
    pid = os.fork()
    if pid: assert os.waitpid(pid, 0)[1] == 0
    else:
        try: work()
        except BaseException as error: print(error, file=sys.stderr); os._exit(1)
        os._exit(0)
"""


def record(tmp_path: Path, code: str) -> tuple[Trace, Any]:
    """Records Python code that works in a directory `w`. Also returns what it put into `said`."""
    work, said = tmp_path / "w", tmp_path / "said"
    work.mkdir(exist_ok=True)
    code = f"{PRELUDE}{code}\njson.dump(said, open({str(said)!r}, 'w'))"
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code, str(work))
    assert trace.status == 0, trace.output
    trace.assert_nothing_lost()
    return trace, json.loads(said.read_text())


def identities(trace: Trace, tmp_path: Path) -> list[list[int]]:
    """Device and inode of the files opened below `w`, in order."""
    query = f"SELECT device, inode FROM opens WHERE starts_with(full_path, '{tmp_path}/w') AND result >= 0 ORDER BY ts"
    return [list(row) for row in trace.rows(query)]


@contextmanager
def mounted(at: Path, *arguments: str) -> Iterator[Path]:
    """Mounts something there. Skips the test, with the reason, where this machine cannot mount it."""
    at.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(at)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine does not mount {' '.join(arguments)}: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "-R", str(at)], check=True)


@contextmanager
def new_btrfs(tmp_path: Path, at: Path) -> Iterator[Path]:
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 200 << 20)
    try:
        subprocess.run(["mkfs.btrfs", "-q", "-f", str(image)], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("mkfs.btrfs is not installed: script/setup oracles")
    with mounted(at, "-t", "btrfs", "-o", "loop", str(image)) as root:
        yield root


def test_files_of_two_subvolumes_are_two(tmp_path: Path) -> None:
    code = """
for name in ("one", "two"): os.mkdir(f"fs/{name}/d"); open(f"fs/{name}/d/f", "w").close()
said.clear()
for name in ("one", "two", "one", "snapshot"): opened(f"fs/{name}/f")
opened("fs/one"); opened("fs/one/d"); opened("fs/top", os.O_CREAT | os.O_WRONLY); opened("fs")
"""
    with new_btrfs(tmp_path, tmp_path / "w" / "fs") as root:
        for name in ("one", "two"):
            subprocess.run(["btrfs", "-q", "subvolume", "create", str(root / name)], check=True)
            (root / name / "f").write_text(name)
        subprocess.run(["btrfs", "-q", "subvolume", "snapshot", str(root / "one"), str(root / "snapshot")], check=True)
        trace, said = record(tmp_path, code)
    assert [list(r) for r in identities(trace, tmp_path)[2:]] == said
    one, two, again, snapshot, *_ = said
    assert one == again and len({tuple(f) for f in (one, two, snapshot)}) == 3
    assert one[1] == two[1] == snapshot[1]  # by inode alone they would be one file
    files = trace.rows(f"SELECT path, opens, device, inode FROM report.files WHERE path SIMILAR TO '{root}/[a-z]+/f'")
    assert sorted(files) == sorted(
        [
            (f"{root}/one/f", 2, *one),
            (f"{root}/two/f", 1, *two),
            (f"{root}/snapshot/f", 1, *snapshot),
        ]
    )


OVERLAYS = {
    "of one file system": ("", False),
    "of two": ("xino=off", True),
    "of two, inodes with the number of the layer": ("xino=on", True),
}


@pytest.mark.parametrize(("options", "two"), OVERLAYS.values(), ids=OVERLAYS)
def test_files_of_an_overlay(tmp_path: Path, options: str, two: bool) -> None:
    """In the lower and the upper layer, copied up, hard links of which one was copied up, directories."""
    code = """
def all():
    for name in ("lower", "upper", "copied", "link1", "link2", "both", "both/inside", "."): opened(f"merged/{name}")
all()
opened("merged/copied", os.O_WRONLY); opened("merged/link1", os.O_WRONLY)
opened("merged/new", os.O_CREAT | os.O_WRONLY)
all()
libc.sync(); open("/proc/sys/vm/drop_caches", "w").write("2")
all()
"""
    work = tmp_path / "w"
    lower, top = work / "lower", work / "top"
    with mounted(lower, "-t", "tmpfs", "none") if two else mounted(work / "unused", "-t", "tmpfs", "none"):
        for folder in (lower / "both", top / "upper" / "both", top / "work"):
            folder.mkdir(parents=True)
        for path in (lower / "lower", lower / "copied", lower / "link1", lower / "both/inside", top / "upper/upper"):
            path.write_text("text")
        (lower / "link2").hardlink_to(lower / "link1")
        layers = f"lowerdir={lower},upperdir={top / 'upper'},workdir={top / 'work'}"
        with mounted(work / "merged", "-t", "overlay", "-o", f"{layers}{',' if options else ''}{options}", "overlay"):
            trace, said = record(tmp_path, code)
    found = identities(trace, tmp_path)
    assert len(found) == len(said) == 27
    assert [(i, f, s) for i, (f, s) in enumerate(zip(found, said, strict=True)) if f != s] == []


def test_a_hard_link_is_one_file_and_a_new_one_another(tmp_path: Path) -> None:
    code = """
opened("a", os.O_CREAT | os.O_WRONLY); os.link("a", "b"); os.symlink("a", "c")
for name in "abc": opened(name)
os.unlink("a"); opened("a", os.O_CREAT | os.O_WRONLY)
try: os.open("never", os.O_RDONLY)
except OSError: pass
"""
    trace, said = record(tmp_path, code)
    assert identities(trace, tmp_path) == said
    w = tmp_path / "w"
    query = f"SELECT path, opens, errors, names, device, inode FROM report.files WHERE starts_with(path, '{w}/')"
    assert trace.rows(query) == [
        (f"{w}/a", 4, 0, 3, *said[0]),
        (f"{w}/a", 1, 0, 1, *said[4]),
        (f"{w}/never", 1, 1, 1, None, None),
    ]


def test_an_inode_that_is_used_again_is_another_file(tmp_path: Path) -> None:
    """ext4 gives a removed file's inode to the next new one, with another generation."""
    code = """
for name in ("first", "second"):
    fd = opened(name, os.O_CREAT | os.O_WRONLY)
    generation = ctypes.c_ulong()
    assert libc.ioctl(fd, 0x80087601, ctypes.byref(generation)) == 0   # FS_IOC_GETVERSION
    said[-1].append(generation.value & 0xffffffff)
    os.unlink(name); os.close(fd)
"""
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 16 << 20)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(tmp_path / "w", "-o", "loop", str(image)):
        trace, said = record(tmp_path, code)
    found = trace.rows(f"SELECT device, inode, generation FROM opens WHERE starts_with(full_path, '{tmp_path}/w/')")
    assert [list(row) for row in found] == said
    assert said[0][:2] == said[1][:2] and said[0] != said[1]
    assert trace.one(f"SELECT count(*) FROM report.files WHERE starts_with(path, '{tmp_path}/w/')") == 2


def test_a_directory_that_is_mounted_over(tmp_path: Path) -> None:
    """One name, three files: the directory's own, one mounted over it, and one bind-mounted over that."""
    code = """
os.mkdir("at"); os.mkdir("other")
for name in ("at/f", "other/f"): open(name, "w").close()
def brief(*arguments): os.close(opened(*arguments))
brief("at/f"); mount("-t", "tmpfs", "none", "at"); brief("at/f", os.O_CREAT | os.O_WRONLY)
mount("--bind", "other", "at"); brief("at/f"); brief("other/f")
assert not os.system("umount at; umount at")
opened("at/f")
"""
    trace, said = record(tmp_path, code)
    assert identities(trace, tmp_path)[2:] == said
    w = tmp_path / "w"
    files = trace.rows(f"SELECT opens, names, device, inode FROM report.files WHERE starts_with(path, '{w}/')")
    at, in_tmpfs, bound, *_ = said
    assert sorted(files) == sorted([(3, 1, *at), (1, 1, *in_tmpfs), (3, 2, *bound)])


@pytest.mark.quick
def test_a_directory_that_was_renamed(tmp_path: Path) -> None:
    code = """
os.makedirs("old/sub"); os.chdir("old/sub"); opened("f", os.O_CREAT | os.O_WRONLY)
os.rename("../../old", "../../new"); opened("f")
os.makedirs("../../old/sub"); opened("../../old/sub/f", os.O_CREAT | os.O_WRONLY)
"""
    trace, said = record(tmp_path, code)
    w = tmp_path / "w"
    found = trace.rows(f"SELECT directory, inode FROM opens WHERE starts_with(full_path, '{w}/') ORDER BY ts")
    assert found == [(f"{w}/old/sub", said[0][1]), (f"{w}/new/sub", said[0][1]), (f"{w}/new/sub", said[2][1])]
    assert trace.one(f"SELECT count(*) FROM report.files WHERE starts_with(path, '{w}/')") == 2


def test_a_directory_that_was_removed(tmp_path: Path) -> None:
    code = """
def attempt(call, *args, **named):
    try: call(*args, **named)
    except OSError: pass
os.mkdir("gone"); os.mkdir("kept"); gone = os.open("gone", os.O_RDONLY); os.chdir("gone"); os.rmdir("../gone")
attempt(os.open, "f", os.O_CREAT | os.O_WRONLY)
attempt(os.mkdir, "d")
os.chdir(sys.argv[1] + "/kept")
attempt(os.open, "g", os.O_RDONLY, dir_fd=gone)
f = os.open("f", os.O_CREAT | os.O_RDWR); os.unlink("f"); os.ftruncate(f, 7)
m = os.memfd_create("name"); os.ftruncate(m, 11)
"""
    trace, _said = record(tmp_path, code)
    w = tmp_path / "w"
    removed = f"{w}/gone (deleted)"
    opens = trace.rows("SELECT full_path, error FROM opens WHERE contains(full_path, '(deleted)') ORDER BY ts")
    assert opens == [(f"{removed}/f", "ENOENT"), (f"{removed}/g", "ENOENT")]
    ops = trace.rows(
        "SELECT syscall, full_path, origin FROM file_ops WHERE syscall IN ('mkdir', 'ftruncate') ORDER BY ts"
    )
    assert ops[2:] == [
        ("mkdir", f"{removed}/d", "cwd"),
        ("ftruncate", f"{w}/kept/f (deleted)", "fd"),
        ("ftruncate", "memfd:name", "fd"),
    ]


def test_a_path_of_another_root(tmp_path: Path) -> None:
    code = """
os.makedirs("jail/etc"); open("jail/etc/passwd", "w").close(); open("jail/etc/only", "w").close(); said.clear()
outside = os.open("/etc", os.O_RDONLY)
def jailed():
    os.chroot("jail"); os.chdir("/etc")
    for _ in range(5): opened("/etc/passwd")
    opened("passwd"); opened("passwd", dir_fd=outside)
    os.unlink("/etc/only")
    try: os.open("/etc/none", os.O_RDONLY)
    except OSError: pass
    said.append(None); os.write(pipe[1], json.dumps(said).encode())
pipe = os.pipe(); in_child(jailed); said = json.loads(os.read(pipe[0], 65536))[:-1]
"""
    trace, said = record(tmp_path, code)
    jail = tmp_path / "w" / "jail"
    host = Path("/etc/passwd").stat()
    assert said[:6] == [said[0]] * 6 and said[6] == [host.st_dev, host.st_ino]
    found = trace.rows(
        "SELECT path, full_path, directory, origin, device, inode FROM opens "
        "WHERE path LIKE '%passwd' AND flags & 64 = 0 ORDER BY ts"
    )
    assert found == [
        *[("/etc/passwd", f"{jail}/etc/passwd", str(jail), "absolute", *said[0])] * 5,
        ("passwd", f"{jail}/etc/passwd", f"{jail}/etc", "cwd", *said[0]),
        ("passwd", "/etc/passwd", "/etc", "dirfd", *said[6]),
    ]
    files = dict(trace.rows("SELECT path, opens FROM report.files WHERE path LIKE '%/etc/passwd'"))
    assert files == {f"{jail}/etc/passwd": 7, "/etc/passwd": 1}
    assert trace.rows("SELECT full_path FROM file_ops WHERE syscall = 'unlink'") == [(f"{jail}/etc/only",)]
    errors = trace.rows("SELECT path, calls FROM report.file_errors WHERE path LIKE '%/etc/none'")
    assert errors == [(f"{jail}/etc/none", 1)]


def test_a_path_of_another_mount_namespace(tmp_path: Path) -> None:
    """As in a container: its own root by pivot_root(2). Its /etc/passwd is not the host's, and a file visible to both
    is one file.
    """
    code = """
os.makedirs("root/etc"); os.makedirs("root/old"); os.makedirs("root/shared")
open("root/etc/passwd", "w").close(); open("shared", "w").close(); open("root/shared/f", "w").close(); said.clear()
fd = opened("shared"); opened("root/shared/f"); opened("/etc/passwd")
def contained():
    assert libc.unshare(0x20000) == 0                               # CLONE_NEWNS
    mount("--make-rprivate", "/"); mount("--bind", "root", "root"); os.chdir("root")
    assert libc.syscall(155, b".", b"old") == 0                     # pivot_root
    os.chdir("/")
    assert libc.umount2(b"/old", 2) == 0
    for _ in range(3): opened("/etc/passwd")
    opened("/shared/f")
    try: os.open("/etc/none", os.O_RDONLY)
    except OSError: pass
    os.write(pipe[1], json.dumps(said).encode())
pipe = os.pipe()
in_child(contained); said = json.loads(os.read(pipe[0], 65536))
"""
    trace, (shared, inside, host, *own) = record(tmp_path, code)
    w = tmp_path / "w"
    found = trace.rows(
        "SELECT full_path, name = full_path, device, inode FROM opens "
        "WHERE path IN ('/etc/passwd', '/shared/f', 'shared', 'root/shared/f') AND flags & 64 = 0 ORDER BY ts"
    )
    found = [row for row in found if list(row[2:]) in (shared, inside, host, *own)]
    assert found == [
        (f"{w}/shared", True, *shared),
        (f"{w}/root/shared/f", True, *inside),
        ("/etc/passwd", True, *host),
        *[("/etc/passwd", False, *own[0])] * 3,
        ("/shared/f", False, *inside),
    ]
    ((namespace,),) = trace.rows("SELECT DISTINCT mount_namespace FROM opens WHERE full_path = '/shared/f'")
    files = trace.rows("SELECT path, opens, names FROM report.files WHERE path LIKE '%/etc/passwd' ORDER BY opens")
    assert (f"mnt:[{namespace}]:/etc/passwd", 4, 2) in files  # it was created under its other name
    assert [f[1] for f in files if f[0] == "/etc/passwd"] == [
        trace.one(f"SELECT count(*) FROM opens WHERE full_path = '/etc/passwd' AND mount_namespace <> {namespace}")
    ]
    assert trace.one(f"SELECT opens FROM report.files WHERE device = {inside[0]} AND inode = {inside[1]}") == 3
    assert trace.rows("SELECT path FROM report.file_errors WHERE path LIKE '%/etc/none'") == [
        (f"mnt:[{namespace}]:/etc/none",)
    ]


def test_a_directory_that_is_mounted_nowhere(tmp_path: Path) -> None:
    """A tree that is detached from the namespace while a process is in it has no path."""
    code = """
mount("-t", "tmpfs", "none", "."); os.chdir(sys.argv[1]); open("f", "w").close()
assert not os.system("umount -l " + sys.argv[1])
said.clear(); opened("f")
"""
    trace, said = record(tmp_path, code)
    found = trace.rows(
        f"SELECT path, full_path, origin, mount_namespace, device, inode FROM opens WHERE inode = {said[0][1]} "
        f"AND device = {said[0][0]} AND flags & 64 = 0"
    )
    assert found == [("f", None, "unresolved", None, *said[0])]
