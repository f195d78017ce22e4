"""Names as C++ and Rust write them."""

from __future__ import annotations

import pytest

from sysmon.recorder.symbols import demangle, wire
from sysmon.recorder.symbols.demangle import demangled

HASH = "17h0123456789abcdef"


@pytest.mark.parametrize(
    ("linked", "written"),
    [
        ("main", "main"),
        ("_ZN2ns5Shape5outerEi", "ns::Shape::outer(int)"),
        ("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad"),
        ("_RNvC6_123foo3bar", "123foo::bar"),
        (f"_ZN1r6engine14Table$LT$T$GT$6crunch{HASH}E", "r::engine::Table<T>::crunch"),
        (f"_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d${HASH}E", "std::rt::lang_start::{{closure}}"),
        (
            f"_ZN61_$LT$$RF$alloc..vec..Vec$LT$T$C$A$GT$$u20$as$u20$a..Debug$GT$3fmt{HASH}E",
            "<&alloc::vec::Vec<T,A> as a::Debug>::fmt",
        ),
        (f"_ZN6a$u1$b3fmt{HASH}E", "a$u1$b::fmt"),
        ("_ZN8a$LT$b$c3barEv", "a$LT$b$c::bar()"),
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
