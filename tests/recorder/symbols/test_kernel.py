"""Names of the kernel's functions, from a list like /proc/kallsyms."""

from pathlib import Path

import pytest

from sysmon.recorder.symbols import kernel
from sysmon.recorder.symbols.kernel import HIDDEN, HIDDEN_FROM_ALL, LONGEST, KernelSymbols

LINES = """\
ffffffff81000200 T second
ffffffff81000100 t first
ffffffff81000180 D data
ffffffffc0000000 t of_a_module\t[ext4]
"""


def _symbols(tmp_path: Path, text: str) -> KernelSymbols:
    path = tmp_path / "kallsyms"
    path.write_text(text)
    return KernelSymbols(path)


def test_an_address_belongs_to_the_function_before_it(tmp_path: Path) -> None:
    symbols = _symbols(tmp_path, LINES)
    found = [symbols.of(0xFFFFFFFF81000000 + at) for at in (0x100, 0x1FF, 0x200, 0x210)]
    assert [(f.function, f.module, f.offset) for f in found if f] == [
        ("first", "kernel", None),
        ("first", "kernel", None),  # data in between is not code
        ("second", "kernel", None),
        ("second", "kernel", None),
    ]
    assert symbols.of(0xFFFFFFFF810000FF) is None and symbols.missing is None


def test_names_of_rust_are_decoded(tmp_path: Path) -> None:
    pytest.importorskip("pycxxfilt")
    found = _symbols(tmp_path, "ffffffff81000100 t _RNvC6kernel4init\n").of(0xFFFFFFFF81000100)
    assert found and found.function == "kernel::init"


def test_code_that_was_loaded_later_gets_no_name(tmp_path: Path) -> None:
    symbols = _symbols(tmp_path, LINES)
    for last in (0xFFFFFFFF81000200, 0xFFFFFFFFC0000000):
        assert symbols.of(last + LONGEST - 1) and not symbols.of(last + LONGEST)
    assert symbols.of(2**64 - 1) is None


def test_a_module_is_named(tmp_path: Path) -> None:
    frame = _symbols(tmp_path, LINES).of(0xFFFFFFFFC0000004)
    assert frame and (frame.function, frame.module, frame.offset) == ("of_a_module", "ext4", None)


@pytest.mark.parametrize(("restriction", "why"), [("0", HIDDEN), ("1", HIDDEN), ("2", HIDDEN_FROM_ALL), (None, HIDDEN)])
def test_why_addresses_are_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restriction: str | None, why: str
) -> None:
    monkeypatch.setattr(kernel, "RESTRICTION", tmp_path / "kptr_restrict")
    if restriction:
        kernel.RESTRICTION.write_text(f"{restriction}\n")
    symbols = _symbols(tmp_path, "0000000000000000 T first\n")
    assert symbols.missing == why and symbols.of(0xFFFFFFFF81000100) is None


def test_a_list_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    symbols = KernelSymbols(tmp_path / "none")
    assert symbols.missing == "kernel functions: No such file or directory" and symbols.of(1) is None
