"""A word that a command names is the same word when it is typed."""

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmon.safe_text import ACTING, shell_command, shell_word

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=30)


def read_by_bash(words: str) -> list[bytes]:
    command = ["bash", "--norc", "-c", f"printf '%s\\0' {words}"]
    return subprocess.run(command, capture_output=True, check=True).stdout.split(b"\0")[:-1]


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_bash_reads_the_same_words(words: list[str]) -> None:
    command = shell_command(words)
    assert not ACTING.search(command)
    assert read_by_bash(command) == [word.encode() for word in words]


@pytest.mark.parametrize("name", [b"\x1b]0;x\x07", b"a\xff9", b"'\\\n", b"$(id)\x1b`id`", "\u202e".encode()])
def test_names_of_files_are_bytes(name: bytes) -> None:
    assert read_by_bash(shell_word(os.fsdecode(name))) == [name]


def test_plain_words_are_plain() -> None:
    assert [*map(shell_word, ["trace.parquet", "a b", "größe"])] == ["trace.parquet", "'a b'", "'größe'"]
