"""Recordings are marked, followed and ended by those who may, and by nobody else."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sysmon
from sysmon.bpf.control import messages, places
from sysmon.bpf.control.client import Client, NoAnswer, PartFiles, RequestRefused
from sysmon.bpf.control.messages import Reason, Wanted
from tests.live.recording import NOBODY, SYSMON, Recording, recording, start, wait_for
from tests.live.test_privilege import as_nobody

pytestmark = pytest.mark.live

AS_SUDO = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}

OWNER = as_nobody("dac_read_search")
"""The checkout may be root's alone; what belongs to others in /run/sysmon is not looked at."""

TRESPASSER = """
import os, sys
from sysmon.bpf.control.client import Client, RequestRefused
try: Client.connect(os.open(sys.argv[1], os.O_RDONLY), sys.argv[2]).mark(b"mine")
except RequestRefused as refused: print(refused.reason.name)
"""


def mark(*words: str | bytes, how: list[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs it; nothing is ever on standard output, and at most a line on standard error."""
    done = subprocess.run(
        [*(how or []), SYSMON, "mark", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "" and done.stderr.count("\n") == (done.returncode != 0), done.stderr
    return done


@contextlib.contextmanager
def client(name: str) -> Iterator[Client]:
    """A client of root's recording of this name."""
    with places.sockets(0) as found:
        (place,) = [place for place in found if place.name == name]
        with place.connect() as connected:
            yield connected


def killed(running: Recording) -> None:
    """Ends it, unless it has ended."""
    if running.status is None:
        running.process.kill()
        running.stop()


def marks_in(of: Path) -> list[tuple[str, int]]:
    with sysmon.open(of) as trace:
        return trace.sql("SELECT text, uid FROM marks ORDER BY ts").fetchall()


def parts_until(kind: type[messages.PartGone | messages.Ended], of: Client) -> list[int]:
    """Waits for news of this kind. The numbers of the parts that came until then."""
    numbers = []
    while not isinstance(news := of.poll(60), kind):
        if isinstance(news, PartFiles):
            numbers.append(news.number)
            news.close()
        assert news, "waited in vain"
    return numbers


@pytest.fixture
def both(tmp_path: Path, nobodys: Path) -> Iterator[tuple[Recording, Recording, Client]]:
    """Root's recording; a flight recorder of another user behind sudo, and the client that it was started with."""
    token = secrets.token_hex(4)
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    of_root = start(tmp_path / f"a-{token}.parquet", "--only", "exec", "--interval", "0.2")
    of_other = start(
        nobodys / f"b-{token}.parquet", "--only", "exec", "--keep-last", "4s", "--control-fd", str(theirs.fileno()),
        env=AS_SUDO, pass_fds=[theirs.fileno()],
    )  # fmt: skip
    theirs.close()
    with Client(mine) as viewer:
        yield of_root, of_other, viewer
    for running in (of_root, of_other):
        killed(running)


def test_marks_of_those_who_may(both: tuple[Recording, Recording, Client]) -> None:
    """Root's are in either; the flight recorder has those of the user behind sudo, who then ends it."""
    of_root, of_other, viewer = both
    a, b = of_root.path.name, of_other.path.name
    viewer.attach()
    several = mark("deploy")
    assert several.returncode == 2 and a in several.stderr and b in several.stderr and "--to" in several.stderr
    for words, said in (
        (("--to", a, "of others"), f"no recording named {a} runs that this user may mark; there is {b}"),
        (("x" * 201,), "longer than 200 bytes"),
        ((b"a\xff",), "not UTF-8"),
    ):
        refused = mark(*words, how=OWNER)
        assert refused.returncode == 1 and said in refused.stderr, refused.stderr
    trespassing = [*as_nobody("dac_override", "dac_read_search"), sys.executable, "-c", TRESPASSER, "/run/sysmon/0", a]
    assert subprocess.run(trespassing, capture_output=True, text=True, check=True).stdout == "NOT_PERMITTED\n"
    numbers = parts_until(messages.PartGone, viewer)
    assert len(numbers) > 2 and numbers == list(range(1, len(numbers) + 1))
    assert mark("deploy", "42", "--to", a).returncode == 0
    assert mark("as its owner", how=OWNER).returncode == 0
    assert mark("--to", f"{NOBODY}/{b}", "\x1b[2J\nacts\u202e").returncode == 0
    viewer.end()
    parts_until(messages.Ended, viewer)
    assert of_other.process.wait(60) == 0 and of_other.stop() == 0, of_other.output
    assert marks_in(of_other.path) == [("as its owner", NOBODY), ("[2J acts", 0)]
    assert of_root.stop() == 0 and marks_in(of_root.path) == [("deploy 42", 0)]
    assert not {a, b} & {name for uid in ("0", str(NOBODY)) for name in os.listdir(places.RUN / uid)}


def test_nobody_holds_the_recorder_up(tmp_path: Path) -> None:
    """And what a killed one leaves is replaced."""
    name = f"c-{secrets.token_hex(4)}.parquet"
    (tmp_path / "other").mkdir()
    running = start(tmp_path / name, "--only", "exec", "--interval", "0.2")
    try:
        with client(name) as deaf, client(name) as garbled, client(name) as viewer:
            viewer.attach(Wanted.EVENTS)
            part = viewer.poll(60)
            assert isinstance(part, PartFiles)
            with contextlib.suppress(OSError):
                for _ in range(10_000):
                    deaf._socket.send(messages.Attach(Wanted.SNAPSHOTS).packed())
            garbled._socket.send(b"MARK me")
            wait_for(lambda: is_closed(garbled))
            time.sleep(1)  # no mark was made, and so ten may be
            began, made, lost = time.monotonic(), 0, 0
            while made + lost < 13:
                refused = refusal(viewer, b"many")
                assert refused in (None, Reason.TOO_MANY_MARKS)
                made += refused is None
                lost += refused is not None
            assert made == 10 or time.monotonic() - began > 1
            wait_for(lambda: b"too many marks" in os.pread(part.log, 1 << 20, 0))
            time.sleep(1)
            assert min(seconds_until_it_is_readable(viewer, part) for _ in range(3)) < 0.5
            part.close()
        assert f"for `sysmon mark` it is {name}-2" in short(tmp_path / "other" / name)
    finally:
        killed(running)
    assert "sysmon mark" not in short(tmp_path / "other" / name, "--force")
    assert not [left for left in os.listdir(places.RUN / "0") if left.startswith(name)]
    assert [text for text, _uid in marks_in(tmp_path / name)].count("many") == made
    with sysmon.open(tmp_path / name) as trace:
        losses = trace.sql("SELECT sum(lost) FROM losses WHERE cause = 'too many marks' AND place = 'mark'").fetchall()
    assert losses == [(lost,)]


def seconds_until_it_is_readable(viewer: Client, part: PartFiles) -> float:
    """From a mark to when it is committed, as one who reads the journal sees it."""
    text = secrets.token_hex(8).encode()
    began = time.monotonic()
    viewer.mark(text)
    wait_for(lambda: any(text in os.pread(journal, 4 << 20, 0) for journal in part.journals))
    return time.monotonic() - began


def refusal(of: Client, text: bytes) -> Reason | None:
    """Why a mark is not made; None if it is."""
    try:
        of.mark(text)
    except RequestRefused as refused:
        return refused.reason
    return None


def is_closed(of: Client) -> bool:
    try:
        of.poll()
    except NoAnswer:
        return True
    return False


def short(path: Path, *options: str) -> str:
    """What a recording says that ends at once."""
    with recording(path, "--only", "exec", *options) as running:
        pass
    return running.output
