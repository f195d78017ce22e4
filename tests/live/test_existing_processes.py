"""Processes that exist when a recording begins: one whose first thread has ended, a zombie, one with a title."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import python, record_command, recording, thread_state, wait_for

pytestmark = pytest.mark.live

WITHOUT_LEADER = r"""
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *work(void *unused) {
    size_t n = 64 << 20;
    volatile char *p = malloc(n);
    for (size_t i = 0; i < n; i += 4096) p[i] = 1;
    for (;;) { usleep(50000); for (volatile int j = 0; j < 1000000; j++); }
}
int main(void) { pthread_t t; pthread_create(&t, 0, work, 0); pthread_exit(0); }
"""

TITLE = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int c, char **v) {
    size_t n = v[c - 1] + strlen(v[c - 1]) - v[0];
    memset(v[0], 0, n);
    snprintf(v[0], n, "worker: serving %d", 7);
    pause();
}
"""


def built(tmp_path: Path, name: str, source: str) -> Path:
    (tmp_path / f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-O1", "-pthread", "-o", tmp_path / name, tmp_path / f"{name}.c"], check=True)
    return tmp_path / name


@pytest.fixture
def headless(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process whose first thread has ended while another lives."""
    process = subprocess.Popen([built(tmp_path, "headless", WITHOUT_LEADER), "one", "two"])
    wait_for(lambda: thread_state(process.pid) == "Z")
    time.sleep(0.5)
    yield process
    process.kill()
    process.wait()


def test_a_live_thread_stands_for_its_process(tmp_path: Path, headless: subprocess.Popen[bytes]) -> None:
    with recording(tmp_path / "t.parquet", "--interval", "0.3") as r:
        time.sleep(1)
    program = str(tmp_path / "headless")
    states = f"SELECT edge, path, argv, state <> 'Z', cgroup_id > 0 FROM process_states WHERE pid = {headless.pid}"
    assert r.rows(f"{states} ORDER BY edge DESC") == [
        (edge, program, [program, "one", "two"], True, True) for edge in ("start", "end")
    ]
    rows, anon = r.rows(f"SELECT count(*), max(rss_anon_bytes) FROM memory WHERE pid = {headless.pid}")[0]
    assert rows >= 2 and 64 << 20 <= anon < 80 << 20
    alive = f"SELECT alive_at_start, alive_at_end FROM processes WHERE pid = {headless.pid}"
    assert r.rows(alive) == [(True, True)]


def test_a_process_without_its_first_thread_can_be_chosen(tmp_path: Path, headless: subprocess.Popen[bytes]) -> None:
    with recording(tmp_path / "t.parquet", "--pid", str(headless.pid)) as r:
        time.sleep(0.7)
    assert r.one("SELECT count(DISTINCT pid) FROM syscall_stats") == 1
    assert r.one("SELECT sum(calls) FROM syscall_stats WHERE syscall LIKE '%nanosleep'") >= 5


def test_a_zombie_is_dead(tmp_path: Path) -> None:
    parent = python("import os, time\npid = os.fork()\nif not pid: os._exit(3)\nprint(pid, flush=True)\ntime.sleep(60)",
                    stdout=subprocess.PIPE)  # fmt: skip
    assert parent.stdout
    zombie = int(parent.stdout.readline())
    wait_for(lambda: thread_state(zombie) == "Z")
    with recording(tmp_path / "t.parquet") as r:
        time.sleep(0.3)
    parent.kill()
    parent.communicate()
    states = f"SELECT DISTINCT state, path, argv, argv_truncated FROM process_states WHERE pid = {zombie}"
    assert r.rows(states) == [("Z", None, None, None)]
    found = f"SELECT alive_at_start, alive_at_end, ended, ppid FROM processes WHERE pid = {zombie}"
    assert r.rows(found) == [(False, False, None, parent.pid)]
    assert r.one(f"SELECT count(*) FROM memory WHERE pid = {zombie}") == 0


def test_a_title_is_not_a_row_of_empty_arguments(tmp_path: Path) -> None:
    program = built(tmp_path, "title", TITLE)
    processes = [subprocess.Popen([program, *(["--option"] * n)]) for n in (5, 9)]
    wait_for(lambda: all(b"serving" in Path(f"/proc/{p.pid}/cmdline").read_bytes() for p in processes))
    with recording(tmp_path / "t.parquet") as r:
        pass
    shown = subprocess.run(
        ["ps", "-o", "args=", "-p", ",".join(str(p.pid) for p in processes)], capture_output=True, text=True, check=True
    ).stdout.split("\n")
    for process in processes:
        process.kill()
        process.wait()
    pids = ", ".join(str(p.pid) for p in processes)
    found = r.rows(f"SELECT DISTINCT argv FROM process_states WHERE edge = 'start' AND pid IN ({pids})")
    assert found == [(["worker: serving 7"],)]
    assert {line.rstrip() for line in shown if line} == {"worker: serving 7"}


def test_arguments_of_an_exec_stay_as_they_were(tmp_path: Path) -> None:
    r = record_command(tmp_path / "t.parquet", "/bin/true", "", "", "", "")
    assert r.one("SELECT argv FROM execs") == ["/bin/true", "", "", "", ""]
