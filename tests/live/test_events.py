"""Each system call as an event, compared with a known number of calls and with strace."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.commands.dump import line
from sysmon.analyze.trace.result import Result
from tests.live.recording import SYSMON, Trace

pytestmark = pytest.mark.live

N = 1_000_003
CALLS = f"import os\nfor _ in range({N}): os.getppid()"
LEDGER = (
    "SELECT (SELECT count(*) FROM syscall_events), "
    "(SELECT coalesce(sum(lost), 0) FROM losses WHERE place = 'syscall' AND cause = 'ring full'), "
    "(SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid')"
)
ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}


def record(path: Path, *arguments: str, **popen: object) -> Trace:
    done = subprocess.run(
        [SYSMON, "record", "-o", str(path), *arguments], stderr=subprocess.PIPE, text=True, timeout=300, check=False,
        **popen,
    )  # type: ignore[call-overload]  # fmt: skip
    return Trace(path, done.stderr, done.returncode)


def python(code: str) -> list[str]:
    return ["--", sys.executable, "-I", "-S", "-c", code]


def test_every_call_is_an_event_or_is_counted_as_lost(tmp_path: Path) -> None:
    r = record(tmp_path / "t.parquet", "--syscalls", "getppid", *python(CALLS))
    assert r.status == 0, r.output
    ((events, lost, calls),) = r.rows(LEDGER)
    assert calls == N
    assert events + lost == N


def test_losses_of_a_tiny_buffer_are_counted_exactly(tmp_path: Path) -> None:
    r = record(tmp_path / "t.parquet", "--syscalls", "getppid", "--buffer", "64K", *python(CALLS))
    ((events, lost, calls),) = r.rows(LEDGER)
    assert calls == N
    assert events + lost == N
    assert lost > 0 and events > 0
    assert f"{lost:,} LOST" in r.output
    report = subprocess.run([SYSMON, "report", r.path, "slow_calls"], capture_output=True, text=True, check=True)
    assert f"LOST {lost}: ring full syscall {lost}" in report.stdout


def test_events_equal_the_counted_calls(tmp_path: Path) -> None:
    code = (
        "import os, signal, subprocess, threading, time\n"
        "for _ in range(7): subprocess.run(['/bin/true'])\n"
        "threads = [threading.Thread(target=lambda: [os.getppid() for _ in range(1009)]) for _ in range(5)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start(); time.sleep(.05)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    r = record(tmp_path / "t.parquet", "--syscalls", *python(code))
    r.assert_nothing_lost()
    events = "SELECT pid, syscall, latency_ns IS NOT NULL AS r, count(*), count(error) FROM syscall_events GROUP BY ALL"
    stats = "SELECT pid, syscall, bucket IS NOT NULL AS r, sum(calls), sum(errors) FROM syscall_stats GROUP BY ALL"
    assert sorted(r.rows(events)) == sorted(r.rows(stats))
    assert r.one("SELECT sum(latency_ns) FROM syscall_events") == r.one("SELECT sum(total_ns) FROM syscall_stats")
    # The kernel sees a call return before a signal ends the thread: only exits never return.
    cut = (
        "SELECT DISTINCT syscall, error FROM syscall_events WHERE error LIKE 'ERESTART%' AND syscall LIKE '%nanosleep'"
    )
    assert r.rows(cut) == [("clock_nanosleep", "ERESTARTNOHAND")]
    assert r.rows("SELECT count(*), max(arg1) FROM syscall_events WHERE syscall = 'exit_group'") == [(7, 0)]
    execs = r.rows("SELECT string1, result FROM syscall_events WHERE syscall = 'execve' ORDER BY ts")
    assert execs[0] == (sys.executable, 0) and execs[1:] == [("/bin/true", 0)] * 7


def test_a_list_records_only_its_calls(tmp_path: Path) -> None:
    r = record(tmp_path / "t.parquet", "--syscalls", "openat,execve", "--", "/bin/true")
    assert {name for (name,) in r.rows("SELECT DISTINCT syscall FROM syscall_events")} == {"execve", "openat"}
    assert r.one("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'exit_group'") == 1


def test_without_the_option_there_are_no_events(of_true: Trace) -> None:
    r = of_true
    assert r.one("SELECT count(*) FROM syscall_events") == 0
    report = subprocess.run([SYSMON, "report", r.path, "slow_calls"], capture_output=True, text=True, check=True)
    assert report.stderr == "slow_calls: recorded without syscall: record again with --syscalls\n"


def texts(trace: Trace) -> dict[int, list[str]]:
    """Each process's calls as strace would write them, without times and without what descriptors are called (-y)."""
    found: dict[int, list[str]] = {}
    with sysmon.open(trace.path) as opened:
        for row in Result.of(opened.rows(("syscall",))).records():
            pid = row["pid"]
            assert isinstance(pid, int)
            text = line({name: value for name, value in row.items() if not name.startswith("object")})
            found.setdefault(pid, []).append(
                re.sub(r" <[\d.]+>$", "", text[text.index(" tid=") + 5 :].split(" ", 1)[1])
            )
    return found


