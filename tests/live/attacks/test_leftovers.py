"""Forged leftovers of an interrupted recording: root reads them, or says in one line why not."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import sysmon
from sysmon.analyze.edit.repair import make_whole
from sysmon.bpf.trace_file import journal, partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import SysmonError
from tests.fuzz import seeds
from tests.live.attacks.stage import MALLORY, OTHER, TRIES, Stage, stage
from tests.live.recording import SYSMON

pytestmark = pytest.mark.live

SECONDS, BYTES = 20.0, 3 << 30
"""Limits for a command; a third of the address space is the libraries' own."""


@pytest.fixture(scope="module")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeds.cut_off(tmp_path_factory.mktemp("seed"))


@pytest.fixture
def scene() -> Iterator[Stage]:
    with stage() as found:
        yield found


def planted(scene: Stage, seed: Path, user: int = MALLORY) -> Path:
    """A copy of the leftovers, in the attacker's directory and owned by the attacker."""
    made = scene.theirs / ".t.parquet.abcdef01.partial"
    shutil.copytree(seed, made)
    made.chmod(0o755)
    for file in made.iterdir():
        file.chmod(0o644)
    scene.give(made, user)
    return made


def instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)
    if path.is_symlink() or not path.is_dir():
        os.chown(path, MALLORY, MALLORY, follow_symlinks=False)


def links_to(scene: Stage) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(scene.victim)


def sparse(path: Path) -> None:
    os.truncate(path, 20 << 30)


def frames_of(path: Path, change: Callable[[list[tuple[bytes, bytes]]], list[tuple[bytes, bytes]]]) -> None:
    found = change(list(journal.frames(path.read_bytes())))
    path.write_bytes(b"".join(journal.frame(kind, content) for kind, content in found))


def commits(path: Path, change: Callable[[dict[str, object]], dict[str, object]]) -> None:
    frames_of(
        path,
        lambda found: [
            (kind, json.dumps(change(json.loads(content))).encode() if kind == journal.COMMIT else content)
            for kind, content in found
        ],
    )


GROUP = json.dumps({"begin": 4, "end": 4, "crc": 0, "rows": {"cpu": 1}}).encode()


def journal_of(made: Path) -> Path:
    """The journal in use."""
    commit = [content for kind, content in journal.frames((made / partial.LOG).read_bytes()) if kind == journal.COMMIT]
    return made / partial.JOURNALS[json.loads(commit[-1])["journal"]]


