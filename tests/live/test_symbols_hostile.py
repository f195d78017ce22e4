"""Processes that want the resolver to read what they may not, to hang it or to end it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import stat
import struct
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sysmon.recorder.symbols import broker, files, perf_map, reader, turns, wire
from sysmon.recorder.symbols.resolver import ENDED, NO_ROOM, QUEUED, Resolved
from tests.live.oracles.symbols import (
    COMPILES,
    Running,
    answers,
    children,
    compiled,
    names,
    outstanding,
    readers_of,
    resolver,
    running,
)
from tests.live.recording import NOBODY, wait_for

pytestmark = pytest.mark.live

AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

LIBRARY = "int in_library(void) { return 1; }"

USES = """
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv) {
    printf("%p\\n", dlsym(dlopen(argv[1], RTLD_NOW), "in_library"));
    fflush(stdout);
    for (;;) pause();
}
"""


@pytest.fixture
def library(nobodys: Path) -> tuple[Path, Path]:
    """A program and a library, of root, in nobody's folder."""
    return compiled(nobodys / "uses", code=USES), compiled(nobodys / "library.so", "-shared", "-fPIC", code=LIBRARY)


def deleted(path: Path) -> Path:
    """Where its mappings say that a deleted file is: another may be there."""
    path.unlink()
    return path.with_name(path.name + " (deleted)")


def link(path: Path) -> None:
    there = shutil.copy(path, path.with_suffix(".copy"))
    deleted(path).symlink_to(there)


def fifo(path: Path) -> None:
    os.mkfifo(deleted(path))


def device(path: Path) -> None:
    os.mknod(deleted(path), 0o20666, os.makedev(5, 1))


def folder(path: Path) -> None:
    deleted(path).mkdir()


def copy(path: Path) -> None:
    content = path.read_bytes()
    deleted(path).write_bytes(content)


def of_another(path: Path) -> None:
    os.chown(path, 12345, 12345)


def unreadable(path: Path) -> None:
    os.chown(path, 0, 0)
    path.chmod(0o600)


@pytest.mark.parametrize(
    ("replace", "why"),
    [
        (link, "its file cannot be opened: Too many levels of symbolic links"),
        (fifo, files.REPLACED),
        (device, files.REPLACED),
        (folder, files.REPLACED),
        (copy, files.REPLACED),
        (Path.unlink, files.NOT_FOUND),
        (of_another, "its file belongs to another user"),
        (unreadable, "its file cannot be opened: Permission denied"),
    ],
)
def test_a_library_that_was_replaced(library: tuple[Path, Path], replace: Callable[[Path], None], why: str) -> None:
    program, mapped = library
    with running(program, str(mapped), **AS_NOBODY) as of, resolver() as asked:
        replace(mapped)
        [found] = answers(asked, of)
    assert (names([found]), [frame.module for frame in found.frames]) == ([why], [str(mapped)])


@pytest.mark.parametrize("of_nobody", [False, True])
def test_a_library_that_is_what_it_was(library: tuple[Path, Path], of_nobody: bool) -> None:
    program, mapped = library
    if of_nobody:
        os.chown(mapped, NOBODY, NOBODY)
    with running(program, str(mapped), **AS_NOBODY) as of, resolver() as asked:
        assert names(answers(asked, of)) == ["in_library"]


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR], ids=["fifo", "device", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, kind: int) -> None:
    """Whatever number it has: the terminal of this process would take it as its own if it were opened."""
    path = tmp_path / "it"
    path.mkdir() if kind == stat.S_IFDIR else os.mknod(path, kind | 0o666, os.makedev(5, 0))
    root = os.open("/", os.O_PATH)
    try:
        with pytest.raises(files.Refused, match="not a regular file"):
            files.Root(root, 0).mapped(os.fsencode(path), path.stat().st_ino)
    finally:
        os.close(root)


