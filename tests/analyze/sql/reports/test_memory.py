"""Resident memory; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import sysmon
from tests import traces
from tests.traces import Row, at, born, row

MIB = 1 << 20


def report(tmp_path: Path, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
        return trace.report("memory").df().astype(object).where(lambda d: d.notna(), None).to_dict("records")


def had(second: float, pid: int, anon: int, file: int, shmem: int, peak: int) -> Row:
    return row(
        "memory", at(second), pid=pid, start=born(0), rss_anon_bytes=anon * MIB, rss_file_bytes=file * MIB,
        rss_shmem_bytes=shmem * MIB, swap_bytes=MIB, peak_rss_bytes=peak * MIB,
    )  # fmt: skip


def test_last_seen_and_peak(tmp_path: Path) -> None:
    rows = [
        had(1, 7, 10, 2, 1, 20),
        had(3, 7, 5, 2, 0, 20),
        row("exit", at(3.5), pid=7, start=born(0), comm="big", peak_rss_bytes=64 * MIB),
        row("exit", at(2), pid=8, start=born(0), comm="short", peak_rss_bytes=3 * MIB),
        row("exit", at(2), pid=9, start=born(0), comm="unknown"),
    ]
    big, short = report(tmp_path, rows)
    assert (big["pid"], big["comm"], big["peak_rss_mib"], big["rss_mib"], big["growth_mib"]) == (7, "big", 64, 7, -6)
    assert (big["rss_anon_mib"], big["rss_file_mib"], big["rss_shmem_mib"], big["swap_mib"]) == (5, 2, 0, 1)
    assert (short["pid"], short["peak_rss_mib"], short["rss_mib"], short["seen"]) == (8, 3, None, None)
    (big, _) = report(tmp_path, rows, until="+2.5")
    assert (big["peak_rss_mib"], big["rss_mib"], big["growth_mib"]) == (20, 13, 0)


def shared(second: float, pid: int, **columns: Any) -> Row:
    return row("pss", at(second), pid=pid, start=born(0), **columns)


def test_private_memory(tmp_path: Path) -> None:
    sizes = {
        "pss_bytes": 12 * MIB, "pss_anon_bytes": 4 * MIB, "pss_file_bytes": 3 * MIB, "pss_shmem_bytes": 5 * MIB,
        "private_dirty_bytes": 2 * MIB, "private_clean_bytes": MIB, "shared_dirty_bytes": 20 * MIB,
        "shared_clean_bytes": 4 * MIB, "anonymous_bytes": 7 * MIB, "swap_pss_bytes": 0,
    }  # fmt: skip
    rows = [
        had(1, 7, 7, 4, 16, 27),
        had(1, 8, 1, 1, 1, 3),
        had(1, 9, 1, 1, 1, 3),
        shared(1, 7, reading_ns=3_000_000, **sizes),
        shared(3, 7, reading_ns=2_000_000, **{**sizes, "pss_bytes": 13 * MIB}),
        shared(4, 7, unread="ended"),
        shared(4, 8, unread="too large"),
    ]
    with sysmon.open(traces.write(tmp_path / "t.parquet", rows)) as trace:
        seven, eight = trace.report("pss").df().astype(object).where(lambda d: d.notna(), None).to_dict("records")
    assert (seven["pid"], seven["pss_mib"], seven["private_mib"], seven["private_dirty_mib"]) == (7, 13, 3, 2)
    assert (seven["shared_mib"], seven["shared_anon_mib"], seven["readings"], seven["longest_ms"]) == (24, 3, 2, 3)
    assert (seven["unread"], seven["read"].timestamp()) == (None, at(3) / 1e9)
    assert (eight["pid"], eight["pss_mib"], eight["readings"], eight["unread"]) == (8, None, 0, "too large")
    assert eight["shared_anon_mib"] is None
    seven, eight, nine = report(tmp_path, rows)
    assert [p["pss_mib"] for p in (seven, eight, nine)] == [13, None, None]
    assert [p["private_mib"] for p in (seven, eight, nine)] == [3, None, None]