def bomb(path: Path) -> None:
    """A few kB that become 2 GB: a text of one megabyte, referenced by every row through a dictionary."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 2000, pa.int32()), pa.array(["x" * (1 << 20)]))
    sink = pa.BufferOutputStream()
    schema = pa.schema([("comm", column.type)])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
    kind, head, content = journal.BATCH, journal.BATCH_HEAD.pack(1, 0, b"exec"), sink.getvalue().to_pybytes()
    path.write_bytes(journal.frame(kind, head + content))


def compressed(path: Path) -> None:
    """A megabyte that claims to become gigabytes, and does."""
    sink = pa.BufferOutputStream()
    schema = pa.schema([("comm", pa.string())])
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays([pa.array(["x" * (1 << 30)])], schema=schema))
    head = journal.BATCH_HEAD.pack(1, 0, b"exec")
    path.write_bytes(journal.frame(journal.BATCH, head + sink.getvalue().to_pybytes()))


def planted_losses(path: Path) -> None:
    loss = {"cause": "\x1b[2J", "place": "\x1b]0;title\x07", "lost": 5}
    commits(path, lambda c: {**c, "changes": {**c["changes"], "losses": [loss]}})  # type: ignore[dict-item]


FILES = (partial.ROWS, partial.LOG, *partial.JOURNALS)

REFUSED: dict[str, Callable[[Stage, Path], object]] = {
    **{f"{name} is a link": lambda s, made, name=name: instead(made / name, links_to(s)) for name in FILES[:2]},
    **{f"{name} is a FIFO": lambda s, made, name=name: instead(made / name, os.mkfifo) for name in FILES[:2]},
    "the journal is a link": lambda s, made: instead(journal_of(made), links_to(s)),
    "the journal is a FIFO": lambda s, made: instead(journal_of(made), os.mkfifo),
    "rows is a second name": lambda s, made: instead(made / "rows", lambda p: os.link(s.victim, p)),
    "rows is root's": lambda s, made: os.chown(made / "rows", 0, 0),
    "log is another user's": lambda s, made: os.chown(made / "log", OTHER, OTHER),
    "the journal is endless": lambda s, made: instead(journal_of(made), lambda p: p.symlink_to("/dev/zero")),
    "a log of 20 GB": lambda s, made: sparse(made / "log"),
    "a journal of 20 GB": lambda s, made: sparse(journal_of(made)),
    "a million row groups": lambda s, made: frames_of(
        made / "log", lambda found: [*found[:-1], *[(journal.GROUP, GROUP)] * 1_000_000, found[-1]]
    ),
    "rows without end": lambda s, made: commits(made / "log", lambda c: {**c, "rows": {"cpu": 10**30}}),
    "a journal before the first": lambda s, made: commits(made / "log", lambda c: {**c, "journal": -1}),
    "a text in every row": lambda s, made: bomb(journal_of(made)),
    "a compressed gigabyte": lambda s, made: compressed(journal_of(made)),
}  # fmt: skip
"""Damage that is refused, with one line."""

ENDURED: dict[str, Callable[[Stage, Path], object]] = {
    "rows of 20 GB": lambda s, made: sparse(made / "rows"),
    "losses that repaint the terminal": lambda s, made: planted_losses(made / "log"),
    "nothing is wrong": lambda s, made: None,
}
"""Damage that can be repaired."""


def ran(*args: object) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))

    return subprocess.run(
        [SYSMON, *map(str, args)], capture_output=True, text=True, timeout=SECONDS, check=False, preexec_fn=limit
    )


def assert_tidy(done: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in done.stderr, done.stderr
    assert not set(done.stdout + done.stderr) & {"\x1b", "\x07", "\x9b"}


@pytest.mark.parametrize("damage", REFUSED.values(), ids=REFUSED)
def test_damaged_leftovers_are_refused_with_one_line(scene: Stage, seed: Path, damage: object) -> None:
    made = planted(scene, seed)
    assert callable(damage)
    damage(scene, made)
    before = scene.roots()
    for command in (("report", scene.theirs / "t.parquet", "cpu"), ("repair", scene.theirs / "t.parquet")):
        done = ran(*command)
        assert_tidy(done)
        assert done.returncode == 1, done.stdout
        assert len(done.stderr.strip().splitlines()) == 1
        assert "wrote" not in done.stdout
    assert scene.roots() == before
    assert sorted(os.listdir(scene.theirs)) == [made.name]


@pytest.mark.parametrize("damage", ENDURED.values(), ids=ENDURED)
def test_another_users_leftovers_are_copied_and_stay(scene: Stage, seed: Path, damage: object) -> None:
    made = planted(scene, seed)
    assert callable(damage)
    damage(scene, made)
    before = scene.roots()
    done = ran("repair", scene.theirs / "t.parquet")
    assert_tidy(done)
    assert done.returncode == 0, done.stderr
    assert scene.roots() == before
    assert os.listdir(scene.theirs) == ["t.parquet"]
    assert (scene.theirs / "t.parquet").stat().st_uid == MALLORY
    assert_tidy(ran("report", scene.theirs / "t.parquet"))
    sysmon.open(scene.theirs / "t.parquet").close()


def test_a_copy_for_reading_is_limited_to_two_gigabytes(scene: Stage, seed: Path) -> None:
    sparse(planted(scene, seed) / "rows")
    done = ran("report", scene.theirs / "t.parquet", "cpu")
    assert done.returncode == 1
    assert "is too large to copy for reading; `sysmon repair" in done.stderr


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_becomes_a_link_during_repair(scene: Stage, seed: Path, name: str) -> None:
    """The attacker repeatedly exchanges a file for a link to one of root's during the repair."""
    before = scene.roots()
    for _ in range(TRIES):
        made = planted(scene, seed)
        (scene.theirs / "link").symlink_to(scene.victim)
        scene.give(scene.theirs)
        with scene.attacker("exchange", made / name, scene.theirs / "link"), contextlib.suppress(SysmonError):
            make_whole(scene.theirs / "t.parquet", None, force=True)
        assert scene.roots() == before
        for path in scene.theirs.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def test_roots_own_directory_is_completed_in_place(scene: Stage, seed: Path) -> None:
    made = scene.rooms / ".t.parquet.abcdef01.partial"
    shutil.copytree(seed, made)
    inode = (made / "rows").stat().st_ino
    make_whole(made, scene.rooms / "whole.parquet", force=False)
    assert (scene.rooms / "whole.parquet").stat().st_ino == inode
    assert not made.exists()


