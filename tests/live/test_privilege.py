"""The few privileges that recording needs, and the few of root's that it keeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

import sysmon
from sysmon.recorder.own import capabilities
from tests.live.recording import NOBODY, SYSMON, Trace, python, recording, start, wait_for

pytestmark = pytest.mark.live

PTRACE, ADMIN, READ_ALL, KILL, PERFMON = (
    1 << capabilities.CAPABILITIES[name]
    for name in ("CAP_SYS_PTRACE", "CAP_SYS_ADMIN", "CAP_DAC_READ_SEARCH", "CAP_KILL", "CAP_PERFMON")
)

CHANGE_USER = 1 << capabilities.CAPABILITIES["CAP_SETUID"] | 1 << capabilities.CAPABILITIES["CAP_SETGID"]
"""Other threads have these two until the recorder becomes another user."""


def states(process: int) -> list[dict[str, str]]:
    """/proc/PID/task/TID/status of all its threads."""
    tasks = [path.read_text() for path in Path(f"/proc/{process}/task").glob("*/status")]
    return [dict(line.split(":\t", 1) for line in text.splitlines()) for text in tasks]


def children(process: int) -> list[int]:
    """Child processes of its first thread."""
    return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def comm(process: int) -> str:
    """Its name."""
    return Path(f"/proc/{process}/comm").read_text().rstrip()


def has_dropped(process: int) -> bool:
    """Whether the main thread has dropped what it does not need."""
    return Path(f"/proc/{process}/status").read_text().count("NoNewPrivs:\t1") == 1


def assert_only(process: int, allowed: int, uid: int = 0, was_root: bool = True) -> None:
    """No thread of the process has, or can get, any other capability.

    A process that was not root cannot lower the bounding set; but without new privileges no file grants anything.
    """
    for state in states(process):
        for which in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
            assert int(state[which], 16) & ~allowed == 0, state
        if was_root:
            assert int(state["CapBnd"], 16) & ~(allowed | CHANGE_USER) == 0, state
        assert state["NoNewPrivs"] == "1"
        assert state["Uid"].split() == [str(uid)] * 4


def as_nobody(*capabilities: str) -> list[str]:
    """Command prefix that runs it as another user with only these capabilities."""
    given = ",".join(f"+{name}" for name in capabilities)
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    sets = [f"--{which}=-all,{given}" for which in ("inh-caps", "ambient-caps", "bounding-set")]
    return ["setpriv", *user, *sets, "--"]


def readable() -> tuple[str, ...]:
    """What a user also needs if this checkout, or its Python, is readable only by root."""
    tried = subprocess.run([*as_nobody("bpf"), "/usr/bin/test", "-x", sys.executable], check=False)
    return ("dac_read_search",) if tried.returncode else ()


def outside(query: str) -> list[tuple[object, ...]]:
    """The result without sysmon."""
    return duckdb.sql(query).fetchall()


def runs_measured(path: Path) -> bool:
    """Whether a running recording has already measured its programs' runs."""
    with sysmon.open(path) as trace:
        return bool(trace.sql("SELECT 1 FROM overhead WHERE part = 'on_sys_exit' LIMIT 1").fetchall())


def test_root_keeps_only_what_recording_needs(tmp_path: Path) -> None:
    """And the trace has everything: losses, cost, paths and memory of other users' processes."""
    path = tmp_path / "t.parquet"
    sleeper = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "/bin/sleep", "60"]
    with subprocess.Popen(sleeper) as other:
        try:
            wait_for(lambda: os.readlink(f"/proc/{other.pid}/exe").endswith("/sleep"))
            exe = os.readlink(f"/proc/{other.pid}/exe")
            with recording(path) as running:
                wait_for(lambda: has_dropped(running.process.pid))
                assert_only(running.process.pid, PTRACE | READ_ALL)
                stats, pss = children(running.process.pid)
                wait_for(lambda: has_dropped(pss))
                assert_only(pss, PTRACE)
                wait_for(lambda: has_dropped(stats))
                assert_only(stats, ADMIN)
                wait_for(lambda: runs_measured(path))
            assert not any(Path(f"/proc/{child}").exists() for child in (pss, stats))
            for edge in ("start", "end"):
                query = f"SELECT path FROM '{path}' WHERE kind = 'process' AND pid = {other.pid} AND edge = '{edge}'"
                assert outside(query) == [(exe,)]
            assert running.one(f"SELECT count(*) FROM memory WHERE pid = {other.pid}") >= 1
            assert running.one("SELECT sum(runs) FROM overhead WHERE part = 'on_sys_exit'") > 0
            assert "not measured: process" not in running.output
        finally:
            other.kill()


