"""Resident memory; each answer worked out by hand."""

from pathlib import Path
from typing import Any

import analyze
from tests import traces
from tests.traces import Row, at, born, row

MIB = 1 << 20


def report(tmp_path: Path, rows: list[Row], **part: Any) -> list[dict[str, Any]]:
    with analyze.open_trace(traces.write(tmp_path / "t.parquet", rows), **part) as trace:
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
