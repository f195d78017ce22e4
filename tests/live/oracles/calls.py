"""System calls, in a run that strace and perf watch as well.

Two runs of a command never make exactly the same calls, so all three watch the same one. A Python process, the root,
starts it, and waits in a read until everybody is ready. perf counts the entries of that process and all below it.
strace logs the calls of what a shell runs for it: not the shell's own, as strace starts the shell and sees it only from
its execve.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.live.oracles.figure import Figure
from tests.live.oracles.tools import perf_count, perf_counts
from tests.live.recording import Trace, kernel_preempts_programs, python, recording, wait_for

ROOT = """
import os, subprocess, sys
os.read(0, 1)
subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
print(subprocess.Popen(["sleep", "600"], stdout=2).pid)
"""
"""Leaves a process behind, so that a call is in flight at the end."""

SHELL = ("sh", "-c", '"$@"; exit $?', "sh")

THREADS = """
import os, queue, sys, threading
lock, todo = threading.Lock(), queue.Queue()
def work():
    while (path := todo.get()) is not None:
        with lock, open(path, "rb") as file: file.read()
        os.getppid()
threads = [threading.Thread(target=work) for _ in range(7)]
for thread in threads: thread.start()
for entry in sorted(os.scandir(sys.argv[1]), key=lambda e: e.name): todo.put(entry.path)
for _ in threads: todo.put(None)
for thread in threads: thread.join()
"""

READ, SLEEPS = (0, (35, 230)) if os.uname().machine == "x86_64" else (63, (101, 115))
"""The numbers of read, and of nanosleep and clock_nanosleep."""


def at_the_gate(pid: int) -> bool:
    """Whether the root has reached its read of descriptor 0."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith(f"{READ} 0x0 ")


def sleeps(pid: int) -> bool:
    return Path(f"/proc/{pid}/syscall").read_text().split()[0] in map(str, SLEEPS)


def listing(folder: Path) -> list[str]:
    """`ls -lR` of 7 directories with 11 files each."""
    tree = folder / "tree"
    for i in range(7):
        (tree / f"d{i}").mkdir(parents=True)
        for j in range(11):
            (tree / f"d{i}" / f"f{j}").write_text("x" * j)
    return ["ls", "-lR", str(tree)]


def log_of_a_repository(folder: Path) -> list[str]:
    """`git log` of 5 commits."""
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    git = ["git", "-C", str(folder / "repo")]
    subprocess.run(["git", "init", "-q", str(folder / "repo")], check=True, stderr=subprocess.DEVNULL)
    for i in range(5):
        (folder / "repo" / "file").write_text(f"{i}\n" * 20)
        subprocess.run([*git, "add", "file"], check=True)
        subprocess.run([*git, *who, "commit", "-q", "-m", f"change {i}"], check=True)
    return [*git, "log", "-p", "--stat"]


