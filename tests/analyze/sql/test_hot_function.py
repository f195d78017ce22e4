"""The rule about hot functions, just above and just below its thresholds."""

from pathlib import Path

import pytest

from tests.analyze.sql.test_findings import alive, finds, one, used
from tests.traces import Row, at, born, row

pytestmark = pytest.mark.slow


def sampled(hot: int, others: int, cpu_s: float = 5) -> list[Row]:
    """Samples in a function, and in those that call it."""
    rows = [alive(7), used(10, 7, cpu_s), *(row("clock", at(s), event="snapshot", boottime_ns=0) for s in (0, 10))]
    for number, (function, samples) in enumerate((("hot", hot), ("main", others)), 1):
        rows.append(row("frame", at(10), frame=number, function=function, module="/bin/prog"))
        rows.append(row("stack", at(10), stack=number, caller=number - 1, frame=number))
        rows.append(row("samples", at(10), pid=7, start=born(-100), tid=7, user_stack=number, samples=samples))
    return rows


def test_hot_function(tmp_path: Path) -> None:
    """Of 200 samples 114 are 57 %, with 95 % confidence 50.1 to 63.7 % (Wilson's interval)."""
    f = one(tmp_path, sampled(114, 86), "hot_function")
    assert (f.severity, f.pid, f.command) == ("medium", 7, "sysmon report TRACE hot_functions --pid 7")
    assert f.summary == "prog (7) spends 57 % of its CPU time in hot of /bin/prog"
    assert f.evidence == "114 of 200 samples, so 50 to 64 % of 5.000 s of CPU time"
    assert one(tmp_path, sampled(114, 86, cpu_s=10), "hot_function").severity == "high"


def test_what_is_no_hot_function(tmp_path: Path) -> None:
    assert not finds(tmp_path, sampled(113, 87), "hot_function")
    assert not finds(tmp_path, sampled(150, 49), "hot_function"), "199 samples"
    assert not finds(tmp_path, sampled(114, 86, cpu_s=1.9), "hot_function")