def test_no_link_is_followed_on_the_way(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    (there / "file").touch()
    (tmp_path / "link").symlink_to(there)
    root = os.open("/", os.O_PATH)
    try:
        os.close(files.Root(root, 0).mapped(os.fsencode(there / "file"), (there / "file").stat().st_ino))
        with pytest.raises(files.Refused, match="Too many levels of symbolic links"):
            files.Root(root, 0).mapped(os.fsencode(tmp_path / "link" / "file"), (there / "file").stat().st_ino)
    finally:
        os.close(root)


def damaged(path: Path, at: int, content: bytes) -> None:
    """Written by another descriptor: the mapping of a private, already read page may still be whole."""
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(content)


HUGE = (1 << 62).to_bytes(8, "little")


@pytest.mark.parametrize(
    "at",
    [0, 4, 0x20, 0x28, 0x36, 0x38, 0x3C, 0x3E],
    ids="magic class phoff shoff phentsize phnum shnum shstrndx".split(),
)
def test_a_library_whose_header_lies(library: tuple[Path, Path], at: int) -> None:
    program, mapped = library
    with running(program, str(mapped), **AS_NOBODY) as of, resolver() as asked:
        damaged(mapped, at, HUGE if at in (0x20, 0x28) else b"\xff\xff")
        [found] = answers(asked, of)
        assert found.frames[0].module == str(mapped)
        assert len(readers_of(asked)) == 1 and broker.CRASHED not in asked.failed


def test_sections_of_any_size(library: tuple[Path, Path]) -> None:
    program, mapped = library
    content = mapped.read_bytes()
    sections, size, number = (
        struct.unpack_from(f, content, at)[0] for f, at in (("<Q", 0x28), ("<H", 0x3A), ("<H", 0x3C))
    )
    with running(program, str(mapped), **AS_NOBODY) as of, resolver() as asked:
        for section in range(number):
            damaged(mapped, sections + section * size + 0x20, HUGE)
        [found] = answers(asked, of)
    assert names([found]) == ["its file cannot be read: damaged, or too large"]


@pytest.mark.parametrize("size", [0, 3, 63, 64, 500, 5000])
def test_a_library_cut_to(library: tuple[Path, Path], size: int) -> None:
    program, mapped = library
    with running(program, str(mapped), **AS_NOBODY) as of, resolver() as asked:
        os.truncate(mapped, size)
        [found] = answers(asked, of)
    assert (found.missing or "").startswith("its file cannot be read: ")


# -- perf maps


def compiled_code(folder: Path) -> Path:
    return compiled(folder / "jit", code=COMPILES)


def sparse(path: Path, _at: int) -> None:
    path.touch()
    os.truncate(path, 10 << 30)


def endless_line(path: Path, at: int) -> None:
    path.write_bytes(b"%x 40 first\n" % at + b"x" * (80 << 20))


def of_root(path: Path, at: int) -> None:
    path.write_bytes(b"%x 40 first\n" % at)


def of_another_user(path: Path, at: int) -> None:
    of_root(path, at)
    os.chown(path, 12345, 12345)


def a_link(path: Path, at: int) -> None:
    of_root(path.with_suffix(".there"), at)
    path.symlink_to(path.with_suffix(".there"))


def with_two_names(path: Path, at: int) -> None:
    of_root(path.with_suffix(".there"), at)
    os.link(path.with_suffix(".there"), path)


def a_fifo(path: Path, _at: int) -> None:
    os.mkfifo(path)


def numbers_of_any_size(path: Path, at: int) -> None:
    path.write_bytes(b"%x %s huge\n-5 7 negative\n%x 40 first\n" % (at - 4, b"f" * 3000, at))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (sparse, perf_map.ABSENT),
        (endless_line, "first"),
        (of_root, "first"),
        (of_another_user, perf_map.ABSENT),
        (a_link, perf_map.ABSENT),
        (with_two_names, perf_map.ABSENT),
        (a_fifo, perf_map.ABSENT),
        (numbers_of_any_size, "first"),
    ],
)
def test_what_may_lie_in_place_of_a_perf_map(nobodys: Path, written: Callable[[Path, int], None], says: str) -> None:
    with running(compiled_code(nobodys), **AS_NOBODY) as of, resolver() as asked:
        path = Path(f"/tmp/perf-{of.pid}.map")
        written(path, of.addresses[0])
        try:
            began = time.monotonic()
            assert names(answers(asked, of, of.addresses[0])) == [says]
            assert time.monotonic() - began < 5
        finally:
            for each in path.parent.glob(f"perf-{of.pid}.*"):
                each.unlink()