def straced(strace: str, folder: Path, *command: str) -> list[list[str]]:
    """What strace writes for each process, longest text first."""
    subprocess.run(
        [strace, "-ff", "-o", str(folder / "s"), *command],
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    files = [p.read_text().splitlines() for p in folder.glob("s.*")]
    return [[text for text in lines if not text.startswith(("---", "+++"))] for lines in files]


def name_and_result(text: str) -> tuple[str, str]:
    """Name and result, without addresses and pids."""
    name = text.split("(", 1)[0]
    result = re.sub(r" \(.*\)$", "", text.rsplit(" = ", 1)[1])
    varies = name in (
        "brk",
        "mmap",
        "set_tid_address",
        "getpid",
        "getppid",
        "wait4",
        "vfork",
        "clone",
        "clone3",
        "fork",
    )
    return name, "" if varies and not result.startswith("-1") else result.split(" ")[0] + result[2:] * ("-1" in result)


def sequence(process: list[str]) -> list[tuple[str, str]]:
    """Without rt_sigreturn: a shell gets its SIGCHLD in wait4 or before it."""
    return [name_and_result(text) for text in process if not text.startswith("rt_sigreturn")]


COMMANDS = {
    "one process": ["/bin/ls", "-lR", "/etc/apt"],
    "a failing one": ["/bin/cat", "/no/such/file", "/etc/hostname"],
    "several": ["/bin/sh", "-c", "/bin/true; /bin/ls /nonexistent; cd /; exec /bin/echo done"],
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_the_sequence_of_calls_is_that_of_strace(tmp_path: Path, strace: str, command: list[str]) -> None:
    expected = straced(strace, tmp_path, *command)
    r = record(tmp_path / "t.parquet", "--syscalls", "--", *command, env=ENV, stdout=subprocess.DEVNULL)
    r.assert_nothing_lost()
    found = texts(r)
    assert sorted(map(sequence, found.values())) == sorted(map(sequence, expected))


SAME_TEXT = ("openat", "access", "faccessat2", "close", "exit_group", "lseek", "mkdir", "rename", "unlink", "symlink",
             "dup2", "fcntl", "socket", "connect", "bind", "chdir", "pipe2", "ftruncate", "umask", "kill", "mprotect",
             "linkat", "fchmodat", "listen", "shutdown", "madvise", "flock")  # fmt: skip

VARIED = r"""
import fcntl, mmap, os, socket
os.chdir('/tmp'); os.umask(0o27)
d = '/tmp/sysmon-%d' % 7
os.mkdir(d, 0o750); os.chdir(d)
fd = os.open('a "b"', os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o640)
os.lseek(fd, 0, os.SEEK_END); os.ftruncate(fd, 12345)
fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.fcntl(fd, fcntl.F_GETFL); fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC); fcntl.fcntl(fd, fcntl.F_DUPFD, 20)
os.dup2(fd, 30, inheritable=True)
os.rename('a "b"', 'x' * 200); os.symlink('x' * 200, 'link'); os.link('x' * 200, 'y' * 250, follow_symlinks=False)
os.chmod('link', 0o600)
for name in ('x' * 200, 'y' * 250, 'link'): os.unlink(name)
try: os.open('z' * 3000, os.O_RDONLY | os.O_DIRECT)
except OSError: pass
os.rmdir(d)
u = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
for address in ('/no/such/socket', '\0abstract-sysmon'):
    try: u.connect(address)
    except OSError: pass
t = socket.socket(socket.AF_INET6); t.bind(('::1', 0)); t.listen(5)
try: socket.socket().connect(('127.0.0.1', 1))
except OSError: pass
os.kill(os.getpid(), 0)
"""


def test_the_text_of_calls_is_that_of_strace(tmp_path: Path, strace: str) -> None:
    command = [sys.executable, "-I", "-S", "-c", VARIED]
    (expected,) = straced(strace, tmp_path, *command)
    r = record(tmp_path / "t.parquet", "--syscalls", "--", *command, env=ENV, stdout=subprocess.DEVNULL)
    assert r.status == 0, r.output
    (found,) = texts(r).values()

    def chosen(lines: list[str]) -> list[str]:
        # strace pads before the result, explains errors, follows addresses into memory, and shows a pid.
        plain = (re.sub(r"\s+= ", " = ", re.sub(r" \([^()]*\)$", "", t)) for t in lines if t.split("(")[0] in SAME_TEXT)
        return [re.sub(r"0x[0-9a-f]{9,}|\[\d+, \d+\]|kill\(\d+", "@", t) for t in plain]

    assert chosen(found) == chosen(expected)
    assert {t.split("(")[0] for t in chosen(found)} >= {
        "openat",
        "connect",
        "linkat",
        "flock",
        "mkdir",
        "socket",
        "bind",
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--syscalls", "opnat"], "there is no system call 'opnat'; did you mean open"),
        (["--syscalls", "open,,close"], "--syscalls: 'open,,close' is not a list of names"),
        (["--buffer", "64K"], "give --syscalls with it"),
        (["--syscalls", "--buffer", "63K"], "not a power of two from 64K to 1G"),
        (["--syscalls", "--buffer", "lots"], "is not a size"),
    ],
)
def test_bad_requests_are_one_line(tmp_path: Path, arguments: list[str], said: str) -> None:
    r = record(tmp_path / "t.parquet", *arguments, "--", "/bin/true")
    assert r.status and said in r.output
    assert "Traceback" not in r.output
    assert not list(tmp_path.iterdir())
