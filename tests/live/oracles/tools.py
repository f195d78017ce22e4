"""The programs that sysmon is compared with, and the machine state that they need."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

TRACEFS = Path("/sys/kernel/tracing")


def find(name: str) -> str | None:
    """Path of a program, if it runs."""
    # Ubuntu's /usr/bin/perf looks for one of the running kernel's version. Any other will do.
    candidates = [shutil.which(name), *map(str, sorted(Path("/usr/lib").glob(f"linux-*tools*/**/{name}")))]
    return next((found for found in candidates if found and _runs(found)), None)


def _runs(program: str) -> bool:
    return (
        Path(program).is_file()
        and not subprocess.run([program, "--version"], capture_output=True, check=False).returncode
    )


@contextlib.contextmanager
def tracefs() -> Iterator[None]:
    """perf finds a tracepoint's number there: mounted while the body runs, if it is not."""
    if (TRACEFS / "events").is_dir():
        yield
        return
    subprocess.run(["mount", "-t", "tracefs", "none", TRACEFS], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", TRACEFS], check=True)


@contextlib.contextmanager
def perf_counts(perf: str, event: str, pid: int, output: Path) -> Iterator[None]:
    """Counts an event of a process and its descendants while the body runs; `perf_count` reads the result."""
    commands, command = os.pipe()
    answer, answers = os.pipe()
    arguments = ["stat", "-x,", "-e", event, "-o", str(output), "-D", "-1", f"--control=fd:{commands},{answers}"]
    with tracefs():
        process = subprocess.Popen(
            [perf, *arguments, "-p", str(pid)], pass_fds=(commands, answers), stderr=subprocess.DEVNULL
        )
        os.close(commands)
        os.close(answers)
        os.write(command, b"enable\n")
        if not os.read(answer, 16).startswith(b"ack"):
            raise AssertionError(f"perf ended with {process.wait()}")
        try:
            yield
        finally:
            process.send_signal(2)
            process.wait()
            os.close(command)
            os.close(answer)


def perf_count(output: Path) -> int:
    """The count of `perf_counts`."""
    (line,) = (line for line in output.read_text().splitlines() if line and not line.startswith("#"))
    return int(line.split(",")[0])
