"""The command `record`: how it starts, how it stops, and what it leaves behind."""

import contextlib
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import sysmon
from sysmon.bpf.trace_file import schema
from tests.live.recording import SYSMON, ShortLives, Trace, python, record_command, recording, start, wait_for

pytestmark = pytest.mark.live


def session(leader: int) -> set[int]:
    """The remaining processes of a session."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rpartition(")")[2].split()[3]) == leader:
                found.add(int(path.parent.name))
    return found


def failing(*args: str, **popen: object) -> tuple[int, str]:
    """Exit status and the one-line message of a `sysmon record` that must fail."""
    done = subprocess.run([SYSMON, "record", *args], capture_output=True, text=True, timeout=60, check=False, **popen)  # type: ignore[call-overload]
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.rstrip("\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_a_whole_file(tmp_path: Path, number: int) -> None:
    running = start(tmp_path / "t.parquet", "--interval", "30")
    process = python("import os\nfor _ in range(1009): os.getppid()")
    assert process.wait() == 0
    assert running.stop(number) == 0, running.output
    # No snapshot was due before the signal: the last one is the final one.
    assert (
        running.one(f"SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid' AND pid = {process.pid}") == 1009
    )
    assert [e for (e,) in running.rows("SELECT event FROM clocks ORDER BY ts")] == ["start", "end"]
    with sysmon.open(running.path) as trace:
        assert trace.metadata["stopped_by"] == "signal"
    assert os.listdir(tmp_path) == ["t.parquet"]
    assert f"wrote {running.path}" in running.output
    assert f"sysmon report {running.path}" in running.output.splitlines()[-1]


def test_duration_ends_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [SYSMON, "record", "--duration", "1.5", "--interval", "0.5", "-o", str(tmp_path / "t.parquet")],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["recording", "wrote", "the", "next:"]
    assert "\x1b" not in done.stderr and "\r" not in done.stderr, "nothing lives where there is no terminal"
    with sysmon.open(tmp_path / "t.parquet") as trace:
        assert trace.metadata["stopped_by"] == "duration"
        assert 1.5 <= (trace.metadata["ended_ns"] - trace.metadata["started_ns"]) / 1e9 < 3
        events = [e for (e,) in trace.sql("SELECT event FROM clocks ORDER BY ts").fetchall()]
    assert events[0] == "start" and events[-1] == "end" and events.count("snapshot") >= 2


def test_the_status_of_the_command_is_passed_on(tmp_path: Path) -> None:
    for i, (script, status) in enumerate([("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)]):
        r = record_command(tmp_path / f"{i}.parquet", "sh", "-c", script)
        assert r.status == status
        with sysmon.open(r.path) as trace:
            assert trace.metadata["stopped_by"] == "command"
            assert trace.metadata["command_status"] == status


def test_the_command_keeps_its_files_and_signals(tmp_path: Path) -> None:
    command = ["sh", "-c", "grep SigIgn /proc/self/status; nice; ls /proc/self/fd | tr '\\n' ' '; tr a-z A-Z"]
    run = {"input": "words\n", "capture_output": True, "text": True, "timeout": 60, "check": True}
    plain = subprocess.run(command, **run)  # type: ignore[call-overload]
    recorded = subprocess.run([SYSMON, "record", "-o", str(tmp_path / "t.parquet"), "--", *command], **run)  # type: ignore[call-overload]
    assert recorded.stdout == plain.stdout
    assert plain.stdout.endswith("WORDS\n")


def test_the_command_continues_after_the_duration(tmp_path: Path) -> None:
    running = start(tmp_path / "t.parquet", "--duration", "1", "--", "sleep", "60")
    assert running.process.stderr
    said = next(line for line in running.process.stderr if "still running: pid" in line)
    assert running.process.wait(60) == 0
    pid = int(said.split("still running: pid ")[1].split()[0])
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    os.kill(pid, signal.SIGKILL)
    running.stop()  # its output is read to the end, now that the command no longer holds it open
    assert running.opened.metadata["command_status"] is None
    assert running.rows("SELECT edge, syscall FROM syscalls_in_flight") == [("end", "clock_nanosleep")]


def test_it_says_what_it_waits_for_when_the_command_has_ended(tmp_path: Path) -> None:
    r = record_command(tmp_path / "t.parquet", "sh", "-c", "sleep 6 & exit 3")
    assert r.status == 3
    (said,) = (line for line in r.output.splitlines() if "the command has ended" in line)
    assert re.search(r"it started sleep \(pid \d+\): recording until it ends, or Ctrl-C$", said)
    assert record_command(tmp_path / "u.parquet", "sh", "-c", "sleep 1").output.count("has ended") == 0


def test_it_ends_when_the_chosen_process_does(tmp_path: Path) -> None:
    process = python("input(); raise SystemExit(3)", stdin=subprocess.PIPE)
    running = start(tmp_path / "t.parquet", "--pid", str(process.pid))
    process.communicate("\n")
    assert process.returncode == 3
    running.process.wait(30)
    assert running.stop() == 0
    assert running.rows("SELECT pid, exit_code FROM exits") == [(process.pid, 3)]


def test_it_ends_if_the_chosen_process_ended_before_the_start(tmp_path: Path) -> None:
    process = python("input()", stdin=subprocess.PIPE)
    recorder = subprocess.Popen([SYSMON, "record", "-o", tmp_path / "t.parquet", "--pid", str(process.pid)])
    wait_for(lambda: os.listdir(tmp_path))  # it has seen the process, and is loading the programs
    process.communicate("\n")
    assert recorder.wait(60) == 0
    assert os.listdir(tmp_path) == ["t.parquet"]


def test_a_map_that_fills_is_read_early(tmp_path: Path) -> None:
    # 1,000 processes per snapshot with about 40 cells each; nothing may be lost.
    with recording(tmp_path / "t.parquet", "--interval", "60") as r:
        loop = "i=0; while [ $i -lt 1500 ]; do /bin/true; i=$((i+1)); done"
        subprocess.run(["/bin/sh", "-c", loop], check=True)
    r.assert_nothing_lost()
    assert r.one("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'execve' AND bucket IS NOT NULL") >= 1500
    assert r.one("SELECT count(*) FROM clocks WHERE event = 'snapshot'") >= 1


def test_the_recorder_stays_small(short_lives: ShortLives) -> None:
    r = short_lives.trace
    memory = [rss for (rss,) in r.rows("SELECT rss_bytes FROM overhead WHERE part = 'recorder' ORDER BY ts")]
    snapshots = r.one("SELECT count(*) FROM clocks WHERE event = 'snapshot'")
    assert len(memory) == snapshots + 2, "measured at every snapshot, at the end, and after what is left to do then"
    assert max(memory) < 100_000_000
    programs = r.rows("SELECT part, sum(runs), sum(run_ns) FROM overhead WHERE part <> 'recorder' GROUP BY part")
    assert {part for part, _runs, _ns in programs} >= {"on_sys_enter", "on_sys_exit", "on_sched_switch"}
    assert all(runs > 0 and ns > 0 for part, runs, ns in programs if part.startswith("on_sys_"))
    # Every /bin/true opens files. The kernel counts no runs of tail calls, which must not be shown as idle.
    assert "on_open" not in {part for part, _runs, _ns in programs}


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """No process, and so no program or map: each belongs to a process, as tests of what is left in the kernel show."""
    running = start(tmp_path / "t.parquet", start_new_session=True)
    assert len(session(running.process.pid)) > 1, "the oracle sees its children"
    assert running.stop() == 0
    assert session(running.process.pid) == set()
    mode = (tmp_path / "t.parquet").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600, "a trace holds the command lines of every user"


def test_the_file_explains_itself(of_true: Trace) -> None:
    file = pq.ParquetFile(of_true.path)
    assert file.schema_arrow.remove_metadata().equals(schema.wide().remove_metadata())
    assert all(file.schema_arrow.field(c.name).metadata[b"doc"] == c.doc.encode() for c in schema.all_columns())
    kinds = [file.metadata.row_group(i).column(0).statistics for i in range(file.num_row_groups)]
    assert sum(kind.min != kind.max for kind in kinds) == 1, "what is left of each kind shares one row group"
    said = of_true.opened.metadata
    assert said["host"]["kernel"] == os.uname().release
    assert all(probe["attached"] for probe in said["probes"])
    assert said["started_ns"] < said["ended_ns"]
    assert abs(said["ended_ns"] - of_true.path.stat().st_mtime_ns) < 60 * 10**9


def test_timestamps_are_the_wall_clock(tmp_path: Path) -> None:
    before = time.time_ns()
    with recording(tmp_path / "t.parquet") as r:
        process = python("pass")
        process.wait()
    after = time.time_ns()
    (fork, exit_) = r.rows(
        f"SELECT epoch_ns(f.ts), epoch_ns(e.ts) FROM forks f JOIN exits e USING (pid, start) WHERE pid = {process.pid}"
    )[0]
    assert before < fork < exit_ < after


def test_a_status_line_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [SYSMON, "record", "--duration", "2", "--interval", "0.5", "-o", str(tmp_path / "t.parquet")],
        stderr=theirs, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.wait() == 0
    assert b"s left" in shown and b"rows" in shown and b"nothing lost" in shown


def test_an_existing_file_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    out.write_text("mine")
    assert failing("-o", str(out)) == (
        1,
        f"sysmon: {out} exists: choose another name with -o, or overwrite it with --force",
    )
    assert out.read_text() == "mine"
    subprocess.run([SYSMON, "record", "--force", "-o", str(out), "--", "/bin/true"], check=True, timeout=60)
    assert out.read_bytes()[:4] == b"PAR1"
    assert os.listdir(tmp_path) == ["t.parquet"]


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    running = start(out)
    out.write_text("theirs")
    assert running.stop() == 1
    assert out.read_text() == "theirs"
    (kept,) = (p for p in tmp_path.iterdir() if p != out)
    assert str(kept) in running.output
    assert kept.read_bytes()[-4:] == b"PAR1"


def test_bad_requests_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    out = str(tmp_path / "t.parquet")
    for args, status, words in [
        (["-o", "/no/such/place/t.parquet"], 1, "cannot write in /no/such/place: No such file or directory"),
        (["-o", str(tmp_path)], 1, "is a directory: name a file with -o"),
        (["-o", "/dev/null", "--force"], 1, "/dev/null is not a regular file"),
        (["-o", str(tmp_path / ("n" * 300))], 1, "File name too long"),
        (["-o", out, "--duration", "nan"], 2, "nan is not a number of seconds"),
        (["-o", out, "--interval", "inf"], 2, "inf is not a number of seconds"),
        (["-o", out, "--pid", "4194303"], 2, "there is no process with pid 4194303"),
        (["-o", out, "--", "no-such-command"], 127, "no such command: no-such-command"),
        (["-o", out, "--", "/etc/passwd"], 126, "/etc/passwd is not an executable program"),
        (["-o", out, "--"], 2, "-- must be followed by a command"),
        (["-o", out, "--pid", "1", "--", "true"], 2, "COMMAND chooses what is recorded: leave out --pid"),
    ]:
        got, line = failing(*args)
        assert got == status, line
        assert line.startswith("sysmon: ") and words in line and "\n" not in line
    assert os.listdir(tmp_path) == []


def test_without_privilege_it_says_what_to_type(tmp_path: Path) -> None:
    code = (
        "import os, sys; os.setgroups([])\n"
        "import sysmon.cli, sysmon.commands, sysmon.recorder.commands.record, sysmon.recorder.own.privilege\n"
        "os.setgid(65534); os.setuid(65534); sys.argv[1:] = ['record', '-o', sys.argv[1]]; sysmon.cli.main()"
    )
    tmp_path.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "t.parquet")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sysmon: recording needs root: run it with sudo")
    assert done.stderr.count("\n") == 1


def test_a_header_in_the_working_directory_is_not_compiled(tmp_path: Path) -> None:
    (tmp_path / "linux").mkdir()
    for name in ("types.h", "version.h", "kconfig.h"):
        (tmp_path / "linux" / name).write_text("#error from the working directory\n")
    (tmp_path / "json.py").write_text("raise SystemExit('imported from the working directory')")
    done = subprocess.run(
        [SYSMON, "record", "-o", "t.parquet", "--", "/bin/true"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_signal_to_the_recorder_alone_reaches_the_command(tmp_path: Path) -> None:
    # A terminal sends Ctrl-C to both, `kill` only to its target.
    running = start(tmp_path / "t.parquet", "--", "sleep", "60")
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children")
    wait_for(lambda: "sleep\n" in [Path(f"/proc/{pid}/comm").read_text() for pid in children.read_text().split()])
    assert running.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    assert running.rows("SELECT comm, signal FROM exits") == [("sleep", signal.SIGTERM)]


def test_calls_that_seccomp_refuses_are_counted_as_such(tmp_path: Path) -> None:
    # A filter that refuses getppid with EPERM: load the number; equal? refuse : allow.
    number = {"x86_64": 110}.get(os.uname().machine, 173)
    code = f"""