# -- readers that end, hang and lie


def test_a_reader_that_is_killed_costs_the_answer_that_it_owes(library: tuple[Path, Path]) -> None:
    program, mapped = library
    with running(program, str(mapped), **AS_NOBODY) as of, resolver() as asked:
        for _ in range(turns.RESTARTS + 1):
            assert names(answers(asked, of)) == ["in_library"]
            [pid] = readers_of(asked).values()
            os.kill(pid, signal.SIGSTOP)
            asked.ask(of.pid, of.start, of.uid, [of.addresses[0] + 1])
            asked.poll()
            os.kill(pid, signal.SIGKILL)
            assert names(outstanding(asked, of, of.addresses[0] + 1)) == [broker.CRASHED]
        assert names(answers(asked, of)) == [broker.GIVEN_UP]
        with running(program, str(mapped)) as others:
            assert names(answers(asked, others)) == ["in_library"]


def test_a_reader_that_hangs_is_ended(library: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "ANSWER_S", 0.5)
    program, mapped = library
    with running(program, str(mapped), **AS_NOBODY) as of, running(program, str(mapped)) as others, resolver() as asked:
        assert names(answers(asked, of)) == ["in_library"]
        [pid] = readers_of(asked).values()
        os.kill(pid, signal.SIGSTOP)
        asked.ask(of.pid, of.start, of.uid, of.addresses)
        asked.poll()
        assert names(answers(asked, others)) == ["in_library"]  # meanwhile others are not kept waiting
        assert names(outstanding(asked, of, *of.addresses)) == [broker.TOO_SLOW]
        assert names(answers(asked, of)) == ["in_library"]
        assert pid not in readers_of(asked).values()


HOGS = range(50_001, 50_001 + broker.READERS)
"""As many users as there are readers."""

serve = reader.serve


def leaves_all(sock: socket.socket) -> None:
    """Puts each question off, and takes long over it then."""
    while message := sock.recv(wire.MESSAGE_BYTES):
        if message == wire.GO_ON:
            time.sleep(0.8 * broker.ANSWER_S)
        sock.send(wire.DONE if message == wire.GO_ON else wire.LATER)


def is_slow(sock: socket.socket) -> None:
    """Takes nearly as long as it may over each question."""
    while sock.recv(wire.MESSAGE_BYTES):
        time.sleep(0.8 * broker.ANSWER_S)
        sock.send(wire.DONE)


@pytest.mark.parametrize("hog", [leaves_all, is_slow])
def test_users_who_keep_all_readers_busy(
    nobodys: Path, library: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, hog: Callable[[socket.socket], None]
) -> None:
    """Another user has a reader when one of them has had its time, and then for all that waits."""
    monkeypatch.setattr(broker, "ANSWER_S", 0.6)
    monkeypatch.setattr(reader, "serve", lambda sock: (hog if os.getuid() in HOGS else serve)(sock))
    nobodys.chmod(0o755)
    each = 20
    with contextlib.ExitStack() as stack:
        asked = stack.enter_context(resolver())
        hogs = [stack.enter_context(running(*map(str, library), user=uid, group=uid, extra_groups=[])) for uid in HOGS]
        of = stack.enter_context(running(*map(str, library), **AS_NOBODY))
        for further in range(each):
            for one in hogs:
                asked.ask(one.pid, one.start, one.uid, [further])
            asked.poll()
        wait_for(lambda: (asked.poll(), readers_of(asked).keys() == set(HOGS))[1], 5)
        for address in range(of.addresses[0], of.addresses[0] + 5):
            asked.ask(of.pid, of.start, of.uid, [address])
            asked.poll()
        answered: Counter[int] = Counter()
        wait_for(lambda: (answered.update(each.pid for each in asked.poll()), answered[of.pid] == 5)[1], 20)
    assert max(answered[one.pid] for one in hogs) < 5


