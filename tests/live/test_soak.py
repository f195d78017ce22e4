"""Eight seconds of `script/soak`, which is for an hour: it works, and what eight seconds can tell is right.

Whether memory stays flat they cannot tell, as rows that wait for their first row group still gather; only that it is
bounded. Nor when snapshots come, as among so few the one that had to wait for a CPU counts.
"""

from pathlib import Path

import pytest

from benchmarks.soak import soak

pytestmark = pytest.mark.live


def test_a_short_soak(tmp_path: Path) -> None:
    found = soak(8, tmp_path / "t.parquet")
    said = "\n".join(found.lines())
    print(said)
    assert found.forked > 100
    assert not [fault for fault in found.faults if not fault.startswith(("memory", "jitter"))], said
    assert max(s.rss_bytes for s in found.samples) < 200 << 20, said
    assert found.samples[-1].threads <= found.samples[0].threads, said
