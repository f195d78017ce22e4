"""A recording is looked at while it runs, by a process of another user: no row is lost, none is there twice."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sysmon
from tests.conftest import SAMPLES
from tests.live.recording import NOBODY, busy, python, start

pytestmark = pytest.mark.live

LOOKS = 5

READER = """
import json, os, sys, time, sysmon
from sysmon.bpf.kinds import KINDS
path, looks, sample, user = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
with sysmon.open(sample) as trace:  # the interpreter and its modules may be root's alone
    trace.report("cpu").fetchall()
os.setgroups([])
os.setgid(user)
os.setuid(user)
trace, until = None, time.monotonic() + 60
while trace is None and time.monotonic() < until:
    try:
        trace = sysmon.open(path)
    except sysmon.SysmonError:
        time.sleep(0.05)
kinds = [kind for kind in KINDS if kind.name in ("open", "syscall_stats", "cpu", "fork", "exec", "exit", "memory")]
opens = "SELECT CAST(parse_filename(path) AS BIGINT) AS n FROM opens WHERE path LIKE '/no/such/%'"
numbers = f"SELECT min(n), max(n), count(*), count(DISTINCT n) FROM ({opens})"
total = sum(trace.metadata["rows"].values())
seen = []
while len(seen) < looks:
    new = trace.refresh()
    total += new
    if new:
        said = trace.metadata["rows"]
        trace.report("cpu").fetchall()
        counted = {k.name: trace.own(f"SELECT count(*) FROM unfiltered.{k.view}").fetchall()[0][0] for k in kinds}
        seen.append([total, said, counted, *trace.sql(numbers).fetchall()])
    time.sleep(0.1)
print(json.dumps({"uid": os.getuid(), "running": trace.metadata["stopped_by"], "seen": seen}), flush=True)
sys.stdin.readline()
trace.refresh()
last = trace.sql("SELECT count(*) FROM unfiltered.trace").fetchall()[0][0], trace.metadata["stopped_by"]
print(json.dumps([*last, trace.report("cpu").fetchall()], default=str))
"""

NUMBERED = """
import os, time
with open("/proc/self/comm", "w") as comm: comm.write("numbered")
i = 0
while True:
    for i in range(i, i + 200):
        try: os.open(f"/no/such/{i}", 0)
        except OSError: pass
    i += 1
    time.sleep(0.02)
"""


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_looks_of_another_user_miss_nothing(tmp_path: Path) -> None:
    for place in (tmp_path, *tmp_path.parents):
        if place == tmp_path or place.name.startswith(("pytest-", "popen-")):  # a directory of a worker is one, too
            place.chmod(0o755)
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    path = folder / "t.parquet"
    with contextlib.ExitStack() as undo:
        running = start(
            path, "--comm", "numbered", env={**os.environ, "SUDO_UID": str(NOBODY), "SUDO_GID": str(NOBODY)}
        )
        undo.callback(running.process.kill)
        undo.callback(ended, python(NUMBERED))
        reader = subprocess.Popen(
            [sys.executable, "-c", READER, str(path), str(LOOKS), str(SAMPLES / "leak.parquet"), str(NOBODY)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        undo.callback(ended, reader)
        assert reader.stdin and reader.stdout
        with busy(1):
            looked = json.loads(reader.stdout.readline())
        assert running.stop() == 0, running.output
        reader.stdin.write("\n")
        reader.stdin.flush()
        count, stopped_by, cpu = json.loads(reader.stdout.readline())
    assert looked["uid"] == NOBODY and looked["running"] == "not yet"
    last = -1
    for total, said, counted, (low, high, there, distinct) in looked["seen"]:
        assert counted == {kind: said[kind] for kind in counted} and sum(said.values()) == total
        assert there == distinct, "none is there twice"
        assert low is None or distinct == high - low + 1, "none is missing"
        assert high is None or high >= last
        last = last if high is None else high
    assert last > 0
    with sysmon.open(path) as trace:
        assert (count, stopped_by) == (sum(trace.metadata["rows"].values()), "signal")
        assert json.loads(json.dumps(trace.report("cpu").fetchall(), default=str)) == cpu
        query = "SELECT count(*) FROM opens WHERE path LIKE '/no/such/%' AND CAST(parse_filename(path) AS BIGINT) <= "
        assert trace.sql(f"{query}{last}").fetchall() == [(last + 1 - looked["seen"][-1][3][0],)]
