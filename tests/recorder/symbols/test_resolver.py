"""Where in which file an address of a process is: of this process."""

import ctypes
import mmap
import os
from pathlib import Path

import pytest

from sysmon.recorder.symbols import resolver
from sysmon.recorder.symbols.resolver import NO_FILE, NOT_CODE, NOT_READ, Resolved, Resolver

pytestmark = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux")


def asked(*addresses: int, pid: int = os.getpid()) -> list[Resolved]:
    r = Resolver()
    r.ask(pid, 5, os.getuid(), addresses)
    return r.poll()


def test_code_of_a_file() -> None:
    address = ctypes.cast(ctypes.CDLL(None).getpid, ctypes.c_void_p).value
    assert address
    begin, offset, path = next(
        (int(line.split("-")[0], 16), int(line.split()[2], 16), line.split()[-1])
        for line in Path("/proc/self/maps").read_text().splitlines()
        if int(line.split("-")[0], 16) <= address < int(line.split("-")[1].split()[0], 16)
    )
    [one] = asked(address)
    [frame] = one.frames
    assert (one.pid, one.start, one.address, one.missing) == (os.getpid(), 5, address, NOT_READ)
    assert (frame.function, frame.module, frame.offset) == ("", path, address - begin + offset)


def test_what_is_no_code() -> None:
    buffer = ctypes.create_string_buffer(10)
    assert [(one.frames, one.missing) for one in asked(ctypes.addressof(buffer), 0, 2**64 - 1)] == [((), NOT_CODE)] * 3


def test_code_in_no_file() -> None:
    page = mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_EXEC)
    address = int(next(
        line.split("-")[0] for line in Path("/proc/self/maps").read_text().splitlines()
        if " r-xp " in line and len(line.split()) == 5
    ), 16)  # fmt: skip
    assert [(one.frames, one.missing) for one in asked(address)] == [((), NO_FILE)]
    page.close()


def test_a_process_that_has_ended() -> None:
    [one] = asked(4096, pid=2**22 + 1)
    assert (one.frames, one.missing) == ((), "mappings: No such file or directory")


def test_an_answer_comes_once_and_reading_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver, "MAPS_BYTES", 0)
    r = Resolver()
    r.ask(os.getpid(), 5, os.getuid(), [4096])
    assert [one.missing for one in r.poll()] == [NOT_CODE]
    assert r.poll() == []
