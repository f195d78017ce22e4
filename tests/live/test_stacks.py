"""Stacks compared with a program that has frame pointers and says itself where its time went."""

import contextlib
import signal
import subprocess
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.conftest import oracle
from tests.live.recording import Trace, python, recording, wait_for

pytestmark = [pytest.mark.live, pytest.mark.alone]

SOURCE = Path(__file__).parent / "oracles" / "functions.c"
BUILT = ("-O1", "-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer", "-fno-optimize-sibling-calls")

RATE = 499
"""So that 3,000 samples take 6 s."""

PATHS = """
WITH RECURSIVE walk AS (
    SELECT stack, caller, frame, stack AS whole, 1 AS place FROM stacks
    UNION ALL
    SELECT s.stack, s.caller, s.frame, w.whole, w.place + 1 FROM walk AS w JOIN stacks AS s ON s.stack = w.caller
)
SELECT w.whole, CASE WHEN f.missing = 'caller skipped' THEN '[skipped]' ELSE f.function END, f.module, f.address
FROM walk AS w
JOIN frames AS f ON f.frame = w.frame
ORDER BY w.whole, w.place
"""
"""The functions of each stack, innermost first."""


class Program:
    """The C program, and its functions by address."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "functions"
        subprocess.run([oracle("gcc"), *BUILT, "-o", self.path, SOURCE], check=True)
        listed = subprocess.run([oracle("nm"), "--numeric-sort", self.path], capture_output=True, text=True, check=True)
        words = [line.split() for line in listed.stdout.splitlines()]
        self._functions = [(int(at, 16), name) for at, kind, name in (w for w in words if len(w) == 3) if kind in "tT"]

    def run(self, *arguments: str) -> tuple[int, dict[str, int]]:
        """Runs it. Returns its pid and what it says: nanoseconds by function."""
        process = subprocess.Popen([self.path, *arguments], stdout=subprocess.PIPE, text=True)
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        return process.pid, {name: int(ns) for name, ns in map(str.split, said.splitlines())}

    def name(self, function: str | None, module: str | None, address: int | None) -> str:
        """The name of a function of a stack: as the trace has it, or by its address in the program."""
        if function or module != str(self.path) or address is None:
            return function or "?"
        return self._functions[bisect_right(self._functions, (address, "~")) - 1][1]

    def stacks(self, r: Trace) -> dict[int, list[str]]:
        """The names in each stack, innermost first."""
        found: dict[int, list[str]] = {}
        for stack, *frame in r.rows(PATHS):
            found.setdefault(stack, []).append(self.name(*frame))
        return found


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> Program:
    return Program(tmp_path_factory.mktemp("functions"))


@contextlib.contextmanager
def perf_sampling(perf: str, data: Path) -> Iterator[None]:
    """perf samples all CPUs by the same clock while the body runs."""
    command = [perf, "record", "-q", "-a", "-e", "cpu-clock", "-F", str(RATE), "-o", str(data)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: data.exists() and data.stat().st_size)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def seen_by_perf(perf: str, data: Path, pid: int) -> Counter[str]:
    """Samples of a process by the function that ran."""
    command = [perf, "script", "-i", str(data), "--pid", str(pid), "-F", "ip,sym"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return Counter(line.split()[1] for line in lines if line.strip())


def test_each_function_has_its_share_of_the_samples(tmp_path: Path, program: Program, perf: str) -> None:
    with (
        recording(tmp_path / "t.parquet", "--with", "samples", "--sample-rate", str(RATE)) as r,
        perf_sampling(perf, tmp_path / "perf.data"),
    ):
        pid, spent = program.run("run", "7")
    perfs = seen_by_perf(perf, tmp_path / "perf.data", pid)
    assert perfs.total() >= 3000
    stacks = program.stacks(r)
    rows = r.rows(f"SELECT user_stack, samples FROM samples WHERE pid = {pid}")
    whole = sum(samples for _stack, samples in rows)
    assert whole >= 3000
    for name, ns in spent.items():
        found = sum(samples for stack, samples in rows if stacks.get(stack, ["?"])[0] == name)
        assert 100 * found / whole == pytest.approx(100 * ns / sum(spent.values()), abs=3), name
        assert 100 * found / whole == pytest.approx(100 * perfs[name] / perfs.total(), abs=3), name
    # The report has the largest first.
    named = r.rows(f"SELECT function FROM report.hot_functions WHERE pid = {pid} LIMIT {len(spent)}")
    assert [name for (name,) in named] == sorted(spent, key=lambda name: -spent[name])
    of_main = sum(samples for stack, samples in rows if "main" in stacks.get(stack, []))
    assert of_main > 0.99 * whole
    # Samples divided by their rate tell of the CPU time, too.
    cpu_ns = r.one(f"SELECT sum(oncpu_ns) FROM cpu WHERE pid = {pid}")
    assert whole / RATE == pytest.approx(cpu_ns / 1e9, rel=0.05)
    # Optimized functions that call nothing have no frames: then their caller is missing, and the stack says so.
    for stack, _samples in rows:
        if stacks.get(stack, ["?"])[0] in spent:
            assert ("run" in stacks[stack]) != ("[skipped]" in stacks[stack]), stacks[stack]
    quality = "SELECT max(samples_cut_pct - samples_skipped_pct) FROM report.stack_quality WHERE comm = 'functions'"
    assert r.one(quality) < 1


def test_a_stack_has_the_time_that_was_slept_in_it(tmp_path: Path, program: Program) -> None:
    times = 37
    with recording(tmp_path / "t.parquet", "--with", "off_cpu") as r:
        pid, asleep = program.run("rest", str(times))
    stacks = program.stacks(r)
    rows = r.rows(f"SELECT waited_for, user_stack, waits, waited_ns FROM off_cpu WHERE pid = {pid}")
    for name, ns in asleep.items():
        found = [(waits, waited) for why, stack, waits, waited in rows
                 if why == "sleep" and name in stacks.get(stack, [])]  # fmt: skip
        assert sum(waits for waits, _ in found) == times
        assert sum(waited for _, waited in found) == pytest.approx(ns, rel=0.02), name
        for names in (stacks.get(stack, []) for why, stack, *_ in rows if why == "sleep"):
            assert ("nap" in names) != ("[skipped]" in names), names
    # All of it, by stack or not, is what `cpu` has.
    both = "SELECT sum(waits), sum(waited_ns) FROM {} WHERE pid = {} AND waited_for NOT IN ('runnable', 'throttled')"
    assert r.rows(both.format("off_cpu", pid)) == r.rows(both.format("cpu", pid))


def test_kernel_functions_have_names(tmp_path: Path, live_kernel: None) -> None:
    with recording(tmp_path / "t.parquet", "--with", "off_cpu") as r:
        process = python("import time; time.sleep(0.3)")
        assert process.wait() == 0
    found = r.rows(f"SELECT kernel_function FROM report.off_cpu WHERE pid = {process.pid} AND waited_for = 'sleep'")
    assert [name for (name,) in found if "nanosleep" in name], found
