"""`sysmon live`: what its processes may do, what they do when one of them ends, and that nothing is left of them."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sysmon
from sysmon.bpf.trace_file.metadata import CUT_OFF
from sysmon.live.places import NAME, Places
from tests.live.recording import NOBODY, SYSMON, busy, wait_for

pytestmark = pytest.mark.live

VIEWER = """
import fcntl, json, os, socket, sys, time
from sysmon.analyze.viewer import show

def comes_of(deed):
    try:
        deed()
    except OSError as error:
        return type(error).__name__
    return "done"

def files():
    found = {}
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and os.path.lexists(f"/proc/self/fd/{fd}"):
            name = os.path.basename(os.readlink(f"/proc/self/fd/{fd}")).split(":")[0]
            found[name] = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    return found

def may():
    with open("/proc/self/status") as status:
        said = {name: text.strip() for name, _, text in (line.partition(":") for line in status)}
    with open("/proc/self/limits") as limits:
        core = next(line.split()[4] for line in limits if line.startswith("Max core"))
    return {
        "status": said, "core": core,
        "files": files(),
        "shadow": comes_of(lambda: open("/etc/shadow")), "home": comes_of(lambda: open(home)),
        "tmp": comes_of(lambda: open("/tmp/of-a-viewer", "w")), "fork": comes_of(os.fork),
        "socket": comes_of(lambda: socket.socket(socket.AF_UNIX)), "kill": comes_of(lambda: os.kill(os.getppid(), 0)),
        "scratch": comes_of(lambda: open(os.path.join(os.environ["TMPDIR"], "file"), "w").close()),
    }

def counts(trace, window):
    query = "SELECT kind, count(*) FROM unfiltered.stored WHERE EPOCH_NS(ts) >= {} AND EPOCH_NS(ts) < {} GROUP BY kind"
    found = dict(trace.own(query.format(*window)).fetchall())
    return {kind: found[kind] for kind in ("exec", "exit", "fork", "open", "syscall_stats", "cpu")}

def look(session, view):
    print(json.dumps(may()), flush=True)
    with session.open() as trace:
        edges = []
        while len(edges) < 4:
            time.sleep(0.1)
            trace.refresh()
            edges = trace.own("SELECT DISTINCT EPOCH_NS(ts) FROM unfiltered.clocks ORDER BY 1").fetchall()
        session.mark("deploy 42")
        window = edges[1][0] + 1, edges[3][0] + 1
        saved = session.save(*window)
        print(json.dumps({"saved": saved, "window": window, "counts": counts(trace, window)}), flush=True)
        session.end()
        while trace.metadata["stopped_by"] == "not yet":
            time.sleep(0.1)
            trace.refresh()
        rows = trace.own("SELECT count(*) FROM unfiltered.trace").fetchall()[0][0]
        marks = trace.sql("SELECT text FROM marks").fetchall()
        print(json.dumps({"stopped_by": trace.metadata["stopped_by"], "rows": rows, "marks": marks}), flush=True)

def lie_to_writer(session, view):
    session._saver._socket.send(b"anything else")
    time.sleep(60)

def lie_to_recorder(session, view):
    session._client._socket.send(b"anything else")
    time.sleep(60)

