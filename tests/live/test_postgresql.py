"""A database in the two troubles that it is known for: commits that wait for the disk, and locks on a row."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.recording import NOBODY, SYSMON, Trace

pytestmark = [pytest.mark.live, pytest.mark.alone]

PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=Path("/usr/lib/postgresql"))

CLIENTS = 8

WRITES_A_SECOND = 60
"""To the disk, by which commits are slow."""

AT_ONE_ROW = """
BEGIN;
UPDATE pgbench_branches SET bbalance = bbalance + 1 WHERE bid = 1;
SELECT pg_sleep(0.02);
END;
"""


def run(*command: str | Path) -> None:
    """As the server's user: it does not run as root."""
    subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], check=True, capture_output=True, cwd="/", timeout=60
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a server's socket."""
    assert PROGRAMS.name == "bin", "PostgreSQL is missing: script/setup oracles installs it"
    folder = tmp_path_factory.mktemp("postgresql")
    for each in (*folder.parents[:2], folder):
        each.chmod(0o755)
    os.chown(folder, NOBODY, NOBODY)
    data = folder / "data"
    run(PROGRAMS / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "--locale", "C")
    options = f"-c listen_addresses= -c unix_socket_directories={folder}"
    run(PROGRAMS / "pg_ctl", "-D", data, "-w", "-o", options, "-l", folder / "log", "start")
    try:
        run(PROGRAMS / "pgbench", "-h", folder, "-U", "postgres", "-i", "-q", "postgres")
        yield folder
    finally:
        run(PROGRAMS / "pg_ctl", "-D", data, "-m", "immediate", "stop")


@pytest.fixture
def slow_disk(server: Path) -> Iterator[None]:
    """The server's writes are held back by its control group: few reach the disk in a second."""
    group = Path("/sys/fs/cgroup/blkio/sysmon_postgresql")
    device = server.stat().st_dev
    if not group.parent.is_dir() or not os.major(device):
        pytest.skip("the control groups of disks are not in a hierarchy of their own, or there is no disk here")
    group.mkdir()
    try:
        limit = f"{os.major(device)}:{os.minor(device)} {WRITES_A_SECOND}"
        (group / "blkio.throttle.write_iops_device").write_text(limit)
        postmaster = (server / "data" / "postmaster.pid").read_text().splitlines()[0]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *children):
            with contextlib.suppress(ProcessLookupError):  # of a worker that has ended
                (group / "cgroup.procs").write_text(pid)
        yield
    finally:
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(pid)
        group.rmdir()


def recorded(folder: Path, server: Path, *options: str | Path) -> Trace:
    """The machine for as long as clients work."""
    path = folder / "t.parquet"
    pgbench = (PROGRAMS / "pgbench", "-h", server, "-U", "postgres", "-n", "-c", str(CLIENTS), "-j", "2", "-T", "4")
    done = subprocess.run(
        [SYSMON, "record", "-a", "--with", "waits", "-o", path, "--", *pgbench, *options, "postgres"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return Trace(path, done.stderr, done.returncode)


def first_finding(trace: Trace, doing: str) -> list[int]:
    """Its numbers: how many processes pgbench waits for, and the shares of what they do."""
    rule, summary = next(iter(trace.rows("SELECT rule, summary FROM report.findings")), (None, ""))
    found = re.fullmatch(
        r"pgbench \(\d+\) waits [\d.]+ s for (\d+) postgres processes, which, when they do not wait for it, spend "
        + doing,
        summary,
    )
    assert rule == "waits_for_server" and found, summary
    return [int(number) for number in found.groups()]


def test_commits_that_wait_for_the_disk(server: Path, slow_disk: None, tmp_path: Path) -> None:
    trace = recorded(tmp_path, server, "-N")
    processes, for_others, for_disk = first_finding(
        trace, r"(\d+) % in futex, until woken by one another, and (\d+) % in fdatasync \[[0-9A-F]{24}\]"
    )
    assert CLIENTS <= processes <= CLIENTS + 1, "and the first connection, which asks how large the tables are"
    assert for_others + for_disk > 70
    chains = trace.rows("SELECT ends_in, chain FROM report.wait_chains WHERE comm = 'pgbench'")
    assert chains[0][0] == "disk", chains[:3]


def test_locks_on_one_row(server: Path, tmp_path: Path) -> None:
    """Of eight only one can go on; the others wait until it is through, and wakes the next."""
    script = tmp_path / "at_one_row.sql"
    script.write_text(AT_ONE_ROW)
    trace = recorded(tmp_path, server, "-f", script)
    _processes, for_others, asleep = first_finding(
        trace, r"(\d+) % in epoll_wait, until woken by one another, and (\d+) % in epoll_wait \[.*\.PGSQL\..*\]"
    )
    assert for_others > 70 and asleep < 25
