"""What happens to counts that do not fit: maps with a few entries, and programs that need more."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sysmon.bpf.columns import OTHER_PID
from sysmon.bpf.kinds import kind_named
from sysmon.bpf.kinds import waits as waiting
from sysmon.bpf.kinds.objects import OBJECTS, WAYS
from sysmon.bpf.kinds.stacks import NO_ROOM, NONE, NOT_TAKEN, OFF_CPU, UNREADABLE
from sysmon.bpf.kinds.syscalls import NO_RETURN
from sysmon.bpf.programs import csource, structs
from sysmon.recorder.load import bpf_maps, bpf_programs, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.cpus import possible_cpus
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read.counters import Control, MapPair, TotalsMap
from sysmon.recorder.sample import clock
from sysmon.recorder.select import kind_selection
from sysmon.recorder.select.filters import Filters
from sysmon.recorder.stacks.maps import StackMaps
from tests.live.recording import kernel_preempts_programs, python

pytestmark = pytest.mark.live

ENTRIES = 16
CALLS = 10_007
CODE = f"""
import os
input()
for _ in range({CALLS}): os.getppid()
for i in range(307):
    for call in (os.getuid, os.getgid, os.geteuid, os.getegid, os.sched_yield, os.getpgrp, os.getcwd): call()
"""
LOST = list(csource.losses())


@contextlib.contextmanager
def counting(loaded: loader.Loaded, pid: int) -> Iterator[Control]:
    """Counts everything of one process, and of no other."""
    filters = Filters(pids=(pid,))
    filters.install(loaded)
    filters.follow(loaded, filters.pids)
    loaded.attach()
    control = Control(loaded)
    control.start(clock.boottime_ns(), filters.flags)
    yield control
    loaded.detach()
    control.close()


def test_overflow_is_counted_without_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    bpf_maps.raise_memlock_limit()
    monkeypatch.setattr(csource.Sizes, "map_entries", lambda self, kind: ENTRIES)
    names = SyscallNames()
    loaded = loader.Loading(program.plan(Btf.of_kernel(), names)).result()
    cpus = possible_cpus()
    stats = MapPair(kind_named("syscall_stats"), loaded, cpus)
    process = python(CODE, stdin=-1)
    assert process.stdin
    with counting(loaded, process.pid) as control:
        process.stdin.write("\n")
        process.stdin.close()
        assert os.waitpid(process.pid, 0)[1] == 0
        epoch, ended = control.stop()
    process.returncode = 0
    rows = stats.drain(epoch, ended.boottime_ns)
    lost = dict(zip(LOST, TotalsMap(loaded, cpus).read().lost.tolist(), strict=True))

    own, others = rows[rows["pid"] == process.pid], rows[rows["pid"] == OTHER_PID]
    assert len(rows) == len(own) + len(others)
    # A cell is created on one CPU for all, so a CPU that comes late may find one that another just created.
    assert len(own) <= ENTRIES < len(rows)
    assert np.all(others["start"] == 0)

    def calls_of(name: str, of: np.ndarray) -> int:
        return int(of["calls"][of["nr"] == names.number(name)].sum())

    missed = sum(s.recursion_misses for s in map(bpf_programs.stats, loaded.programs.values()))
    for name, calls in {"getppid": CALLS, "getegid": 307, "sched_yield": 307}.items():
        short = calls - calls_of(name, rows)
        assert short == 0 or (kernel_preempts_programs() and 0 < short <= missed)
    assert calls_of("getegid", others) > 0
    # Each call without a process was counted as overflow, and none was lost for good.
    assert int(others["calls"].sum()) == lost["syscall_stats_map"]
    assert lost["syscall_stats_other"] == 0


PEERS = """
import socket
input()
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in range(20001, 20098): s.sendto(b"abc", ("127.0.0.1", port))
"""


def test_datagram_overflow_is_counted_without_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    bpf_maps.raise_memlock_limit()
    monkeypatch.setattr(csource.Sizes, "map_entries", lambda self, kind: ENTRIES)
    names = SyscallNames()
    loaded = loader.Loading(program.plan(Btf.of_kernel(), names)).result()
    loaded.tell_shapes(names)
    peers = MapPair(kind_named("peer"), loaded, possible_cpus())
    process = python(PEERS, stdin=-1)
    assert process.stdin
    with counting(loaded, process.pid) as control:
        process.stdin.write("\n")
        process.stdin.close()
        assert os.waitpid(process.pid, 0)[1] == 0
        epoch, ended = control.stop()
    process.returncode = 0
    rows = peers.drain(epoch, ended.boottime_ns)
    others = rows[rows["pid"] == OTHER_PID]
    assert len(rows) == ENTRIES + 1 and len(others) == 1
    assert others["remote_port"] == 0 and others["remote_address_len"] == 0xFFFFFFFF
    assert int(rows["datagrams_sent"].sum()) == 97 and int(rows["datagram_bytes_sent"].sum()) == 291


READS = """
import mmap, os, sys
input()
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
for i in range(97): os.preadv(fd, [mmap.mmap(-1, 4096 << i % 5)], 0)
"""


def test_request_overflow_is_counted_without_a_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A read on a disk is one request, and each of a few sizes and durations has a cell of its own."""
    file = tmp_path / "x"
    file.write_bytes(os.urandom(1 << 20))
    if not os.path.exists(f"/sys/dev/block/{os.major(file.stat().st_dev)}:{os.minor(file.stat().st_dev)}"):
        pytest.skip("the directory for temporary files is on no disk")
    bpf_maps.raise_memlock_limit()
    monkeypatch.setattr(csource.Sizes, "map_entries", lambda self, kind: ENTRIES)
    loaded = loader.Loading(program.plan(Btf.of_kernel(), SyscallNames())).result()
    requests = MapPair(kind_named("block_io"), loaded, possible_cpus())
    os.sync()
    process = python(READS, str(file), stdin=-1)
    assert process.stdin
    with counting(loaded, process.pid) as control:
        process.stdin.write("\n")
        process.stdin.close()
        assert os.waitpid(process.pid, 0)[1] == 0
        epoch, ended = control.stop()
    process.returncode = 0
    rows = requests.drain(epoch, ended.boottime_ns)
    lost = dict(zip(LOST, TotalsMap(loaded, possible_cpus()).read().lost.tolist(), strict=True))
    others = rows[rows["pid"] == OTHER_PID]
    assert int(rows["requests"].sum()) >= 97 and int(others["requests"].sum()) > 0
    assert int(rows["request_bytes"].sum()) >= sum(4096 << i % 5 for i in range(97))
    assert set(others["duration_bucket"].tolist()) == {NO_RETURN} and set(others["io_group"].tolist()) == {0}
    assert int(others["requests"].sum() + others["queued"].sum()) == lost["block_io_map"]
    assert lost["block_io_other"] == 0


