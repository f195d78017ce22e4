"""Signals sent, compared with the receivers' counts and with strace."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.recording import python, record_command, recording

pytestmark = pytest.mark.live

RECEIVER = """
import os, signal, threading, time
got = 0
def count(*_):
    global got
    got += 1
signal.signal(signal.SIGUSR1, count)
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
print('ready', flush=True)
input()
print(got, flush=True)
input()
"""


def test_who_sent_how_many_to_whom(tmp_path: Path) -> None:
    sender = """
import os, re, signal, sys, time
pid = int(sys.argv[1])
def pending():
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"ShdPnd:\\s*(\\w+)", status.read())[1], 16)
for _ in range(23):
    os.kill(pid, signal.SIGUSR1)
    while pending():
        time.sleep(0.001)
for _ in range(7):
    os.kill(pid, signal.SIGUSR2)
os.kill(pid, 0)
"""
    receiver = python(RECEIVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert receiver.stdin and receiver.stdout
    receiver.stdout.readline()
    with recording(tmp_path / "t.parquet") as r:
        sends = python(sender, str(receiver.pid))
        assert sends.wait() == 0
        receiver.stdin.write("\n")
        receiver.stdin.flush()
        counted = int(receiver.stdout.readline())
        receiver.kill()
    receiver.communicate()
    rows = r.rows(
        f"SELECT signal, sent, dropped, sender_pid, sender, comm FROM report.signals WHERE pid = {receiver.pid} "
        "ORDER BY signal"
    )
    assert [row[:3] for row in rows] == [("SIGKILL", 1, 0), ("SIGUSR1", 23, 0), ("SIGUSR2", 7, 7)]
    assert counted == 23
    assert {row[3] for row in rows[1:]} == {sends.pid}
    assert rows[0][3] == os.getpid()
    assert all(row[4] and row[5] for row in rows)
    r.assert_nothing_lost()


def test_what_the_kernel_sends_has_no_sender(tmp_path: Path) -> None:
    """A fault, a timer, and the end of a child; and a thread as opposed to its process."""
    code = (
        "import ctypes, os, signal, threading\n"
        "signal.signal(signal.SIGALRM, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()\n"
        "if not os.fork(): os._exit(0)\n"
        "os.wait()\n"
        "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)\n"
        "ctypes.string_at(0)"
    )
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code)
    rows = r.rows(
        "SELECT unfiltered.signal_name(signo), count(*), count(sender_pid), bool_and(to_thread) FROM signals "
        "WHERE pid = (SELECT pid FROM exits WHERE signal = 11) GROUP BY 1 ORDER BY 1"
    )
    assert rows == [
        ("SIGALRM", 1, 0, False),
        ("SIGCHLD", 1, 0, False),
        ("SIGSEGV", 1, 0, True),
        ("SIGUSR1", 1, 1, True),
    ]


def test_a_filter_takes_those_that_it_sends_and_gets(tmp_path: Path) -> None:
    receiver = python(RECEIVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    other = python(RECEIVER, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert receiver.stdout and other.stdout
    receiver.stdout.readline()
    other.stdout.readline()
    with recording(tmp_path / "t.parquet", "--pid", str(receiver.pid)) as r:
        for pid in (receiver.pid, other.pid):
            for _ in range(3):
                subprocess.run(["/bin/kill", "-USR2", str(pid)], check=True)
    for process in (receiver, other):
        process.kill()
        process.communicate()
    assert r.rows("SELECT pid, count(*) FROM signals GROUP BY pid") == [(receiver.pid, 3)]


def test_strace_says_the_same(tmp_path: Path, strace: str) -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGUSR1, lambda *_: None)\n"
        "for n in range(17):\n"
        " if not os.fork(): os.kill(os.getppid(), signal.SIGUSR1); os._exit(0)\n"
        " os.wait()\n"
    )
    said = tmp_path / "strace"
    traced = [strace, "-f", "-e", "trace=none", "-o", str(said), sys.executable, "-I", "-S", "-c", code]
    r = record_command(tmp_path / "t.parquet", *traced)
    found = re.findall(r"--- (SIGUSR1|SIGCHLD) \{si_signo=\w+, si_code=(\w+), si_pid=(\d+)", said.read_text())
    sent = {int(pid) for name, of, pid in found if name == "SIGUSR1" and of == "SI_USER"}
    assert len(sent) == 17
    rows = r.rows("SELECT sender_pid FROM signals WHERE signo = 10 AND delivery = 'queued'")
    assert {pid for (pid,) in rows} == sent and len(rows) == 17
