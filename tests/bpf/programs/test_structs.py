"""Structs shared by C and Python are declared once."""

import re
from pathlib import Path

import pytest

from sysmon.bpf.kind import Layout
from sysmon.bpf.programs import csource, structs

C = "".join(path.read_text() for path in Path(csource.__file__).parent.glob("*.bpf.[ch]"))


@pytest.mark.parametrize("layout", structs.ALL, ids=lambda layout: layout.struct)
def test_no_c_file_declares_it_again_and_every_offset_is_asserted(layout: Layout) -> None:
    assert not re.search(rf"struct {layout.struct} \{{", C)
    text = csource.struct_text(layout)
    offsets = re.findall(rf"__builtin_offsetof\(struct {layout.struct}, (\w+)\) == (\d+)", text)
    fields = layout.dtype.fields
    assert fields is not None
    assert offsets == [(name, str(offset)) for name, (_type, offset, *_) in fields.items()]
    assert f"sizeof(struct {layout.struct}) == {layout.dtype.itemsize}" in text


@pytest.mark.parametrize("layout", structs.ALL, ids=lambda layout: layout.struct)
def test_there_is_no_padding_between_members(layout: Layout) -> None:
    """The compiler's padding would put stale bytes into maps."""
    fields = layout.dtype.fields
    assert fields is not None
    for _name, (kind, offset, *_) in fields.items():
        assert offset % kind.base.itemsize == 0
    assert layout.dtype.itemsize % max(kind.base.itemsize for kind, *_ in fields.values()) == 0


@pytest.mark.parametrize("name", structs.CONSTANTS)
def test_no_c_file_defines_a_constant_again(name: str) -> None:
    assert not re.search(rf"#define {name}\b", C)


def test_packed() -> None:
    assert structs.packed(structs.CONTROL, epoch=2, cgroup=3) == bytes(8) + b"\2" + bytes(15) + b"\3" + bytes(15)
