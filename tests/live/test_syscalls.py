"""Counts and latencies of system calls, compared with a known number of calls."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysmon.bpf.kinds.syscalls import SUB_BITS
from tests.live.recording import Trace, busy, python, record_command, recording, start, thread_state, wait_for

pytestmark = pytest.mark.live

CALLS = "import os, sys\nfor _ in range(int(sys.argv[1])): os.getppid()"
CALLS_IN_PARTS = (
    "import os, sys, time\nfor _ in range(5):\n for _ in range(int(sys.argv[1])): os.getppid()\n time.sleep(0.2)"
)
GETPPID = "SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid' AND pid = {}"


def test_a_million_calls_under_load(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet") as r, busy():
        process = python(CALLS, "1000003")
        assert process.wait() == 0
    r.assert_nothing_lost()
    r.assert_calls(GETPPID.format(process.pid), 1_000_003)
    report = f"SELECT calls FROM report.syscalls_by_process WHERE pid = {process.pid} AND syscall = 'getppid'"
    r.assert_calls(report, 1_000_003)


def test_sixteen_processes_at_once_over_many_snapshots(tmp_path: Path) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.05") as r:
        # In parts, so that a recorder that gets little CPU time has its snapshots in between.
        processes = [python(CALLS_IN_PARTS, "12500") for _ in range(16)]
        assert [p.wait() for p in processes] == [0] * 16
    r.assert_nothing_lost()
    for process in processes:
        r.assert_calls(GETPPID.format(process.pid), 62_500)
    assert r.one("SELECT count(DISTINCT ts) FROM syscall_stats") > 2


def test_threads_of_one_process_are_added_up(tmp_path: Path) -> None:
    code = (
        "import os, threading\n"
        "def calls():\n for _ in range(10007): os.getppid()\n"
        "threads = [threading.Thread(target=calls) for _ in range(7)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]"
    )
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code)
    r.assert_calls("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid'", 7 * 10_007)


@pytest.mark.quick
def test_errors_are_counted(tmp_path: Path) -> None:
    code = "import os\nfor _ in range(211):\n try: os.rmdir('/no/such')\n except OSError: pass"
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code)
    assert r.rows("SELECT sum(calls), sum(errors) FROM syscall_stats WHERE syscall = 'rmdir'") == [(211, 211)]
    assert r.rows("SELECT sum(calls), error, errno FROM syscall_errors WHERE syscall = 'rmdir' GROUP BY ALL") == [
        (211, "ENOENT", 2)
    ]


def test_errors_by_number_add_up_to_the_errors_of_each_call(tmp_path: Path) -> None:
    code = (
        "import os\n"
        "def fail(f, *args):\n try: f(*args)\n except OSError: pass\n"
        "for _ in range(101): fail(os.rmdir, '/etc/passwd'); fail(os.close, 999)\n"
        "for _ in range(53): fail(os.rmdir, '/proc'); fail(os.rmdir, '/no/such')\n"
    )
    with recording(tmp_path / "t.parquet", "--interval", "0.2") as r, busy():
        process = python(code)
        assert process.wait() == 0
    r.assert_nothing_lost()
    found = f"SELECT error, sum(calls) FROM syscall_errors WHERE pid = {process.pid} AND syscall = '{{}}' GROUP BY ALL"
    assert dict(r.rows(found.format("rmdir"))) == {"ENOTDIR": 101, "EBUSY": 53, "ENOENT": 53}
    assert dict(r.rows(found.format("close"))) == {"EBADF": 101}
    by_call = "SELECT pid, start, abi, nr, sum({}) AS n FROM {} GROUP BY ALL HAVING n > 0"
    errors, stats = by_call.format("calls", "syscall_errors"), by_call.format("errors", "syscall_stats")
    assert r.one(f"SELECT count(*) FROM ({errors})") > 10
    assert r.rows(f"FROM ({errors} EXCEPT {stats}) UNION ALL FROM ({stats} EXCEPT {errors})") == []


def test_a_command_is_recorded_from_its_execve_to_its_exit(of_true: Trace) -> None:
    r = of_true
    counted = dict(r.rows("SELECT syscall, sum(calls) FROM syscall_stats GROUP BY ALL"))
    assert counted["execve"] == 1
    assert counted["exit_group"] == 1
    assert r.rows("SELECT count(*) FROM syscalls_in_flight") == [(0,)]
    # What holds the command back makes no calls.
    assert counted.get("read", 0) <= 2
    assert r.rows("SELECT calls, no_return, total_s FROM report.syscalls WHERE syscall = 'exit_group'") == [
        (1, 1, None)
    ]


def test_a_sleep_is_in_the_bucket_of_its_length(tmp_path: Path) -> None:
    code = "import time\nbefore = time.monotonic_ns(); time.sleep(1.7); print(time.monotonic_ns() - before)"
    with recording(tmp_path / "t.parquet") as r:
        process = python(code, stdout=subprocess.PIPE)
        slept = int(process.communicate()[0])
    (low, high, calls), *rest = r.rows(
        "SELECT low_ns, high_ns, calls FROM report.syscall_histogram_by_process "
        f"WHERE pid = {process.pid} AND syscall LIKE '%nanosleep'"
    )
    assert rest == [] and calls == 1
    longest = r.one(f"SELECT max(max_ns) FROM syscall_stats WHERE pid = {process.pid} AND syscall LIKE '%nanosleep'")
    assert low <= longest < high
    assert (high - low) / low <= 2**-SUB_BITS
    # The kernel never sleeps for less, and the program's own clock encloses the whole call.
    assert 1_700_000_000 <= longest <= slept


def test_calls_cut_by_the_start_or_end_of_the_recording(tmp_path: Path) -> None:
    reader = "import os; os.read(0, 1); os.read(0, 1)"
    stays = python("import signal; signal.pause()")
    returns = python(reader, stdin=subprocess.PIPE)
    stays_later = python(reader, stdin=subprocess.PIPE)

    def blocked(process: subprocess.Popen[str], call: int) -> bool:
        return Path(f"/proc/{process.pid}/syscall").read_text().startswith(f"{call} ")

    wait_for(lambda: blocked(stays, PAUSE) and blocked(returns, READ))
    running = start(tmp_path / "t.parquet")
    try:
        assert returns.stdin and stays_later.stdin
        returns.stdin.write("ab")
        returns.stdin.flush()
        wait_for(lambda: thread_state(returns.pid) == "Z")
        wait_for(lambda: blocked(stays_later, READ))
        stays_later.stdin.write("a")
        stays_later.stdin.flush()
        wait_for(lambda: blocked(stays_later, READ))
        assert running.stop() == 0
    finally:
        for process in (stays, returns, stays_later):
            process.kill()
            process.communicate()
    cut = {
        p.pid: running.rows(f"SELECT edge, syscall, elapsed_ns FROM syscalls_in_flight WHERE pid = {p.pid} ORDER BY ts")
        for p in (stays, returns, stays_later)
    }
    window = running.one("SELECT date_diff('microsecond', min(ts), max(ts)) * 1000 + 1000 FROM clocks")
    ((edge, call, elapsed),) = cut[stays.pid]
    assert (edge, call) == ("both", "pause") and 0.9 * window < elapsed <= window
    ((edge, call, elapsed),) = cut[returns.pid]
    assert (edge, call) == ("start", "read") and 0 < elapsed < window
    assert cut[stays_later.pid][-1][:2] == ("end", "read")
    # The second read of each is a complete call or the one at the end: each call is in exactly one place.
    assert running.one(f"SELECT sum(calls) FROM syscall_stats WHERE pid = {returns.pid} AND syscall = 'read'") == 1


PAUSE, READ = (34, 0) if os.uname().machine == "x86_64" else (-1, 63)


IA32 = """
import ctypes, mmap
# push rbx; mov eax, 64 (getppid of the ia32 table; 110 in the 64-bit one); int 0x80; pop rbx; ret
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes([0x53, 0xB8, 64, 0, 0, 0, 0xCD, 0x80, 0x5B, 0xC3]))
call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
for _ in range(101): call()
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="only x86-64 has int 0x80")
def test_ia32_calls_of_a_64_bit_program_have_their_own_names(tmp_path: Path) -> None:
    if python(IA32, stderr=subprocess.DEVNULL).wait():
        pytest.fail("this kernel has no ia32 emulation")
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", IA32)
    counted = r.rows("SELECT abi, nr, syscall, sum(calls) FROM syscall_stats WHERE abi <> 'x86_64' GROUP BY ALL")
    assert counted == [("i386", 64, "getppid", 101)]


def test_an_interrupted_call_is_an_error(tmp_path: Path) -> None:
    code = (
        "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\n"
        "signal.setitimer(signal.ITIMER_REAL, .05, .05)\nfor _ in range(3): signal.pause()"
    )
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code)
    # pause(2) returns only when it is interrupted, and always with an error.
    assert r.rows("SELECT sum(calls), sum(errors) FROM syscall_stats WHERE syscall = 'pause'") == [(3, 3)]


def test_thousands_of_calls_in_flight_are_all_recorded(tmp_path: Path) -> None:
    code = (
        "import threading, time\nthreading.stack_size(65536)\n"
        "for _ in range(2003): threading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
        "print('up', flush=True); time.sleep(600)"
    )
    process = python(code, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == "up\n"
        with recording(tmp_path / "t.parquet") as r:
            pass
    finally:
        process.kill()
        process.communicate()
    cut = f"SELECT count(*) FROM syscalls_in_flight WHERE pid = {process.pid} AND edge = 'both' AND comm IS NOT NULL"
    assert r.one(cut) == 2004
    assert r.one("SELECT max(read_ns) FROM clocks") < 5_000_000_000
