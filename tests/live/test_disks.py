"""Requests to disks: against the kernel's own tracing and statistics, on loop devices, one of them slow."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysmon.analyze.trace.findings import findings
from tests.live.oracles import block
from tests.live.recording import Trace, python, recording, wait_for

pytestmark = pytest.mark.live

SLOW_S = 0.06
SLOW_WRITES = 29
MIB = 1 << 20

WRITE = """
import mmap, os, sys
path, count, size, at = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
fd = os.open(path, os.O_RDWR | os.O_DIRECT)
page = mmap.mmap(-1, size)
for i in range(count): os.pwrite(fd, page, at + i * size)
"""

WORK = """
import fcntl, mmap, os, struct, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_DIRECT)
BLKDISCARD = 0x1277
small, large = mmap.mmap(-1, 16384), mmap.mmap(-1, 4 << 20)
for i in range(31): os.pwrite(fd, small, i * 16384)
os.pwrite(fd, large, 8 << 20)          # more than a request may have: split
for i in range(17): os.preadv(fd, [small], i * 65536)
for i in range(5): os.fsync(fd)
for i in range(3): fcntl.ioctl(fd, BLKDISCARD, struct.pack("QQ", (16 + i) << 20, 1 << 20))
buffered = os.open(sys.argv[1], os.O_RDWR)
os.posix_fadvise(buffered, 24 << 20, 1 << 20, os.POSIX_FADV_RANDOM)  # no read-ahead: pages are read one by one
for i in range(64): os.pwrite(buffered, bytes(4096), (24 << 20) + i * 4096)
os.fsync(buffered)                     # pages that are next to each other become one request
"""


@dataclass(frozen=True)
class Recorded:
    trace: Trace
    slow: str
    fast: str
    gone: str
    writer: int
    worker: int
    served: list[block.Served]
    did: dict[str, int]
    number_of: dict[str, int]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, live_kernel: None) -> Iterator[Recorded]:
    tmp = tmp_path_factory.mktemp("disks")
    for name in ("fast", "gone"):
        with open(tmp / name, "wb") as f:
            f.truncate(64 * MIB)
    with contextlib.ExitStack() as stack:
        slow_file = stack.enter_context(block.slow_file(tmp / "slow", 16 * MIB, SLOW_S))
        slow, fast, gone = (stack.enter_context(block.loop(f)) for f in (slow_file, tmp / "fast", tmp / "gone"))
        numbers = {name: os.stat(f"/dev/{name}").st_rdev for name in (slow, fast, gone)}
        traced = stack.enter_context(block.traced(tmp / "tracing", *numbers.values()))
        before_all = python(WRITE, f"/dev/{slow}", "2000", "4096", "0")
        wait_for(lambda: block.stat(slow)["in_flight"] > 0)  # when the recording begins, too
        with recording(tmp / "t.parquet", "-a", "--interval", "0.5") as r:
            before_all.kill()
            before_all.wait()
            writer = python(WRITE, f"/dev/{slow}", str(SLOW_WRITES), "4096", str(8 * MIB))
            before = block.stat(fast)
            worker = python(WORK, f"/dev/{fast}")
            assert worker.wait() == 0
            subprocess.run(["blkdiscard", f"/dev/{gone}"], check=True)
            block.detach(gone)
            assert writer.wait() == 0
            wait_for(lambda: block.stat(fast)["in_flight"] == 0)
            did = {name: n - before[name] for name, n in block.stat(fast).items()}
            last = python(WRITE, f"/dev/{slow}", "40", "4096", "0")
            wait_for(lambda: block.stat(slow)["in_flight"] > 0)
        last.kill()
        last.wait()
        yield Recorded(r, slow, fast, gone, writer.pid, worker.pid, traced.served(), did, numbers)


def test_counts_and_bytes_are_those_of_the_kernel(recorded: Recorded) -> None:
    device = recorded.number_of[recorded.fast]
    counted = {
        operation: (n, size)
        for operation, n, size in recorded.trace.rows(
            "SELECT operation, CAST(sum(requests) AS BIGINT), CAST(sum(request_bytes) AS BIGINT) FROM block_io "
            f"WHERE disk_device = {device} GROUP BY ALL"
        )
    }
    did = recorded.did
    assert counted["read"] == (did["reads"], did["read_bytes"])
    writes, written = counted["write"]
    assert (writes + counted["flush wait"][0], written) == (did["writes"], did["write_bytes"])
    assert counted["discard"] == (did["discards"], did["discard_bytes"]) and did["discard_bytes"] == 3 * MIB
    assert counted["flush"][0] == did["flushes"] > 0
    assert written == 31 * 16384 + 4 * MIB + 64 * 4096 and counted["read"][1] >= 17 * 16384


def test_large_writes_are_split_and_small_ones_merged(recorded: Recorded) -> None:
    device = recorded.number_of[recorded.fast]
    (sizes,) = recorded.trace.rows(
        "SELECT count(*) FILTER (size_bucket = 14), sum(requests) FILTER (size_bucket > 14) FROM block_io "
        f"WHERE disk_device = {device} AND operation = 'write' AND stage = 'service' AND pid = {recorded.worker}"
    )
    assert sizes[0] > 0 and sizes[1] >= 2


def test_requests_are_those_of_the_process_that_made_them(recorded: Recorded) -> None:
    device = recorded.number_of[recorded.slow]
    rows = recorded.trace.rows(
        "SELECT submitted_by, sum(requests), sum(request_bytes) FROM block_io "
        f"WHERE disk_device = {device} AND pid = {recorded.writer} AND operation = 'write' GROUP BY ALL"
    )
    assert rows == [("process", SLOW_WRITES, SLOW_WRITES * 4096)]
    others = recorded.trace.rows(
        f"SELECT DISTINCT submitted_by FROM block_io WHERE pid IS NULL AND disk_device = {device}"
    )
    assert {by for (by,) in others} <= {"device", None}


def test_durations_are_those_that_the_kernels_tracing_saw(recorded: Recorded) -> None:
    device = recorded.number_of[recorded.slow]
    ((n, total_ns, max_ns),) = recorded.trace.rows(
        "SELECT CAST(sum(requests) AS BIGINT), sum(service_ns), max(max_service_ns) FROM block_io "
        f"WHERE disk_device = {device} AND pid = {recorded.writer} AND operation = 'write'"
    )
    seen = [s.ended_ns - s.issued_ns for s in recorded.served if s.device == device and s.sector >= 8 * MIB // 512]
    assert n == len(seen) and min(seen) >= SLOW_S * 1e9
    # Both read the clock in the same two places, some us apart.
    assert sum(seen) * 0.99 <= total_ns <= sum(seen) * 1.01
    assert max_ns <= max(seen) * 1.05
    (p50,) = recorded.trace.rows(
        f"SELECT service_p50_us FROM report.disk_io WHERE pid = {recorded.writer} AND operation = 'write'"
    )
    assert sorted(seen)[len(seen) // 2] / 1e3 == pytest.approx(p50[0], rel=0.0625)


def test_a_slow_device_is_a_finding_with_who_waits_for_it(recorded: Recorded) -> None:
    found = [f for f in findings(recorded.trace.opened) if f.rule == "slow_device"]
    (f,) = [f for f in found if recorded.slow in f.summary]
    said = re.fullmatch(
        rf"the disk {recorded.slow} takes (\d+) ms for a write; .* \({recorded.writer}\) waited [\d.]+ s for it",
        f.summary,
    )
    slowest = max(s.ended_ns - s.issued_ns for s in recorded.served)
    assert said and SLOW_S * 1e3 <= int(said[1]) <= slowest / 1e6
    assert not any(recorded.fast in f.summary for f in found)


def test_what_lies_below_a_device(recorded: Recorded) -> None:
    rows = dict(recorded.trace.rows("SELECT disk, (below, backing_file) FROM report.disks"))
    below, path = rows[recorded.fast]
    parent = os.stat(path).st_dev
    name = Path(f"/sys/dev/block/{os.major(parent)}:{os.minor(parent)}").resolve().name
    assert below == name or not Path(f"/sys/class/block/{name}").exists()
    assert rows[recorded.slow][0] is None, "its file is on no disk"


def test_a_device_that_goes_away_keeps_its_requests(recorded: Recorded) -> None:
    (row,) = recorded.trace.rows(
        f"SELECT sum(requests), sum(request_bytes) FROM block_io WHERE operation = 'discard' "
        f"AND disk_device = {recorded.number_of[recorded.gone]}"
    )
    assert row == (1, 64 * MIB)


def test_requests_in_flight_at_both_ends(recorded: Recorded) -> None:
    device = recorded.number_of[recorded.slow]
    ((unknown,),) = recorded.trace.rows(
        f"SELECT sum(requests) FROM block_io WHERE submitted_by IS NULL AND pid IS NULL AND disk_device = {device}"
    )
    assert unknown == 1, "the one made before the recording"
    rows = recorded.trace.rows(
        "SELECT ts, requests_in_flight, oldest_ns FROM block_requests_in_flight "
        f"WHERE disk_device = {device} ORDER BY ts DESC LIMIT 1"
    )
    assert rows and rows[0][1] == 1 and 0 <= rows[0][2] < 60e9
    assert rows[0][0] == recorded.trace.one("SELECT max(ts) FROM clocks")


def test_io_of_a_limited_group_is_blocked_on_a_fast_disk(tmp_path: Path, live_kernel: None) -> None:
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    roots = [words[1] for words in mounts if words[2] == "cgroup" and "blkio" in words[3].split(",")]
    if not roots:
        pytest.skip("the controller blkio is not one of version 1 here")
    with open(tmp_path / "disk", "wb") as f:
        f.truncate(16 * MIB)
    group = Path(roots[0]) / f"sysmon-{os.getpid()}"
    with block.loop(tmp_path / "disk") as name:
        number = os.stat(f"/dev/{name}").st_rdev
        group.mkdir()
        try:
            (group / "blkio.throttle.write_bps_device").write_text(f"{os.major(number)}:{os.minor(number)} {MIB}")
            with recording(tmp_path / "t.parquet", "-a") as r:
                writer = python("input()\n" + WRITE, f"/dev/{name}", "37", "65536", "0", stdin=subprocess.PIPE)
                (group / "cgroup.procs").write_text(str(writer.pid))
                writer.communicate("\n")
        finally:
            wait_for(lambda: not (group / "cgroup.procs").read_text())
            group.rmdir()
    rows = dict(
        r.rows(
            "SELECT submitted_by, CAST(sum(requests) AS BIGINT) FROM block_io WHERE operation = 'write' "
            f"AND disk_device = {number} AND submitted_by IN ('process', 'limited') GROUP BY ALL"
        )
    )
    assert sum(rows.values()) == 37 and rows["limited"] > 0
    (f,) = [f for f in findings(r.opened) if f.rule == "limited_io"]
    assert f.pid == writer.pid and f"{group.name}" in f.evidence
    assert "slow_device" not in {f.rule for f in findings(r.opened)}
