"""Files that commands write: complete or absent, and never replacing another unasked."""

import os
from pathlib import Path

import pytest

from sysmon.bpf.trace_file.atomic import new_file
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import CannotWrite


def test_a_file_has_its_name_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with new_file(path, force=False) as file:
        file.write(b"all")
        assert not path.exists()
    assert path.read_bytes() == b"all"
    assert os.listdir(tmp_path) == ["page.html"]
    assert path.stat().st_mode & 0o777 == 0o600


def write_half(path: Path, force: bool) -> None:
    with new_file(path, force=force) as file:
        file.write(b"half")
        raise ZeroDivisionError


@pytest.mark.parametrize("force", [False, True])
def test_half_a_file_is_removed(force: bool, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        write_half(tmp_path / "page.html", force)
    assert os.listdir(tmp_path) == []


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(CannotWrite, match="--force"), new_file(path, force=False):
        raise AssertionError
    assert path.read_text() == "old"
    with new_file(path, force=True) as file:
        file.write(b"new")
    assert path.read_text() == "new"


def test_an_old_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        write_half(path, force=True)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_file_created_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with pytest.raises(CannotWrite, match="now exists"), new_file(path, force=False):
        path.write_text("of another")
    assert path.read_text() == "of another"
    assert os.listdir(tmp_path) == ["page.html"]


@pytest.mark.parametrize("force", [False, True])
def test_without_nameless_files_and_hard_links_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, force: bool
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Directory, "create_nameless", lambda _: None)
    monkeypatch.setattr(os, "link", refuse)
    with new_file(tmp_path / "page.html", force=force) as file:
        file.write(b"all")
    assert os.listdir(tmp_path) == ["page.html"]
    with pytest.raises(CannotWrite, match="exists"), new_file(tmp_path / "page.html", force=False):
        raise AssertionError


def test_a_file_created_meanwhile_stays_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Directory, "create_nameless", lambda _: None)
    monkeypatch.delattr(os, "link")
    with pytest.raises(CannotWrite, match="now exists"), new_file(tmp_path / "page.html", force=False):
        (tmp_path / "page.html").write_text("of another")
    assert os.listdir(tmp_path) == ["page.html"]
    assert (tmp_path / "page.html").read_text() == "of another"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is a directory"),
        ("no/such/page.html", "No such file"),
        ("x" * 300, "name too long"),
        ("nul\0", "cannot contain NUL"),
        ("\x1b[31m/page.html", r"\\x1b"),
    ],
)
def test_places_where_no_file_can_be_written(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match=said) as raised, new_file(tmp_path / name, force=True):
        raise AssertionError
    assert "\n" not in str(raised.value)


def test_no_device_is_replaced() -> None:
    with pytest.raises(CannotWrite, match="regular"), new_file(Path("/dev/null"), force=True):
        raise AssertionError
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    def write() -> None:
        with new_file(tmp_path / "page.html", force=False) as file, open("/dev/full", "wb") as full:
            os.dup2(full.fileno(), file.fileno())
            file.write(b"x" * 100_000)

    with pytest.raises(CannotWrite, match="No space left"):
        write()
    assert os.listdir(tmp_path) == []
