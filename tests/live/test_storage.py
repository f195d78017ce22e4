"""I/O as the kernel accounts it, whatever the way of access."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sysmon.recorder.sample import cgroups
from tests.live.oracles import storage
from tests.live.oracles.figure import assert_all_hold
from tests.live.recording import NOBODY, python, record_command, recording

pytestmark = pytest.mark.live

METADATA = 65_536
"""What a file system may itself write with a few MiB."""

WRITE = "import os\nf = open({path!r}, 'ab', 0)\nfor _ in range({n}): f.write(bytes(1 << 20))\n"


def writer(path: Path, name: str, uid: int) -> subprocess.Popen[str]:
    """A process with this name and user that waits for a line, writes 2 MiB, reports it and stays alive."""
    code = (
        f"import os; f = open({str(path)!r}, 'wb', 0); open('/proc/self/comm', 'w').write({name!r}); os.setuid({uid})\n"
        "print(0, flush=True); input()\n"
        "for _ in range(2): f.write(bytes(1 << 20))\n"
        "print(1, flush=True); input()"
    )
    process = python(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    return process


@pytest.mark.quick
def test_the_kernels_accounting_is_in_the_trace(tmp_path: Path) -> None:
    assert_all_hold(storage.accounted(tmp_path))


def test_io_without_calls_is_in_the_report(tmp_path: Path) -> None:
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", storage.LIBAIO, cwd=tmp_path)
    (row,) = r.rows("SELECT written_bytes, storage_written_bytes FROM report.io ORDER BY 2 DESC LIMIT 1")
    assert row[0] == 0 and 20 << 20 <= row[1] < 21 << 20
    r.assert_nothing_lost()


def test_io_before_the_recording_is_not_counted(tmp_path: Path) -> None:
    """A process that wrote 5 MiB before, writes 3 MiB, and stays alive; each interval has its own part."""
    code = WRITE.format(path=str(tmp_path / "x"), n=5) + "print(1, flush=True); input()\n"
    code += WRITE.format(path=str(tmp_path / "x"), n=2) + "print(2, flush=True); input()\n"
    code += WRITE.format(path=str(tmp_path / "x"), n=1) + "print(3, flush=True); input()\n"
    process = python(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin and process.stdout
    process.stdout.readline()
    with recording(tmp_path / "t.parquet", "--interval", "0.3") as r:
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            time.sleep(0.8)
    process.kill()
    process.communicate()
    rows = r.rows(
        f"SELECT storage_write_bytes FROM process_io WHERE pid = {process.pid} AND storage_write_bytes > 0 ORDER BY ts"
    )
    assert 3 << 20 <= sum(n for (n,) in rows) <= (3 << 20) + METADATA and len(rows) >= 2


def test_io_of_a_thread_that_calls_execve_is_counted_once(tmp_path: Path) -> None:
    """The thread takes the leader's place and start, and keeps its own account."""
    code = (
        "import os, threading, time\n"
        "def run():\n"
        f" f = open({str(tmp_path / 'x')!r}, 'wb', 0)\n"
        " for _ in range(3): f.write(bytes(1 << 20))\n"
        " time.sleep(0.7)\n"  # so that a snapshot has looked at it
        " os.execv('/bin/cat', ['cat', '/proc/self/io', '-'])\n"
        "t = threading.Thread(target=run); t.start(); t.join()"
    )
    with recording(tmp_path / "t.parquet", "--interval", "0.2") as r:
        process = python(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout
        said = dict(process.stdout.readline().split(": ") for _ in range(7))
        time.sleep(0.5)
        process.communicate("")
    written = r.one(f"SELECT sum(wchar_bytes) FROM process_io WHERE pid = {process.pid}")
    assert 3 << 20 <= int(said["wchar"]) <= written <= int(said["wchar"]) + 4096


@pytest.mark.parametrize("chosen", ["--uid", "--comm", "--pid", "--cgroup"])
def test_filters_apply_to_io_accounting(tmp_path: Path, chosen: str) -> None:
    """Two processes that write the same and stay alive; one of them is chosen."""
    group = Path(cgroups.mount_point() or "") / f"sysmon-io-{os.getpid()}" / "below"
    asked, other = (writer(tmp_path / name, name, uid) for name, uid in (("asked", NOBODY), ("other", 0)))
    try:
        values = {"--uid": str(NOBODY), "--comm": "asked", "--pid": str(asked.pid), "--cgroup": str(group.parent)}
        if chosen == "--cgroup":
            group.mkdir(parents=True)
            (group / "cgroup.procs").write_text(str(asked.pid))
        with recording(tmp_path / "t.parquet", chosen, values[chosen], "--interval", "0.2") as r:
            for process in (asked, other):
                assert process.stdin and process.stdout
                process.stdin.write("\n")
                process.stdin.flush()
                process.stdout.readline()
            time.sleep(0.5)
    finally:
        for process in (asked, other):
            process.kill()
            process.communicate()
        if group.exists():
            group.rmdir()
            group.parent.rmdir()
    found = r.rows("SELECT pid, sum(storage_write_bytes) AS n FROM process_io GROUP BY pid HAVING n > 0")
    ((pid, written),) = found
    assert pid == asked.pid and 2 << 20 <= written <= (2 << 20) + METADATA
