"""The declarations of calls agree with the tables of calls and with the C struct."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sysmon.bpf.kinds import calls
from sysmon.recorder.load.syscall_names import TABLES, SyscallNames

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("machine", TABLES)
def test_every_call_is_one_of_the_machine_or_known_to_be_old(machine: str) -> None:
    names = SyscallNames(machine)
    missing = {name for name in calls.SHAPES if not names.numbers([name])}
    old = {
        "open", "creat", "unlink", "rmdir", "mkdir", "mknod", "rename", "renameat", "link", "symlink", "chmod", "chown",
        "lchown",
    }  # fmt: skip
    assert missing <= (set() if machine == "x86_64" else old)
    assert all(number < calls.NUMBERS for number in names.numbers(calls.SHAPES))


def test_a_shape_fits_its_struct() -> None:
    """The same fields in the same order, a byte each."""
    text = (ROOT / "bpf" / "calls.bpf.h").read_text()
    (body,) = re.findall(r"struct shape \{\n(.*?)\n\};", re.sub(r"//.*", "", text), re.DOTALL)
    of_bytes = [name.strip() for names in re.findall(r"\bu8 ([^;]+);", body) for name in names.split(",")]
    assert of_bytes == [*(field.name for field in fields(calls.Shape)), "unused[4]"]
    assert "u16" not in body and "u32" not in body and "u64" not in body
    assert max(shape.hook for shape in calls.SHAPES.values()) < calls.HOOKS
