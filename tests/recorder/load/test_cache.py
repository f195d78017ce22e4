"""Compiled programs are found again, and nothing else is."""

import base64
import json
import os
from pathlib import Path

import numpy as np
import pytest

from sysmon.recorder.load import cache, compiled
from sysmon.recorder.load.cache import Cache


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_what_is_kept_is_found(kept: Cache) -> None:
    assert kept.find("aa") is None
    kept.keep("aa", b"programs")
    kept.keep("bb", b"others")
    assert (kept.find("aa"), kept.find("bb"), kept.find("cc")) == (b"programs", b"others", None)
    assert (kept.folder / "aa").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("damage", [b"", b"x", b"programs", b"\0" * 100])
def test_a_damaged_file_is_none(kept: Cache, damage: bytes) -> None:
    kept.keep("aa", b"programs")
    (kept.folder / "aa").write_bytes(damage)
    assert kept.find("aa") is None


def test_a_file_that_is_cut_short_is_none(kept: Cache) -> None:
    kept.keep("aa", b"programs")
    whole = (kept.folder / "aa").read_bytes()
    for length in range(len(whole)):
        (kept.folder / "aa").write_bytes(whole[:length])
        assert kept.find("aa") is None


def test_a_folder_that_others_may_write_to_is_not_used(kept: Cache) -> None:
    kept.keep("aa", b"programs")
    kept.folder.chmod(0o775)
    assert kept.find("aa") is None
    kept.keep("bb", b"others")
    assert not (kept.folder / "bb").exists()


def test_a_link_to_a_folder_is_not_used(kept: Cache, tmp_path: Path) -> None:
    kept.keep("aa", b"programs")
    kept.folder.rename(tmp_path / "elsewhere")
    kept.folder.symlink_to(tmp_path / "elsewhere")
    assert kept.find("aa") is None


def test_the_least_recently_used_are_removed(kept: Cache) -> None:
    for n in range(cache.FILES):
        kept.keep(f"{n:x}", b"programs")
        os.utime(kept.folder / f"{n:x}", (n, n))
    assert kept.find("0")  # so it was used last
    kept.keep("ff", b"new")
    assert kept.find("0") and kept.find("ff") and kept.find("1") is None
    assert len(list(kept.folder.iterdir())) == cache.FILES


def test_a_cache_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    nowhere = Cache(tmp_path / "no" / "such")
    nowhere.keep("aa", b"programs")
    assert nowhere.find("aa") is None


def test_other_users_files_are_ignored(kept: Cache, tmp_path: Path) -> None:
    kept.keep("aa", b"programs")
    (kept.folder / "aa").rename(tmp_path / "elsewhere")
    (kept.folder / "aa").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(kept.folder / "bb")
    (kept.folder / "cc").mkdir()
    kept.keep("dd", b"programs")
    (kept.folder / "dd").chmod(0o666)
    assert [kept.find(key) for key in ("aa", "bb", "cc", "dd")] == [None] * 4


def test_a_file_that_is_damaged_by_its_maker_is_compiled_anew() -> None:
    code = np.array([(0x18, 0x11, 0, 7), (0, 0, 0, 0)], compiled.INSTRUCTION).tobytes()
    text = {"bcc": "0", "maps": [], "programs": {"on_exit": base64.b64encode(code).decode()}}
    with pytest.raises(ValueError, match="not the answer of a compiler"):
        compiled.Compiled.parse(json.dumps(text).encode())
