"""Domain names as DNS sends them."""

import pyarrow as pa
import pytest

from sysmon.recorder.read import strings

NAMES = {
    b"": ".",
    b"\3www\7example\3com": "www.example.com",
    b"\4a.\\ \3\xff\0z": r"a\.\\\032.\255\000z",
    b"\x3f" + b"x" * 63: "x" * 63,
    b"\5cut": "cut",
}


@pytest.mark.parametrize("raw", NAMES)
def test_a_domain_as_text(raw: bytes) -> None:
    assert strings.domain(raw) == NAMES[raw]


def test_domains_of_a_column() -> None:
    raw = pa.array([b"\1a", None, b"\1a", b""], pa.binary())
    assert strings.domains(raw).to_pylist() == ["a", None, "a", "."]
