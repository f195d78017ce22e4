"""What is left in the kernel when a recording ends, and two concurrent recordings."""

import ctypes
import os
import platform
import signal
import time
from pathlib import Path

import pytest

from sysmon.recorder.load.bpf_syscall import NR_BPF
from tests.live.recording import Recording, python, recording, start

pytestmark = pytest.mark.live

PROGRAM, MAP, LINK = 11, 12, 31
"""Commands of bpf(2) that give the next id: BPF_PROG_GET_NEXT_ID, BPF_MAP_GET_NEXT_ID, BPF_LINK_GET_NEXT_ID."""

SETTLED_S = 20.0
"""The kernel frees programs and maps after an RCU grace period, in a work queue: later than the process ends."""

CALLS = 100_003


class NextId(ctypes.Structure):
    """The part of union bpf_attr that these commands use; include/uapi/linux/bpf.h."""

    _fields_ = (("start_id", ctypes.c_uint32), ("next_id", ctypes.c_uint32), ("open_flags", ctypes.c_uint32))


def ids(command: int) -> set[int]:
    """The ids of all programs, maps or links in the kernel, whoever owns them."""
    libc = ctypes.CDLL(None, use_errno=True)
    number, found, attr = NR_BPF[platform.machine()], set(), NextId()
    while libc.syscall(number, command, ctypes.byref(attr), ctypes.sizeof(attr)) == 0:
        found.add(attr.next_id)
        attr.start_id = attr.next_id
    assert ctypes.get_errno() == 2, os.strerror(ctypes.get_errno())  # ENOENT: there are no more
    return found


def id_of(pid: int) -> tuple[set[int], set[int], set[int]]:
    """The ids of the programs, maps and links that a process holds, from /proc/PID/fdinfo."""
    found: dict[str, set[int]] = {"prog_id:": set(), "map_id:": set(), "link_id:": set()}
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        for line in path.read_text().splitlines():
            name, _, value = line.partition("\t")
            if name in found:
                found[name].add(int(value))
    programs, maps, links = found.values()
    return programs, maps, links


def end(running: Recording, how: str) -> None:
    if how == "kill":
        running.process.kill()
        running.stop()
    else:
        assert running.stop(signal.SIGINT if how == "Ctrl-C" else signal.SIGTERM) == 0, running.output


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM", "kill", "duration"])
def test_nothing_is_left_in_the_kernel(tmp_path: Path, how: str) -> None:
    """By id, as others on the machine may load programs meanwhile: what the recorder held is gone."""
    running = start(tmp_path / "t.parquet", *(["--duration", "1"] if how == "duration" else []))
    held = id_of(running.process.pid)
    programs, maps, _links = held
    assert len(programs) > 3 and len(maps) > 10, "the oracle sees what there is"
    assert programs <= ids(PROGRAM) and maps <= ids(MAP)
    if how == "duration":
        assert running.process.wait(60) == 0
    end(running, "Ctrl-C" if how == "duration" else how)
    commands = (PROGRAM, MAP, LINK)
    until = time.monotonic() + SETTLED_S
    while left := [mine & ids(command) for mine, command in zip(held, commands, strict=True)]:
        if not any(left):
            break
        assert time.monotonic() < until, left
        time.sleep(0.05)
    assert not pinned(programs | maps)


def pinned(mine: set[int]) -> list[str]:
    """Files below /sys/fs/bpf, where programs and maps would outlive every process; none is sysmon's."""
    return [str(p) for p in Path("/sys/fs/bpf").rglob("*") if "sysmon" in p.name] if mine else []


def test_two_recordings_at_once_are_both_right(tmp_path: Path) -> None:
    """One begins and ends before the other; both see all calls made while they ran."""
    first = start(tmp_path / "1.parquet")
    with recording(tmp_path / "2.parquet", "--syscalls", "getppid") as second:
        process = python(f"import os, subprocess\nfor _ in range({CALLS}): os.getppid()\nsubprocess.run(['/bin/true'])")
        assert process.wait(120) == 0
        assert first.stop() == 0, first.output
        after = python("import os\nfor _ in range(1009): os.getppid()")
        assert after.wait(60) == 0
    calls = "SELECT sum(calls) FROM syscall_stats WHERE syscall = 'getppid' AND pid = "
    for trace in (first, second):
        trace.assert_calls(f"{calls}{process.pid}", CALLS)
        assert trace.one(f"SELECT count(*) FROM forks WHERE ppid = {process.pid}") == 1
        assert trace.one(f"SELECT count(*) FROM exits WHERE pid = {process.pid} AND exit_code = 0") == 1
    second.assert_calls(f"{calls}{after.pid}", 1009)
    assert first.one(f"SELECT count(*) FROM exits WHERE pid = {after.pid}") == 0
    events = second.one(f"SELECT count(*) FROM syscall_events WHERE pid = {process.pid}")
    lost = second.one("SELECT coalesce(sum(lost), 0) FROM losses WHERE place = 'syscall' AND cause = 'ring full'")
    assert events == CALLS or 0 < CALLS - events <= lost