import ctypes, os, struct
program = b"".join(struct.pack("<HBBI", *i) for i in
    [(0x20, 0, 0, 0), (0x15, 0, 1, {number}), (6, 0, 0, 0x00050001), (6, 0, 0, 0x7fff0000)])
filter = ctypes.create_string_buffer(program)
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("<HxxxxxxQ", 4, ctypes.addressof(filter)), 0, 0) == 0
for _ in range(503): libc.getppid()
for _ in range(307): os.getuid()
"""
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code)
    assert r.one("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getuid'") >= 307
    assert r.rows("SELECT cause, place, sum(lost) FROM losses GROUP BY ALL") == [("refused", "syscall_stats", 503)]


def test_a_followed_command_starts_when_recording_does(of_true: Trace) -> None:
    r = of_true
    ((lifetime, since_exec, began),) = r.rows(
        "SELECT e.lifetime_ns, epoch_ns(e.ts) - epoch_ns(x.ts), e.start FROM exits e JOIN execs x USING (pid, start)"
    )
    assert 0 < since_exec < lifetime
    # Its process was created when everything was attached, not before; `start` is in ticks of 10 ms.
    said = r.opened.metadata
    assert said["started_ns"] - said["clock_offset_ns"] < began + 10_000_000


def test_nohup_is_respected(tmp_path: Path) -> None:
    running = start(tmp_path / "t.parquet", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    running.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    assert running.process.poll() is None
    assert running.stop() == 0


def test_a_standard_error_that_nobody_reads_does_no_harm(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [SYSMON, "record", "--duration", "0.3", "-o", tmp_path / "t.parquet"]
        done = subprocess.run(command, stderr=full, timeout=60, check=False)
    assert done.returncode == 0
    with sysmon.open(tmp_path / "t.parquet") as trace:
        assert trace.metadata["stopped_by"] == "duration"


def test_an_early_sigterm_leaves_nothing(tmp_path: Path) -> None:
    process = subprocess.Popen([SYSMON, "record", "-o", tmp_path / "t.parquet"], stderr=subprocess.DEVNULL)
    wait_for(lambda: os.listdir(tmp_path))  # the programs are being loaded
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 128 + signal.SIGTERM
    assert os.listdir(tmp_path) == []


def test_what_runs_once_it_has_said_so_is_recorded(tmp_path: Path) -> None:
    """--ready-fd and NOTIFY_SOCKET, so that a script need not guess when recording has begun."""
    out, into = os.pipe()
    path, socket_path = tmp_path / "t.parquet", tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(socket_path))
        manager.settimeout(30)
        environment = {**os.environ, "NOTIFY_SOCKET": str(socket_path)}
        options = ("--only", "exec", "--ready-fd", str(into))
        with recording(path, *options, pass_fds=[into], env=environment) as trace:
            os.close(into)
            with os.fdopen(out, "rb") as told:
                assert told.readline() == b"ready\n"
            true = subprocess.Popen(["true"])
            true.wait()
            assert manager.recv(100) == b"READY=1"
    assert trace.one(f"SELECT count(*) FROM execs WHERE pid = {true.pid}") == 1


def test_the_whole_machine_for_as_long_as_a_command_runs(tmp_path: Path) -> None:
    """Its processes can be told from others, also one whose parent has ended; what outlives it is not waited for."""
    path = tmp_path / "t.parquet"
    other = python("import os, time\nwhile True: os.getppid(); time.sleep(0.01)")
    script = "sh -c 'sleep 0.2 & exec true'; sleep 30 >/dev/null 2>&1 & echo $!; sleep 0.5; exit 7"
    try:
        done = subprocess.run(
            [SYSMON, "record", "-a", "-o", path, "--", "sh", "-c", script],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        os.kill(int(done.stdout), signal.SIGKILL)
    finally:
        other.kill()
        other.wait()
    assert done.returncode == 7, done.stderr
    assert "until the command has ended" in done.stderr
    trace = Trace(path)
    assert trace.one(f"SELECT sum(calls) FROM syscall_stats WHERE pid = {other.pid}") > 10
    with sysmon.open(path, command=True) as command:
        found = command.sql("SELECT comm, count(*) FROM processes GROUP BY comm").fetchall()
        assert command.sql(f"SELECT count(*) FROM syscall_stats WHERE pid = {other.pid}").fetchall() == [(0,)]
    assert sorted(found) == [("sh", 1), ("sleep", 3), ("true", 1)]
    assert trace.opened.metadata["command_status"] == 7 and trace.opened.metadata["stopped_by"] == "command"


def test_options_that_choose_processes_exclude_all(tmp_path: Path) -> None:
    said = "--all records everything: leave out --pid, --comm, --uid, --cgroup and --follow"
    assert failing("-a", "--pid", "1", "-o", str(tmp_path / "t.parquet")) == (2, f"sysmon: {said}")