def compilation(folder: Path) -> list[str]:
    """A small program through all stages of gcc."""
    source = folder / "hello.c"
    source.write_text('#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    return ["gcc", "-O2", "-o", str(folder / "hello"), str(source)]


def threads(folder: Path) -> list[str]:
    """Seven threads that read 101 files and pass a lock around."""
    files = folder / "files"
    files.mkdir()
    for i in range(101):
        (files / str(i)).write_text("x" * i)
    return [sys.executable, "-I", "-S", "-c", THREADS, str(files)]


COMMANDS = {"ls -lR": listing, "git log": log_of_a_repository, "gcc": compilation, "Python threads": threads}


@dataclass(frozen=True)
class Watched:
    """A command that ran below the root, and what each of the three saw of it."""

    name: str
    root: int
    trace: Trace
    strace_log: list[str]
    perf_count: int

    def compared(self, what: str, oracle: str, said: int, sysmon: int) -> Figure:
        """Equal, except for calls that sysmon reports as missed, where a kernel preempts programs."""
        missed = 0
        if kernel_preempts_programs():
            missed = self.trace.one("SELECT coalesce(sum(lost), 0) FROM losses WHERE cause = 'recursion'")
        return Figure(f"{self.name}: {what}", oracle, said, int(sysmon), allowed=int(missed))


def watch(folder: Path, strace: str, perf: str) -> list[Watched]:
    """Runs the commands one after the other, under all three."""
    roots = {}
    for i, (name, prepare) in enumerate(COMMANDS.items()):
        quiet = ["-f", "-qq", "-e", "signal=none", "-e", "raw=all", "-o", str(folder / f"strace{i}")]
        command = [strace, *quiet, *SHELL, *prepare(folder)]
        roots[name] = python(ROOT, *command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    left = list[int]()
    with contextlib.ExitStack() as ends:
        ends.callback(lambda: [os.kill(pid, signal.SIGKILL) for pid in left])
        for root in roots.values():
            ends.callback(root.kill)
        for root in roots.values():
            wait_for(lambda pid=root.pid: at_the_gate(pid))
        pids = [word for root in roots.values() for word in ("--pid", str(root.pid))]
        trace = ends.enter_context(recording(folder / "t.parquet", *pids, "--follow"))
        for i, root in enumerate(roots.values()):
            ends.enter_context(perf_counts(perf, "raw_syscalls:sys_enter", root.pid, folder / f"perf{i}"))
        for root in roots.values():
            said, _ = root.communicate("x")
            left.append(int(said))
            assert root.returncode == 0
        for pid in left:
            wait_for(lambda pid=pid: sleeps(pid))
    trace.assert_nothing_lost()
    return [
        Watched(
            name,
            root.pid,
            trace,
            (folder / f"strace{i}").read_text().splitlines(),
            perf_count(folder / f"perf{i}"),
        )
        for i, (name, root) in enumerate(roots.items())
    ]


BELOW = """
WITH RECURSIVE below AS (
    SELECT pid, start FROM forks WHERE ppid = {0}
    UNION ALL SELECT f.pid, f.start FROM forks f JOIN below b ON (f.ppid, f.parent_start) = (b.pid, b.start)
)
"""
"""A process's descendants."""


def against_strace(run: Watched) -> list[Figure]:
    """The calls below the shell, by name, and those that never return."""
    shell = int(run.strace_log[0].split()[0])
    said, never = Counter[str](), 0
    for line in run.strace_log:
        pid, call = line.split(maxsplit=1)
        if int(pid) == shell:
            continue
        if name := re.match(r"(\w+)\(", call):
            said[name[1]] += 1
        never += bool(re.match(r"(<\.\.\. )?exit(_group)?\b.*= \?$", call))
    rows = run.trace.rows(
        BELOW.format(shell) + "SELECT syscall, sum(calls), coalesce(sum(calls) FILTER (bucket IS NULL), 0) "
        "FROM syscall_stats JOIN below USING (pid, start) GROUP BY ALL"
    )
    seen = {syscall: calls for syscall, calls, _never in rows}
    return [
        run.compared("all", "strace", said.total(), int(sum(seen.values()))),
        *(
            run.compared(syscall, "strace", said[syscall], seen.get(syscall, 0))
            for syscall in sorted(said.keys() | seen.keys())
        ),
        run.compared("those that never return", "strace", never, sum(never for *_, never in rows)),
    ]


def against_perf(run: Watched) -> Figure:
    """All calls of the root and below, including strace's own: returned, never returning, and in flight."""
    itself = f"SELECT pid, start FROM processes WHERE pid = {run.root}"
    ((counted, in_flight),) = run.trace.rows(
        f"{BELOW.format(run.root)}, whole AS (FROM below UNION ALL {itself}) "
        "SELECT (SELECT sum(calls) FROM syscall_stats JOIN whole USING (pid, start)), "
        "(SELECT count(*) FROM syscalls_in_flight JOIN whole USING (pid, start) WHERE edge = 'end')"
    )
    assert in_flight == 1, "the process that was left behind sleeps"
    return run.compared("all, with strace's own", "perf stat", run.perf_count, int(counted) + in_flight)
