"""Values on a screen have the digits that somebody reads."""

from __future__ import annotations

import pytest

from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui.cells import cell


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("waiting", 0.00332131, "0.00332"),
        ("waiting", 1234.5, "1234"),
        ("rss_mib", 10.2539, "10.3"),
        ("cpu_pct", 12.345, "12.3"),
        ("total_s", 0.0012345, "0.001"),
        ("p50_us", 88080.4, "88,080"),
        ("p50_us", 23.64, "23.6"),
        ("pid", 123456, "123456"),
        ("calls", 123456, "123,456"),
    ],
)
def test_shows_a_value(name: str, value: Value, shown: str) -> None:
    assert cell(name, value) == shown