FILES = """
import os
fds = [os.memfd_create(str(n)) for n in range(97)]
input()
for fd in fds: os.write(fd, b"abc")
"""


def test_files_that_do_not_fit_are_counted_without_process_and_file(monkeypatch: pytest.MonkeyPatch) -> None:
    bpf_maps.raise_memlock_limit()
    monkeypatch.setattr(csource.Sizes, "map_entries", lambda self, kind: ENTRIES if kind is OBJECTS else 8192)
    names = SyscallNames()
    loaded = loader.Loading(
        program.plan(Btf.of_kernel(), names, kind_selection.kinds((), (), (OBJECTS.name,)))
    ).result()
    loaded.tell_shapes(names)
    cpus = possible_cpus()
    files = MapPair(OBJECTS, loaded, cpus)
    process = python(FILES, stdin=-1)
    assert process.stdin
    with counting(loaded, process.pid) as control:
        process.stdin.write("\n")
        process.stdin.close()
        assert os.waitpid(process.pid, 0)[1] == 0
        epoch, ended = control.stop()
    process.returncode = 0
    rows = files.drain(epoch, ended.boottime_ns)
    lost = dict(zip(LOST, TotalsMap(loaded, cpus).read().lost.tolist(), strict=True))
    writes = rows[rows["way"] == WAYS.index("write")]
    others = rows[rows["pid"] == OTHER_PID]
    assert int(writes["calls"].sum()) == 97 and int(writes["bytes"].sum()) == 291
    assert len(rows) == ENTRIES + len(others) and not others["object"].any() and not others["object_device"].any()
    assert int(others["calls"].sum()) == lost["objects_map"] and lost["objects_other"] == 0


SLEEPS = """
import threading, time
input()
threads = [threading.Thread(target=time.sleep, args=(0.05,)) for _ in range(97)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""


@pytest.mark.parametrize(("entries", "stacks"), [(ENTRIES, 8192), (8192, 2)])
def test_waits_that_do_not_fit_are_counted_without_a_stack(
    monkeypatch: pytest.MonkeyPatch, entries: int, stacks: int
) -> None:
    """And a stack that does not fit changes no count."""
    bpf_maps.raise_memlock_limit()
    monkeypatch.setattr(csource.Sizes, "map_entries", lambda self, kind: entries if kind is OFF_CPU else 8192)
    monkeypatch.setitem(structs.CONSTANTS, "STACK_ENTRIES", stacks)
    kinds = kind_selection.kinds((), (), (OFF_CPU.name,))
    loaded = loader.Loading(program.plan(Btf.of_kernel(), SyscallNames(), kinds)).result()
    cpus = possible_cpus()
    waits, whole = MapPair(OFF_CPU, loaded, cpus), MapPair(kind_named("cpu"), loaded, cpus)
    process = python(SLEEPS, stdin=-1)
    assert process.stdin
    with counting(loaded, process.pid) as control:
        process.stdin.write("\n")
        process.stdin.close()
        assert os.waitpid(process.pid, 0)[1] == 0
        epoch, ended = control.stop()
    process.returncode = 0
    rows, of_cpu = (pair.drain(epoch, ended.boottime_ns) for pair in (waits, whole))
    lost = dict(zip(LOST, TotalsMap(loaded, cpus).read().lost.tolist(), strict=True))

    waited = ~np.isin(of_cpu["waited_for"], [waiting.NUMBERS["runnable"], waiting.NUMBERS["throttled"]])
    for count in ("waits", "waited_ns"):
        assert int(rows[count].sum()) == int(of_cpu[count][waited].sum())
    assert int(rows["waits"].sum()) >= 97
    others = rows[rows["pid"] == OTHER_PID]
    assert bool(len(others)) is (entries == ENTRIES)
    assert not others["user_stack"].any() and not others["kernel_stack"].any() and not others["tid"].any()
    assert int(others["waits"].sum()) == lost["off_cpu_map"] and lost["off_cpu_other"] == 0
    kept = StackMaps(loaded).drain(epoch)
    used = {*rows["kernel_stack"].tolist(), *rows["user_stack"].tolist()}
    assert used <= {*kept, NONE, NO_ROOM, UNREADABLE, NOT_TAKEN}
    is_full = stacks == 2
    assert (NO_ROOM in used, lost["stack_map"] > 0, len(kept) == 2) == (is_full, is_full, is_full)