def test_the_compiler_of_root_has_what_loading_needs(tmp_path: Path) -> None:
    allowed = sum(
        1 << capabilities.CAPABILITIES[name] for name in ("CAP_BPF", "CAP_DAC_READ_SEARCH", "CAP_SYS_RESOURCE")
    )
    never_before = ["--max-rate", str(100_000 + time.time_ns() % 100_000_000)]
    command = [SYSMON, "record", "-o", str(tmp_path / "t.parquet"), "--duration", "0.2", *never_before]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        seen = []
        while process.poll() is None:
            for child in children(process.pid):
                try:
                    if b"compiler.py" in Path(f"/proc/{child}/cmdline").read_bytes() and has_dropped(child):
                        seen.append(child)
                        assert_only(child, allowed)
                except (FileNotFoundError, ProcessLookupError):  # it has just ended
                    continue
            time.sleep(0.01)
        assert process.returncode == 0
    assert seen


def test_a_command_has_all_that_sysmon_had(tmp_path: Path) -> None:
    show = ["grep", "-E", "^(Uid|Gid|Groups|Cap|NoNewPrivs)", "/proc/self/status"]
    alone = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    command = [SYSMON, "record", "-o", str(tmp_path / "t.parquet"), "--", *show]
    env = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    assert subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout == alone


@pytest.mark.parametrize("kinds", ["samples", "off_cpu,waits"])
def test_a_command_inherits_no_descriptor(tmp_path: Path, kinds: str) -> None:
    show = ["ls", "/proc/self/fd"]
    alone = subprocess.run(show, capture_output=True, text=True, check=True).stdout
    command = [SYSMON, "record", "-o", str(tmp_path / "t.parquet"), "--with", kinds, "--", *show]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == alone


def test_a_recording_with_stacks_keeps_no_more(nobodys: Path) -> None:
    """Of the user behind sudo, whose recorder can neither open clocks nor see the kernel's addresses any more."""
    path = nobodys / "t.parquet"
    env = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    with recording(path, "--with", "samples,off_cpu", env=env) as running:
        wait_for(lambda: has_dropped(running.process.pid))
        assert_only(running.process.pid, PTRACE | READ_ALL, NOBODY)
        wait_for(lambda: len(children(running.process.pid)) == 4)
        wait_for(lambda: all(map(has_dropped, children(running.process.pid))))
        broker, stats, clocks, pss = children(running.process.pid)
        assert_only(broker, PTRACE | CHANGE_USER | KILL)
        assert_only(stats, ADMIN)
        assert_only(clocks, PERFMON)
        assert_only(pss, PTRACE, NOBODY)
        code = "import os, time\nend = time.thread_time() + 0.5\nwhile time.thread_time() < end: os.stat('/')"
        process = python(code)
        assert process.wait() == 0
    assert not any(Path(f"/proc/{child}").exists() for child in (broker, stats, clocks, pss))
    names = f"SELECT module, function FROM report.hot_functions WHERE pid = {process.pid}"
    assert running.one(f"SELECT count(*) FROM ({names}) WHERE module = 'kernel' AND function LIKE '%stat%'")
    assert running.one(f"SELECT count(*) FROM ({names}) WHERE module LIKE '%python%'")


