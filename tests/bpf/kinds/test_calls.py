"""The declarations of calls agree with the machines' tables and with the C struct."""

from pathlib import Path

import pytest

from sysmon.bpf.kinds import calls
from sysmon.recorder.load.syscall_names import TABLES, SyscallNames

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("machine", TABLES)
def test_every_call_is_one_of_the_machine_or_known_to_be_old(machine: str) -> None:
    names = SyscallNames(machine)
    missing = {name for name in calls.SHAPES if not names.numbers([name])}
    old = {
        "open", "creat", "unlink", "rmdir", "mkdir", "mknod", "rename", "renameat", "link", "symlink", "chmod", "chown",
        "lchown", "stat", "lstat", "access", "readlink", "getdents", "epoll_wait", "poll", "select", "pause", "vfork",
    }  # fmt: skip
    assert missing <= (set() if machine == "x86_64" else old)
    assert all(number < calls.NUMBERS for number in names.numbers(calls.SHAPES))


def test_hooks_have_a_place() -> None:
    assert max(shape.hook for shape in calls.SHAPES.values()) < calls.HOOKS
