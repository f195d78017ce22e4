"""Events above --max-rate are counted: calls = events + throttled + lost, exactly."""

import subprocess
import sys
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.trace.trace import Trace as OpenTrace
from tests.live.recording import SYSMON, kernel_preempts_programs, python, recording

pytestmark = pytest.mark.live

RATE = 1000
OPENS, UNLINKS, SOCKETS, GETPPIDS = 100_003, 10_007, 5_003, 200_003

FLOOD = f"""
import os, socket, sys, time
family, kind = int(socket.AF_UNIX), int(socket.SOCK_STREAM)
print("ready", flush=True)
sys.stdin.readline()
for i in range({OPENS} - 1):
    try: os.open("/no/such/%d" % i, 0)
    except OSError: pass
for i in range({UNLINKS}):
    try: os.unlink("/no/such/%d" % i)
    except OSError: pass
for i in range({SOCKETS}):
    socket.socket(family, kind).close()
time.sleep(1.2)
try: os.open("/no/such/last", 0)
except OSError: pass
print("done", flush=True)
sys.stdin.readline()
"""

COUNTED = """
SELECT
    (SELECT sum(calls) FROM syscall_stats WHERE pid = $pid AND syscall IN ($calls)),
    (SELECT count(*) FROM $view WHERE pid = $pid),
    (SELECT coalesce(sum(lost), 0) FROM losses WHERE place = '$kind' AND cause = 'stepped down'),
    (SELECT coalesce(sum(lost), 0) FROM losses WHERE place = '$kind' AND cause = 'ring full')
"""


def counted(trace: OpenTrace, pid: int, kind: str, view: str, calls: str) -> tuple[int, int, int]:
    """Events, throttled and lost, of a known number of calls."""
    query = COUNTED.replace("$pid", str(pid)).replace("$calls", calls).replace("$view", view).replace("$kind", kind)
    ((calls_made, events, throttled, lost),) = trace.sql(query).fetchall()
    ((missed,),) = trace.sql("SELECT coalesce(sum(lost), 0) FROM losses WHERE cause = 'recursion'").fetchall()
    assert events + throttled + lost == calls_made or kernel_preempts_programs()
    assert abs(events + throttled + lost - calls_made) <= missed
    return events, throttled, calls_made


def test_events_plus_throttled_equal_the_counted_calls(tmp_path: Path) -> None:
    with python(FLOOD, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout and process.stdin
        assert process.stdout.readline() == "ready\n"
        options = ("--pid", str(process.pid), "--max-rate", str(RATE), "--syscalls", "unlink")
        with recording(tmp_path / "t.parquet", *options) as r:
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "done\n"
    with sysmon.open(r.path) as trace:
        for kind, view, calls, expected in (
            ("open", "opens", "'openat', 'open'", OPENS),
            ("file_op", "file_ops", "'unlink'", UNLINKS),
            ("socket", "sockets", "'socket'", SOCKETS),
            ("syscall", "syscall_events", "'unlink'", UNLINKS),
        ):
            events, throttled, calls_made = counted(trace, process.pid, kind, view, calls)
            if not kernel_preempts_programs():
                assert calls_made == expected
            ((downs, least, most),) = trace.sql(
                f"SELECT count(*), min(down_ns), max(down_ns) FROM steps WHERE stepped = '{kind}' AND reason = 'rate'"
            ).fetchall()
            assert downs >= 1 and 0 < least <= most < 1_000_000_000, kind
            assert RATE <= events <= (RATE + 2) * (downs + 1) and throttled > 0, "so many in each second that was full"
        assert trace.sql("SELECT count(*) FROM opens WHERE path = '/no/such/last'").fetchall() == [(1,)], (
            "it is no longer throttled"
        )
        during = (
            "SELECT count(*) FROM opens AS o JOIN steps AS s ON s.stepped = 'open' AND epoch_ns(o.ts) "
            "BETWEEN epoch_ns(s.ts) + 1000000 AND epoch_ns(s.ts) + s.down_ns - 1000000"
        )
        assert trace.sql(during).fetchall() == [(0,)], "there are none where it says so"
    assert "nothing lost; " in r.output and "events throttled, only counted (--max-rate, or full ring" in r.output
    report = subprocess.run([SYSMON, "report", r.path, "files"], capture_output=True, text=True, check=True)
    assert "THROTTLED: calls are counted, but are not rows (--max-rate, or full ring): open " in report.stdout


def test_a_full_ring_throttles_its_kind(tmp_path: Path) -> None:
    code = f"import os\nfor _ in range({GETPPIDS}): os.getppid()"
    options = ("--syscalls", "getppid", "--buffer", "64K", "--max-rate", "10000000")
    command = [SYSMON, "record", "-o", tmp_path / "t.parquet", *options, "--", sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with sysmon.open(tmp_path / "t.parquet") as trace:
        ((pid,),) = trace.sql("SELECT any_value(pid) FROM syscall_stats WHERE syscall = 'getppid'").fetchall()
        events, throttled, calls_made = counted(trace, pid, "syscall", "syscall_events", "'getppid'")
        assert calls_made == GETPPIDS or kernel_preempts_programs()
        ((lost,),) = trace.sql("SELECT sum(lost) FROM losses WHERE cause = 'ring full'").fetchall()
        assert 0 < lost < 1000 and events and throttled > GETPPIDS / 2
        steps = trace.sql("SELECT DISTINCT stepped, reason, down_ns FROM steps").fetchall()
        assert steps == [("syscall", "ring full", 200_000_000)]
