"""Identity of processes: pid and start in ns, and what they held at a snapshot."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sysmon.bpf import nulls
from sysmon.recorder.sample import tasks
from tests.live.oracles import process_state
from tests.live.oracles.figure import assert_all_hold
from tests.live.recording import Trace, python, recording, wait_for

pytestmark = pytest.mark.live

ONE_PID = """
import os
pid = os.fork()
if not pid: os._exit(0)
os.waitpid(pid, 0)
same = 0
for n in range(20):
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(pid - 1))
    child = os.fork()
    if not child: os._exit(n)
    os.waitpid(child, 0)
    same += child == pid
print(pid, same)
"""


def test_a_pid_that_is_used_again_at_once_is_another_process(tmp_path: Path) -> None:
    if not os.path.exists("/proc/sys/kernel/ns_last_pid"):
        pytest.skip("the kernel lets nobody choose a pid (CONFIG_CHECKPOINT_RESTORE)")
    with recording(tmp_path / "t.parquet") as r:
        process = python(ONE_PID, stdout=subprocess.PIPE)
        pid, same = map(int, process.communicate()[0].split())
    assert same >= 15  # it may have been another process's meanwhile
    began = f"FROM forks WHERE pid = {pid} AND ppid = {process.pid}"
    assert r.one(f"SELECT count(DISTINCT start) {began}") == same + 1
    assert r.one(f"SELECT count(*) FROM exits JOIN (SELECT pid, start {began}) USING (pid, start)") == same + 1
    assert r.one(f"SELECT count(*) FROM report.processes WHERE pid = {pid} AND ppid = {process.pid}") == same + 1


def test_start_is_one_value_wherever_a_process_is_seen(tmp_path: Path) -> None:
    """For an existing process and for one that was seen to start, to the end and beyond."""
    with_children = "import subprocess, time\ninput()\nsubprocess.run(['/bin/true']); time.sleep(0.5)"
    before, stays = (python(with_children, stdin=subprocess.PIPE) for _ in range(2))
    assert before.stdin and stays.stdin
    with recording(tmp_path / "t.parquet", "--interval", "0.2") as r:
        seen = python("import time; time.sleep(60)")
        before.stdin.write("\n")
        before.stdin.flush()
        before.wait()
        time.sleep(0.5)
    for process in (stays, seen):
        process.kill()
        process.wait()
    before.stdin.close()
    stays.stdin.close()
    for pid in (before.pid, stays.pid, seen.pid):
        views = ("process_states", "forks", "execs", "exits", "cpu", "memory", "syscall_stats", "process_io")
        starts = " UNION ALL ".join(f"SELECT start FROM {view} WHERE pid = {pid}" for view in views)
        starts += f" UNION ALL SELECT parent_start FROM forks WHERE ppid = {pid}"
        assert r.one(f"SELECT count(DISTINCT start) FROM ({starts})") == 1, pid
    boot_ns = r.opened.metadata["clock_offset_ns"]
    ((start, forked),) = r.rows(f"SELECT start, epoch_ns(ts) FROM forks WHERE pid = {seen.pid}")
    assert 0 <= forked - boot_ns - start < 50_000_000 and start % 10_000_000 != 0


def test_threads_and_descriptors_are_those_at_the_snapshot(tmp_path: Path) -> None:
    assert_all_hold(process_state.held(tmp_path))


def test_calls_count_while_the_process_is_the_chosen_users(tmp_path: Path) -> None:
    assert_all_hold(process_state.filtered(tmp_path))


def test_many_descriptors_are_counted_and_too_many_by_their_directory(tmp_path: Path) -> None:
    """With a gap between them; and the way a table too large for the program is counted (Linux 6.2)."""
    code = (
        "import os, resource, time\nmost = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (most,) * 2)\n"
        "n = os.open('/dev/null', os.O_RDONLY)\nfor _ in range(15000): os.dup(n)\nos.closerange(300, 9000)\n"
        "print(len(os.listdir('/proc/self/fd')) - 1, flush=True)\nwhile True: time.sleep(0.02)"
    )
    process = python(code, stdout=subprocess.PIPE)
    assert process.stdout
    exact = int(process.stdout.readline())
    with recording(tmp_path / "t.parquet", "--interval", "0.2") as r:
        time.sleep(0.6)
    said = os.stat(f"/proc/{process.pid}/fd").st_size
    by_directory = tasks._counted(process.pid, nulls.NOT_COUNTED)
    process.kill()
    process.communicate()
    assert r.rows(f"SELECT DISTINCT descriptors FROM memory WHERE pid = {process.pid} AND threads = 1") == [(exact,)]
    assert exact > 6000 and by_directory == (said or None) and said in (0, exact)


WITHOUT_ITERATORS = """
import sys
from sysmon.recorder.load import program
plan = program.plan
def without(*args, **kwargs):
    made = plan(*args, **kwargs)
    made.iterators.clear()
    return made
program.plan = without
import sysmon.cli
sys.argv = ["sysmon", *sys.argv[1:]]
sysmon.cli.main()
"""


def test_without_iterators_starts_are_in_ticks_and_the_trace_says_so(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    followed = ("/bin/sh", "-c", "sleep 1; /bin/true")
    command = [sys.executable, "-c", WITHOUT_ITERATORS, "record", "-o", str(path), "--", *followed]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    r = Trace(path)
    unmeasured = r.opened.metadata["unmeasured"]
    assert unmeasured["start"].startswith("only to a tick of 10 ms")
    assert unmeasured["process_io"].startswith("only of threads that ended")
    starts = " UNION ALL ".join(f"SELECT start FROM {view}" for view in ("forks", "exits", "cpu", "memory"))
    assert r.one(f"SELECT bool_and(start % 10000000 = 0) AND count(*) > 3 FROM ({starts})")
    assert r.one("SELECT count(*) = count(x.pid) FROM forks f LEFT JOIN exits x USING (pid, start)")


def test_live_processes_are_as_in_proc(tmp_path: Path) -> None:
    """A kernel thread, a stopped process, a zombie: state, parent, threads and start."""

    def stat(pid: int) -> list[str]:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()

    stopped = python("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)")
    zombie = python("pass")
    wait_for(lambda: stat(stopped.pid)[0] == "T" and stat(zombie.pid)[0] == "Z")
    with recording(tmp_path / "t.parquet") as r:
        exact = {pid: stat(pid) for pid in (2, stopped.pid, zombie.pid)}
    stopped.kill()
    stopped.wait()
    zombie.wait()
    rows = r.rows(
        "SELECT DISTINCT pid, state, ppid, threads, kernel_thread, start // 10000000 FROM process_states "
        f"WHERE pid IN (2, {stopped.pid}, {zombie.pid})"
    )
    found = {pid: rest for pid, *rest in rows}
    assert len(rows) == 3
    for pid, fields in exact.items():
        assert found[pid] == [fields[0], int(fields[1]), int(fields[17]), pid == 2, int(fields[19])]