def test_a_directory_that_others_may_write_to_is_copied(scene: Stage, seed: Path) -> None:
    made = scene.rooms / ".t.parquet.abcdef01.partial"
    shutil.copytree(seed, made)
    made.chmod(0o777)
    inode = (made / "rows").stat().st_ino
    make_whole(made, scene.rooms / "whole.parquet", force=False)
    assert (scene.rooms / "whole.parquet").stat().st_ino != inode
    assert (scene.rooms / "whole.parquet").stat().st_uid == 0


def test_another_user_reads_what_they_can_open(scene: Stage, seed: Path) -> None:
    """The rule about owners is for root: whoever may read a file may read a copy of it."""
    made = planted(scene, seed, user=OTHER)
    sysmon.open(made).close()  # imports everything: the user may not be able to read our modules
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setgid(MALLORY)
            os.setgroups([])
            os.setuid(MALLORY)
            with sysmon.open(made) as trace:
                status = int(not trace.metadata["rows"]["cpu"])
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_leftovers_of_a_removal_are_swept(scene: Stage, seed: Path) -> None:
    """A recorder was killed while it removed a part, or right after it created its directory."""
    going = scene.rooms / ".t2.parquet.abcdef01-000001.removed"
    going.mkdir(mode=0o700)
    (going / "journal.0").touch()
    begun = scene.rooms / ".t2.parquet.abcdef02.partial"
    begun.mkdir(mode=0o700)
    (begun / "rows").touch()
    os.utime(begun, (0, 0))
    done = ran("repair", scene.rooms / "t2.parquet")
    assert done.returncode == 2
    assert "its remains are removed" in done.stderr
    assert not going.exists()
    assert not begun.exists()
    with Directory.hold(scene.rooms) as rooms:
        assert partial.sweep(rooms, "t2.parquet") == 0


def test_root_sweeps_nothing_where_another_user_controls_the_names(scene: Stage, seed: Path) -> None:
    """In their own directory, users can rename a directory of root's, though not look into it."""
    private = scene.theirs / ".t.parquet.11111111.removed"
    private.mkdir(mode=0o700)
    for name in ("log", "rows", "keep"):
        (private / name).write_text("root's own")
    recording = scene.theirs / ".t.parquet.22222222.removed"
    shutil.copytree(seed, recording)
    recording.chmod(0o700)
    before = {path: sorted(os.listdir(path)) for path in (private, recording)}
    ran("repair", scene.theirs / "t.parquet")
    ran("record", "--duration", "0.2", "-o", scene.theirs / "t.parquet")
    assert {path: sorted(os.listdir(path)) for path in (private, recording)} == before


def test_a_completed_file_is_private_to_its_owner(scene: Stage, seed: Path) -> None:
    made = scene.rooms / ".w.parquet.abcdef01.partial"
    shutil.copytree(seed, made)
    for path in made.iterdir():
        path.chmod(0o644)
    make_whole(scene.rooms / "w.parquet", None, force=False)
    assert (scene.rooms / "w.parquet").stat().st_mode & 0o777 == 0o600


def test_leftovers_without_rows_are_repaired(scene: Stage, seed: Path) -> None:
    made = scene.rooms / ".w.parquet.abcdef01.partial"
    shutil.copytree(seed, made)
    (made / "rows").unlink()
    done = ran("repair", scene.rooms / "w.parquet")
    assert done.returncode == 0, done.stderr
    assert "damaged" in done.stdout


def test_a_failed_removal_can_be_repeated(scene: Stage, seed: Path) -> None:
    made = scene.rooms / ".w.parquet.abcdef01.partial"
    shutil.copytree(seed, made)
    made.chmod(0o700)
    (made / "another").touch()
    make_whole(scene.rooms / "w.parquet", None, force=False)
    left = scene.rooms / ".w.parquet.abcdef01.removed"
    assert os.listdir(left) == ["another"]
    (left / "another").unlink()
    with Directory.hold(scene.rooms) as rooms:
        assert partial.sweep(rooms, "w.parquet") == 1
    assert not left.exists()