def test_each_group_of_a_user_has_a_reader(library: tuple[Path, Path]) -> None:
    program, mapped = library
    with (
        running(program, str(mapped), **AS_NOBODY) as of,
        running(program, str(mapped), **AS_NOBODY | {"group": 12345}) as other,
        resolver() as asked,
    ):
        told = [(names(answers(asked, each)), children(asked)) for each in (of, other, of, other)]
    assert [said for said, _ in told] == [["in_library"]] * 4
    assert len(told[0][1]) == 1 and len(told[1][1]) == 2 and told[1][1] == told[2][1] == told[3][1]


def test_a_broker_that_is_killed_ends_all(library: tuple[Path, Path]) -> None:
    program, mapped = library
    with running(program, str(mapped)) as of, resolver() as asked:
        assert names(answers(asked, of)) == ["in_library"]
        [pid] = readers_of(asked).values()
        os.kill(asked.pid, signal.SIGSTOP)
        asked.ask(of.pid, of.start, of.uid, of.addresses)
        asked.poll()
        os.kill(asked.pid, signal.SIGKILL)
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), 5)
        wait_for(lambda: (asked.poll(), asked.failed)[1], 5)
        assert asked.failed == {ENDED: 1}
        asked.ask(of.pid, of.start, of.uid, of.addresses)
        assert asked.failed == {ENDED: 2}


def test_what_takes_long_waits_for_what_does_not(nobodys: Path, library: tuple[Path, Path]) -> None:
    """Debug information is read when nothing else is asked of a user's processes."""
    pytest.importorskip("symbolic")
    debugged, (program, mapped) = (
        compiled(nobodys / "debugged", "-g", "-O0", code=USES.replace("main", "work") + MAIN),
        library,
    )
    with (
        running(debugged, **AS_NOBODY) as slow, running(program, str(mapped), **AS_NOBODY) as fast,
        resolver() as asked,
    ):  # fmt: skip
        asked.ask(slow.pid, slow.start, slow.uid, slow.addresses)
        asked.ask(fast.pid, fast.start, fast.uid, fast.addresses)
        found: list[Resolved] = []
        wait_for(lambda: (found.extend(asked.poll()), len(found) >= 2)[1], 10)
    assert [(each.pid, names([each])) for each in found] == [(fast.pid, ["in_library"]), (slow.pid, ["work"])]
    assert found[1].frames[0].line


MAIN = """
int main(void) { printf("%p\\n", (void *)work); fflush(stdout); for (;;) pause(); }
"""


def test_a_process_of_another_user_than_was_said(library: tuple[Path, Path]) -> None:
    program, mapped = library
    with running(program, str(mapped)) as of, resolver() as asked:
        said = Running(of.pid, of.start, NOBODY, of.addresses)
        assert names(answers(asked, said)) == [broker.OTHER_USER] and not readers_of(asked)


def test_a_process_that_ends_meanwhile(library: tuple[Path, Path]) -> None:
    program, mapped = library
    with resolver() as asked:
        for _ in range(20):
            with running(program, str(mapped)) as of:
                asked.ask(of.pid, of.start, of.uid, of.addresses)
                told = asked.poll()
            [found] = told or outstanding(asked, of, *of.addresses)
            assert names([found])[0] in ("in_library", reader.ENDED, files.NOT_FOUND), found


def test_more_questions_than_it_takes(library: tuple[Path, Path]) -> None:
    program, mapped = library
    with running(program, str(mapped)) as of, resolver() as asked:
        asked.ask(of.pid, of.start, of.uid, range(1, 70_001))
        assert asked.failed == {NO_ROOM: 70_000 - QUEUED // 2}
        found, until = 0, time.monotonic() + 60
        while found < QUEUED // 2 and time.monotonic() < until:
            found += len(asked.poll())
        assert found == QUEUED // 2
        assert names(answers(asked, of)) == ["in_library"]