home = sys.argv[1]
show.show = globals()[sys.argv.pop(2)]
sys.argv[:] = ["viewer", *sys.argv[2:]]
from sysmon.cli import main
main()
"""


@pytest.fixture(autouse=True)
def _one_at_a_time(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each looks for what is left of it on the whole machine, so workers take turns."""
    with (tmp_path_factory.getbasetemp().parent / "live.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(autouse=True)
def _nothing_is_left(_one_at_a_time: None) -> Iterator[None]:
    """No process, no directory, no socket."""
    yield
    wait_for(lambda: not launched(), 30)
    assert not [name for name in os.listdir("/var/tmp") if NAME.fullmatch(name)]
    assert not [name for name in os.listdir("/run/sysmon/0") if name.startswith(("viewed.parquet", "live.parquet"))]


def launched() -> list[int]:
    """Processes of `sysmon live`, by what they were started with."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            words = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
            if b"--interval" in words and b"0.21" in words:
                found.append(int(pid))
    return found


def of_user(launcher: int, uid: int) -> list[int]:
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    return [int(pid) for pid in children if Path(f"/proc/{pid}").stat().st_uid == uid]


def uid_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("Uid:\t")[1].split("\t")[0])


def something() -> contextlib.AbstractContextManager[None]:
    """Happens, and leaves the CPUs to those who look."""
    return busy(1, pause_s=0.02)


def start(*arguments: str | Path, code: str = "", **popen: object) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", code] if code else [SYSMON]
    return subprocess.Popen(
        [*program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **popen
    )  # type: ignore[call-overload, no-any-return]


EVENTS = ("--events", "exec,exit", "--interval", "0.21")


def test_a_viewer_may_look_and_ask_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    path = tmp_path / "viewed.parquet"
    with something():
        live = start(tmp_path / "mine", "look", "live", "-o", path, *EVENTS, code=VIEWER)
        output, errors = live.communicate(timeout=120)
    assert live.returncode == 0, errors
    may, saved, ended = map(json.loads, output.splitlines())
    status = may.pop("status")
    assert status["Uid"].split() == [str(NOBODY)] * 4 and not status["Groups"].strip()
    assert {int(status[f"Cap{which}"], 16) for which in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    assert may.pop("files") == {
        "socket": os.O_RDWR, **dict.fromkeys(("rows", "log", "journal.0", "journal.1"), os.O_RDONLY)
    }  # fmt: skip
    assert may == {
        "core": "0", "shadow": "PermissionError", "home": "PermissionError", "tmp": "PermissionError",
        "fork": "PermissionError", "socket": "PermissionError", "kill": "PermissionError", "scratch": "done",
    }  # fmt: skip
    with sysmon.open(tmp_path / saved["saved"]) as part:
        assert part.metadata["started_ns"] == saved["window"][0]
        for kind, count in saved["counts"].items():
            ((found,),) = part.own(f"SELECT count(*) FROM unfiltered.stored WHERE kind = '{kind}'").fetchall()
            assert count and found == count, kind
    with sysmon.open(path) as whole:
        ((rows,),) = whole.own("SELECT count(*) FROM unfiltered.trace").fetchall()
        assert ended == {"stopped_by": whole.metadata["stopped_by"], "rows": rows, "marks": [["deploy 42"]]}
    assert f"wrote {path}" in errors


@pytest.mark.parametrize("lie", ["lie_to_writer", "lie_to_recorder"])
def test_a_viewer_that_says_anything_else_is_ended(tmp_path: Path, lie: str) -> None:
    live = start(tmp_path, lie, "live", *EVENTS, code=VIEWER, cwd=tmp_path)
    _output, errors = live.communicate(timeout=120)
    assert live.returncode == 128 + signal.SIGKILL and "the viewer was killed" in errors
    assert not list(tmp_path.iterdir())


def viewer_of(launcher: int) -> int:
    found: list[int] = []
    wait_for(lambda: found.extend(pid for pid in launched() if uid_of(pid) == NOBODY) or found)
    return found[0]


def test_a_recording_outlives_its_viewer_and_its_launcher(tmp_path: Path) -> None:
    path = tmp_path / "viewed.parquet"
    live = start("record", "--live", "events", "-o", path, "--interval", "0.21")
    assert live.stdout and live.stderr
    with live.stdout, live.stderr, something():
        assert "event" in live.stdout.readline()
        os.kill(viewer_of(live.pid), signal.SIGKILL)
        assert live.stderr.readline() == "the viewer was killed by signal 9\n"
        assert live.stderr.readline() == "the recording goes on; Ctrl-C ends it\n"
        live.kill()
        live.wait()
        wait_for(path.exists, 60)
    with sysmon.open(path) as trace:
        assert trace.metadata["stopped_by"] == "signal"
    wait_for(lambda: not launched(), 60)
    assert any(map(NAME.fullmatch, os.listdir("/var/tmp")))
    Places().remove()  # the next one removes what that one left


def test_a_viewer_outlives_its_recorder(tmp_path: Path) -> None:
    path = tmp_path / "killed.parquet"
    live = start("live", "-o", path, *EVENTS, stdin=subprocess.DEVNULL)
    assert live.stdout
    with something():
        assert "event" in live.stdout.readline()
        recorder = min(pid for pid in launched() if os.getpgid(pid) == pid)
        os.kill(recorder, signal.SIGKILL)
        _output, errors = live.communicate(timeout=120)
    assert live.returncode == 128 + signal.SIGKILL
    assert errors.startswith("the recorder was killed by signal 9: this is what there is; `sysmon repair ")
    with sysmon.open(path) as trace:
        assert trace.metadata["stopped_by"] == CUT_OFF


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_all(tmp_path: Path, number: int) -> None:
    live = start("live", *EVENTS, cwd=tmp_path)
    assert live.stdout
    with something():
        assert "event" in live.stdout.readline()
        live.send_signal(number)
        live.communicate(timeout=120)
    assert live.returncode == 128 + number and not list(tmp_path.iterdir())
