"""Which kinds are throttled, how the programs' notes are read, and what a reader is told."""

import struct
from types import SimpleNamespace

import pytest

import sysmon
from sysmon.analyze.text.summary import losses_line
from sysmon.bpf.kinds import lifecycle, throttle
from sysmon.bpf.programs import csource
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.read.throttle import Throttling
from tests import traces
from tests.traces import at, row

PAGE = csource.Sizes(2, 4096, max_rate=7)


def test_process_lifecycle_kinds_are_never_throttled() -> None:
    assert not {k.name for k in lifecycle.KINDS} & set(throttle.THROTTLED)
    text = csource.declarations(PAGE)
    assert "#define MAX_RATE 7\n" in text
    assert "MAX_RATE" not in csource.declarations(csource.Sizes(2, 4096))
    for number, kind in enumerate(throttle.THROTTLED):
        assert f"#define THROTTLE_{kind} {number}\n" in text
        assert csource.losses()[f"{kind}_throttled"] == ("stepped down", kind)


def test_each_step_becomes_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    notes = {0: (900, 0, 500, 900, 8, 0), 2: (0, 600, 400, 600, 0, 1)}

    def lookup(fd: int, key: bytes, size: int) -> bytes:
        assert fd == 5
        return struct.pack("<QQQQII24x", *notes.get(int.from_bytes(key, "little"), (0,) * 6))[:size]

    monkeypatch.setattr(bpf_maps, "lookup", lookup)
    read = Throttling(SimpleNamespace(maps={"rates": 5}))  # type: ignore[arg-type]
    assert read.rows() == [
        {"ts": 500, "stepped": "open", "reason": "rate", "down_ns": 400},
        {"ts": 400, "stepped": "socket", "reason": "ring full", "down_ns": 200},
    ]
    assert read.rows() == []
    notes[2] = (0, 900, 700, 900, 0, 1)
    assert [r["ts"] for r in read.rows()] == [700]
    assert Throttling(SimpleNamespace(maps={})).rows() == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("causes", "line"),
    [
        (("stepped down",), "THROTTLED: calls are counted, but are not rows (--max-rate, or full ring): open 11"),
        (
            ("stepped down", "ring full"),
            "LOST 11: ring full open 11; "
            "THROTTLED: calls are counted, but are not rows (--max-rate, or full ring): open 11",
        ),
    ],
)
def test_throttling_is_reported(tmp_path, causes: tuple[str, ...], line: str) -> None:  # type: ignore[no-untyped-def]
    losses = [row("loss", at(3), cause=cause, place="open", lost=11) for cause in causes]
    path = traces.write(tmp_path / "t.parquet", [row("clock", at(0), event="start"), *losses])
    with sysmon.open(path) as trace:
        assert losses_line(trace) == line
        found = trace.report("findings").fetchall()
        assert any("stepped down open" in str(r) for r in found if r[0] == "low"), found
