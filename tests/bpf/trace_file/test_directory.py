"""Directories that are held open: what can be reached through them, and what cannot."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmon.bpf.trace_file import directory
from sysmon.bpf.trace_file.atomic import NewFile
from sysmon.bpf.trace_file.directory import Directory, other_name
from sysmon.bpf.trace_file.walk import Unsafe


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Directory]:
    with Directory.hold(tmp_path) as found:
        yield found


def write(where: Directory, name: str, content: bytes) -> None:
    with where.create(name) as file:
        file.write(content)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "a\0"])
def test_a_name_is_one_component(held: Directory, name: str) -> None:
    for call in (held.create, held.remove, held.status, held.subdirectory, held.reader, held.make):
        with pytest.raises(ValueError, match="is not a file name"):
            call(name)


def test_an_open_directory_stays_the_same_when_renamed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with Directory.hold(tmp_path / "a") as found:
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "a").mkdir()
        write(found, "x", b"1")
        assert found.names() == ["x"]
    assert os.listdir(tmp_path / "a") == []


@pytest.mark.parametrize("what", ["link", "dangling", "FIFO", "socket", "directory", "device"])
def test_only_regular_files_are_read(held: Directory, tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    path = tmp_path / "it"
    match what:
        case "link":
            path.symlink_to("file")
        case "dangling":
            path.symlink_to("nowhere")
        case "FIFO":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as sock:
                sock.bind(str(path))
        case "directory":
            path.mkdir()
        case "device":
            if os.geteuid():
                pytest.skip("needs root, to make a device")
            os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    with pytest.raises(OSError, match=r"regular file|directory"):
        held.reader("it").close()
    assert held.exists("it")
    assert held.is_special("it") == (what not in ("link", "dangling"))


def test_a_new_file_replaces_nothing(held: Directory, tmp_path: Path) -> None:
    (tmp_path / "it").symlink_to("target")
    with pytest.raises(FileExistsError):
        held.create("it")
    with pytest.raises(FileExistsError):
        held.make("it")
    assert not (tmp_path / "target").exists()


def test_a_new_directory_is_for_its_owner(held: Directory, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        held.make("it").close()
        write(held, "file", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "it").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("without", [(), ("link",), ("link", "renameat2")])
def test_publishing_never_replaces_another_file(
    held: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: tuple[str, ...]
) -> None:
    if "link" in without:
        monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(PermissionError(1, "no links")))
    if "renameat2" in without:
        monkeypatch.setattr(directory.ctypes, "CDLL", lambda *_, **__: object())
    with held.make("hidden") as hidden:
        write(hidden, "rows", b"new")
        hidden.publish("rows", held, "t", force=False)
        write(hidden, "rows", b"newer")
        with pytest.raises(FileExistsError):
            hidden.publish("rows", held, "t", force=False)
        assert (tmp_path / "t").read_bytes() == b"new"
        hidden.publish("rows", held, "t", force=True)
        assert hidden.names() == []
    assert (tmp_path / "t").read_bytes() == b"newer"


def test_a_link_at_the_name_is_replaced_and_not_followed(held: Directory, tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "t").symlink_to("target")
    write(held, "rows", b"new")
    held.publish("rows", held, "t", force=True)
    assert not (tmp_path / "t").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"old"


def test_too_many_links(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(OSError, match="Too many levels"):
        Directory.hold(tmp_path / "loop")


@pytest.mark.parametrize("way", ["a/b", "a/../a/b", "./a//b/.", "link/b", "absolute/b"])
def test_paths_to_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "absolute").symlink_to(tmp_path / "a")
    write(Directory.hold(tmp_path / "a" / "b"), "x", b"")
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / way, Path(way)):
        with Directory.hold(path) as found:
            assert found.names() == ["x"]


@pytest.mark.skipif(os.geteuid() != 0, reason="the rule is root's")
def test_roots_rule_for_links(tmp_path: Path) -> None:
    """Another user's directory in between, with links that lead back to root's."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 61002, 61002)
    (tmp_path / "roots").mkdir()
    (theirs / "out").symlink_to(tmp_path / "roots")
    (theirs / "in").symlink_to(theirs)
    (tmp_path / "roots-link").symlink_to(theirs)
    for good in (theirs / "in", tmp_path / "roots-link", theirs / ".." / "roots"):
        Directory.hold(good).close()
    for bad in (theirs / "out", tmp_path / "roots-link" / "out", theirs / "in" / "out"):
        with pytest.raises(Unsafe) as refused:
            Directory.hold(bad)
        said = refused.value.strerror
        assert said == f"root does not follow {theirs / 'out'}, a link that another user can change"


def test_paths_work_without_directory_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setattr(directory, "HAS_DESCRIPTORS", False)
    monkeypatch.setattr(Directory, "create_nameless", lambda _: None)
    with Directory.hold(tmp_path) as found, NewFile(found, "t") as new:
        new.file.write(b"all")
        new.publish(force=False)
        with found.make("d") as made:
            write(made, "x", b"1")
            assert made.names() == ["x"]
    assert sorted(os.listdir(tmp_path)) == ["d", "t"]


@pytest.mark.parametrize("nameless", [True, False])
def test_a_taken_name(held: Directory, monkeypatch: pytest.MonkeyPatch, nameless: bool) -> None:
    if not nameless:
        monkeypatch.setattr(Directory, "create_nameless", lambda _: None)
    write(held, "t.parquet", b"old")
    with NewFile(held, "t.parquet") as new:
        new.file.write(b"new")
        name = new.publish_beside(force=False)
    assert sorted(held.names()) == sorted(["t.parquet", name])
    with held.reader(name) as file:
        assert file.read() == b"new"


@pytest.mark.parametrize(
    ("name", "pattern"), [("t.parquet", r"t-\w{8}\.parquet"), ("t", r"t-\w{8}"), (".t", r"\.t-\w{8}")]
)
def test_other_names(name: str, pattern: str) -> None:
    assert re.fullmatch(pattern, other_name(name))


@pytest.mark.parametrize("decoy", ["with files", "open to others", "another's"])
def test_a_directory_that_is_exchanged_as_soon_as_it_is_made(
    held: Directory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, decoy: str
) -> None:
    """Between mkdir(2) and open(2): what took its place is not used, and stays unchanged."""
    if decoy == "another's" and os.geteuid():
        pytest.skip("needs root, to give a directory away")
    (tmp_path / "decoy").mkdir(mode=0o700)
    if decoy == "with files":
        (tmp_path / "decoy" / "log").write_text("root's own")
    elif decoy == "open to others":
        (tmp_path / "decoy").chmod(0o777)
    else:
        os.chown(tmp_path / "decoy", 61002, 61002)
    make = os.mkdir

    def exchanged(name: str, mode: int, *, dir_fd: int) -> None:
        make(name, mode, dir_fd=dir_fd)
        os.rename(tmp_path / name, tmp_path / "aside")
        os.rename(tmp_path / "decoy", tmp_path / name)

    monkeypatch.setattr(os, "mkdir", exchanged)
    with pytest.raises(Unsafe, match="replaced by another"):
        held.make("hidden")
    assert os.listdir(tmp_path / "hidden") == (["log"] if decoy == "with files" else [])
