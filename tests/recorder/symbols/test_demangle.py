"""Names as C++ and Rust write them."""

from __future__ import annotations

import pytest

from sysmon.recorder.symbols import demangle, wire
from sysmon.recorder.symbols.demangle import demangled


@pytest.mark.parametrize(
    ("linked", "written"),
    [
        ("main", "main"),
        ("_ZN2ns5Shape5outerEi", "ns::Shape::outer(int)"),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
        ("_RNvC6_123foo3bar", "123foo::bar"),
        ("_Znonsense", "_Znonsense"),
        ("_Z" + "N" * wire.NAME_BYTES, "_Z" + "N" * wire.NAME_BYTES),
    ],
)
def test_names(linked: str, written: str) -> None:
    pytest.importorskip("pycxxfilt")
    assert demangled(linked) == written


def test_without_the_extra_they_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(demangle, "pycxxfilt", raising=False)
    assert demangled("_ZN2ns5Shape5outerEi") == "_ZN2ns5Shape5outerEi"