def test_the_trace_belongs_to_the_user_behind_sudo(nobodys: Path) -> None:
    """That user cannot write everywhere, so neither can the recorder; and it ends a command of root's."""
    path = nobodys / "t.parquet"
    env = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    running = start(path, "--", "sleep", "60", env=env)
    try:
        wait_for(lambda: has_dropped(running.process.pid))
        assert_only(running.process.pid, PTRACE | READ_ALL | KILL, NOBODY)
        wait_for(lambda: all(map(has_dropped, children(running.process.pid)[:2])))
        stats, pss = children(running.process.pid)[:2]
        assert_only(pss, PTRACE, NOBODY)
        assert_only(stats, ADMIN)
        (partial,) = nobodys.glob(".*")
        for made in (partial, *partial.iterdir()):
            assert (made.stat().st_uid, made.stat().st_gid, made.stat().st_mode & 0o077) == (NOBODY, NOBODY, 0)
        wait_for(lambda: any(comm(child) == "sleep" for child in children(running.process.pid)))
    finally:
        status = running.stop(signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert (path.stat().st_uid, path.stat().st_gid, path.stat().st_mode & 0o777) == (NOBODY, NOBODY, 0o600)
    assert os.listdir(nobodys) == ["t.parquet"]
    assert running.one("SELECT signal FROM exits WHERE comm = 'sleep'") == signal.SIGTERM


def test_a_flight_recorder_of_the_user_behind_sudo(nobodys: Path) -> None:
    """Its parts are begun after it has become the user."""
    path = nobodys / "t.parquet"
    env = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    with recording(path, "--keep-last", "4s", "--duration", "5", env=env) as running:
        running.process.wait(60)
    assert path.stat().st_uid == NOBODY
    assert os.listdir(nobodys) == ["t.parquet"]


def test_a_trace_where_the_sudo_user_may_not_write_stays_roots(tmp_path: Path) -> None:
    """Otherwise sysmon under sudo would be a way to own files in root's directories."""
    roots = tmp_path / "roots"
    roots.mkdir(0o755)
    env = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    with recording(roots / "t.parquet", "--duration", "1", env=env):
        assert {made.stat().st_uid for made in roots.rglob(".*")} == {0}
    assert (roots / "t.parquet").stat().st_uid == 0
    assert os.listdir(roots) == ["t.parquet"]


def test_a_users_link_to_where_they_may_not_write_is_not_followed(tmp_path: Path, nobodys: Path) -> None:
    """Otherwise it would be a way to have root create files there."""
    roots = tmp_path / "roots"
    roots.mkdir(0o755)
    (nobodys / "link").symlink_to(roots)
    env = {**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
    done = subprocess.run(
        [SYSMON, "record", "-o", nobodys / "link" / "t.parquet", "--duration", "1"],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"root does not follow {nobodys / 'link'}, a link that another user can change" in done.stderr
    assert os.listdir(roots) == []


def test_a_user_with_two_capabilities_records(nobodys: Path) -> None:
    """What the user may not know is NULL, and reported in the recording and in the trace."""
    path = nobodys / "t.parquet"
    before = python("import time; time.sleep(60)")
    counted = 23
    try:
        code = f"import os, sys\nfor _ in range({counted}): os.getsid(0)"
        command = [*as_nobody("bpf", "perfmon", *readable()), str(SYSMON), "record", "-o", str(path), "--duration", "4"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/") as process:
            assert process.stderr
            assert process.stderr.readline().startswith("recording to")
            wait_for(lambda: has_dropped(process.pid))
            assert_only(process.pid, READ_ALL if readable() else 0, NOBODY, was_root=False)
            worker = python(code)
            worker.wait()
            said = process.stderr.read()
            assert process.wait() == 0, said
    finally:
        before.kill()
        before.wait()
    trace = Trace(path, said)
    trace.assert_calls(f"SELECT sum(calls) FROM syscall_stats WHERE pid = {worker.pid} AND syscall = 'getsid'", counted)
    wanted = f"SELECT path, argv[1] FROM '{path}' WHERE kind = 'process' AND pid = {before.pid}"
    assert outside(wanted)[0] == (None, sys.executable)
    assert trace.one(f"SELECT count(*) FROM memory WHERE pid = {before.pid}") >= 1
    assert trace.rows("SELECT DISTINCT part FROM overhead") == [("recorder",)]
    for words in ("process.path: at either end, of other users' processes: needs CAP_SYS_PTRACE", "overhead: of prog"):
        assert f"not measured: {words}" in said
    info = subprocess.run([SYSMON, "info", str(path)], capture_output=True, text=True, check=True).stdout
    assert "CAP_SYS_PTRACE" in info


def test_a_user_follows_a_command(nobodys: Path) -> None:
    path = nobodys / "t.parquet"
    command = [*as_nobody("bpf", "perfmon", *readable()), str(SYSMON), "record", "-o", str(path), "--", "/bin/sh", "-c"]
    done = subprocess.run([*command, "/bin/true; exit 7"], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 7, done.stderr
    assert Trace(path).rows("SELECT exit_code FROM exits ORDER BY ts") == [(0,), (7,)]


@pytest.mark.parametrize("lacking", ["bpf", "perfmon"])
def test_missing_capabilities_are_reported_with_the_remedy(nobodys: Path, lacking: str) -> None:
    """So two capabilities are the minimum."""
    left = {"bpf": "perfmon", "perfmon": "bpf"}[lacking]
    caller = as_nobody(left, *readable())
    done = subprocess.run(
        [*caller, str(SYSMON), "record", "-o", str(nobodys / "t")], capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 1
    assert f"CAP_{lacking.upper()} is missing" in done.stderr
    done = subprocess.run([*caller, str(SYSMON), "doctor"], capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    assert f"CAP_{lacking.upper()} is missing" in done.stdout
    assert "sudo setpriv --reuid 65534" in done.stdout
