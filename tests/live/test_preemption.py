"""The copies of preemptible programs: they are loaded here whatever the kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.recording import Trace, kernel_preempts_programs

pytestmark = pytest.mark.live

RECORD = """
import sys
from sysmon.bpf.programs.probes import AGAIN
from sysmon.recorder.load import loader, program
from sysmon.recorder.load.btf import Btf, Member
member, attach = Btf.member, loader.Loaded.attach

def preemptible(self, struct, path):
    return Member(0, 8) if struct == "tp_transition_snapshot" else member(self, struct, path)

def only_copies(self):
    self.probes = tuple(p for p in self.probes if p.program + AGAIN not in {q.program for q in self.probes})
    return attach(self)

Btf.member = preemptible
"""
ONLY_COPIES = "loader.Loaded.attach = only_copies\n"
NO_ROOM = "program.MARK_ENTRIES = 1\n"
GO = "import sysmon.cli; sys.argv[1:] = ['record', '-o', *sys.argv[1:]]; sysmon.cli.main()"

WORK = """
import ctypes, os, sys, threading
def calls():
    for _ in range(10007): os.getppid()
threads = [threading.Thread(target=calls) for _ in range(7)]
[t.start() for t in threads]; [t.join() for t in threads]
for _ in range(311): os.close(os.open('/', os.O_RDONLY))
for _ in range(23):
    if os.fork() == 0: os.execv('/bin/true', ['true'])
    os.wait()
ctypes.CDLL(None).prctl(15, b'renamed')
"""


def record(tmp_path: Path, how: str) -> Trace:
    work = [sys.executable, "-I", "-S", "-c", WORK]
    done = subprocess.run(
        [sys.executable, "-c", RECORD + how + GO, str(tmp_path / "t.parquet"), "--", *work],
        stderr=subprocess.PIPE, text=True, timeout=300, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Trace(tmp_path / "t.parquet")


# A kernel that skips programs would also skip copies without a program, and nothing recovers or counts that.
VARIANTS = {"both": ""} | (
    {} if kernel_preempts_programs() else {"only copies": ONLY_COPIES, "no room for marks": NO_ROOM}
)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_event_is_recorded_once(tmp_path: Path, name: str) -> None:
    r = record(tmp_path, VARIANTS[name])
    r.assert_nothing_lost()
    r.assert_calls("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid'", 7 * 10_007)
    assert r.one("SELECT sum(calls) FROM syscall_stats WHERE syscall = 'exit_group'") == 24
    assert r.rows("SELECT count(*), count(DISTINCT (pid, start)) FROM forks") == [(23, 23)]
    assert r.rows("SELECT count(*), count(DISTINCT (pid, start)) FROM exits") == [(24, 24)]
    assert r.one("SELECT count(*) FROM execs") == 24
    assert r.one("SELECT count(*) FROM opens WHERE path = '/'") == 311
    assert r.rows("SELECT comm FROM renames") == [("renamed",)]
    assert r.one("SELECT count(*) FROM syscalls_in_flight") == 0
