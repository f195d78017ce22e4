"""Where the time of threads went, compared with what they say themselves."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.recording import SYSMON, Trace

pytestmark = [pytest.mark.live, pytest.mark.alone]

SOURCE = Path(__file__).parent / "oracles" / "threads.c"


@dataclass(frozen=True)
class Said:
    """What a thread says: times in ns, of which `blocked` in one state; `making` it took at most that long."""

    tid: int
    wall: int
    cpu: int
    run_delay: int
    state: str
    blocked: int
    making: int


@pytest.fixture(scope="module")
def threads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("threads") / "threads"
    subprocess.run(["gcc", "-O1", "-pthread", "-w", "-o", program, SOURCE], check=True)
    return program


def record(folder: Path, *command: str | Path) -> tuple[Trace, str]:
    """A recording of a command in a folder, and what the command said."""
    path = folder / "t.parquet"
    done = subprocess.run(
        [SYSMON, "record", "-o", path, "--interval", "0.5", "--", *command],
        cwd=folder, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return Trace(path, done.stderr, done.returncode), done.stdout


def said(output: str) -> Iterator[Said]:
    for line in output.splitlines():
        tid, wall, cpu, run_delay, state, blocked, making = line.split()
        yield Said(int(tid), int(wall), int(cpu), int(run_delay), state, int(blocked), int(making))


def states(trace: Trace, tid: int) -> dict[str | None, int]:
    return dict(trace.rows(f"SELECT state, CAST(sum(ns) AS BIGINT) FROM thread_time WHERE tid = {tid} GROUP BY state"))


LAST_WAIT_NS = 15_000_000
"""How long a thread that has said all may wait for a CPU before it ends."""


def close(ns: int, share: float) -> object:
    """Equal to within a share, and a millisecond: of what a thread does when it has said all."""
    return pytest.approx(ns, rel=share, abs=1_000_000 + share * ns)


def is_close(ns: int, said: int, share: float, more: int = 0) -> bool:
    """The same, or more, by one wait for a CPU at the end and what else there may be."""
    return said == close(ns, share) or said <= ns <= (1 + share) * said + LAST_WAIT_NS + more


@pytest.mark.parametrize("mode", ["spinner", "sleeper", "pipe", "convoy", "disk", "tcp", "poll", "child"])
def test_the_states_of_a_thread_are_what_it_says(tmp_path: Path, threads: Path, mode: str) -> None:
    trace, output = record(tmp_path, threads, mode)
    trace.assert_nothing_lost()
    found = list(said(output))
    assert found
    for thread in found:
        of = states(trace, thread.tid)
        assert is_close(sum(of.values()), thread.wall, 0.005), (thread, of)
        assert of["running"] == close(thread.cpu, 0.005), (thread, of)
        assert is_close(of.get("runnable", 0), thread.run_delay, 0.02, thread.making), (thread, of)
        if thread.blocked:
            assert of.get(thread.state, 0) == close(thread.blocked, 0.02), (thread, of)
        asleep = sum(ns for state, ns in of.items() if state not in ("running", "runnable", "stolen"))
        assert sum(ns for state, ns in of.items() if state in ("other", "kernel", None)) <= 0.02 * asleep + 200_000, of


def test_every_thread_of_a_build_adds_up(tmp_path: Path) -> None:
    """Of a process with one thread that began and ended in the recording, to its lifetime."""
    files = [f"f{i}" for i in range(12)]
    for name in files:
        body = "".join(f"int {name}_{i}(int x) {{ return x * {i}; }}\n" for i in range(400))
        (tmp_path / f"{name}.c").write_text(body)
    (tmp_path / "Makefile").write_text(f"all: {' '.join(f'{n}.o' for n in files)}\n%.o: %.c\n\tgcc -O2 -c $< -o $@\n")
    assert shutil.which("make")
    trace, _output = record(tmp_path, "make", "-j4")
    lives = trace.rows(
        "SELECT e.comm, e.lifetime_ns, t.ns, t.ready_ns FROM exits AS e JOIN (SELECT process_key, sum(ns) AS ns, "
        "coalesce(sum(ns) FILTER (state IN ('runnable', 'stolen')), 0) AS ready_ns, count(DISTINCT tid) AS threads "
        "FROM thread_time GROUP BY process_key) AS t USING (process_key) "
        "JOIN forks USING (process_key) WHERE t.threads = 1"
    )
    assert len(lives) >= 3 * len(files)
    # The trace has an exit before the kernel frees the memory of the process, for which it may have to wait for a CPU.
    for comm, lifetime_ns, ns, ready_ns in lives:
        assert 0.995 * lifetime_ns - 300_000 < ns < 1.05 * lifetime_ns + 5_000_000 + ready_ns, comm
    unknown = trace.one("SELECT coalesce(sum(ns), 0) FROM thread_time WHERE state IS NULL")
    assert unknown <= 0.001 * sum(lifetime for _comm, lifetime, _ns, _ready_ns in lives)


def test_a_cpu_quota_is_not_waiting_for_a_cpu(tmp_path: Path, threads: Path) -> None:
    """As the control group counts it; when it is let go, a thread may have to wait for a CPU besides."""
    group = Path("/sys/fs/cgroup/cpu/sysmon_quota")
    if not group.parent.is_dir():
        pytest.skip("the control groups of CPUs are not in a hierarchy of their own")
    group.mkdir()
    try:
        (group / "cpu.cfs_quota_us").write_text("20000")
        trace, output = record(tmp_path, "sh", "-c", f"echo $$ > {group}/cgroup.procs; exec {threads} spinner")
        stat = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    finally:
        group.rmdir()
    (thread,) = said(output)
    of = states(trace, thread.tid)
    times = trace.one(f"SELECT sum(waits) FROM cpu WHERE tid = {thread.tid} AND waited_for = 'throttled'")
    assert times == pytest.approx(int(stat["nr_throttled"]), abs=2)
    throttled_ns = int(stat["throttled_time"])
    assert 0.98 * throttled_ns < of["throttled"] < 1.2 * thread.run_delay
    assert is_close(of["throttled"] + of["runnable"], thread.run_delay, 0.02, throttled_ns // int(stat["nr_throttled"]))
    assert is_close(sum(of.values()), thread.wall, 0.005, throttled_ns // int(stat["nr_throttled"]))
    assert "cpu_quota" in {rule for (rule,) in trace.rows("SELECT rule FROM report.findings")}
