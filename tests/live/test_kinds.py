"""Kinds that are left out have no rows, and the others are unchanged."""

import subprocess
from pathlib import Path

import pytest

from sysmon.bpf.kinds import KINDS
from tests.live.recording import SYSMON, Trace

pytestmark = pytest.mark.live

COMMAND = ("/bin/sh", "-c", "cat /etc/hostname >/dev/null; exec sh -c 'exit 3'")


def rows_by_kind(trace: Trace) -> dict[str, int]:
    views = {k.name: k.view for k in KINDS}
    counts = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {view}" for name, view in views.items())
    return dict(trace.rows(counts))


def record(tmp_path: Path, *options: str) -> dict[str, int]:
    path = tmp_path / "t.parquet"
    arguments = [SYSMON, "record", "--force", "-o", str(path), *options, "--", *COMMAND]
    done = subprocess.run(arguments, stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    assert done.returncode == 3, done.stderr
    trace = Trace(path, done.stderr, done.returncode)
    trace.assert_nothing_lost()
    return {kind: n for kind, n in rows_by_kind(trace).items() if n}


def test_each_kind_can_be_left_out(tmp_path: Path) -> None:
    for left_out in ({"syscall_stats", "exec", "cpu"}, {"open", "host", "exit", "memory"}):
        rows = record(tmp_path, "--without", ",".join(left_out))
        assert not left_out & set(rows)
        assert len(rows) > 5


@pytest.mark.quick
def test_only_one_kind_and_process_lifecycles(tmp_path: Path) -> None:
    lives = {"exec": 3, "fork": 1, "exit": 2}
    ledger = {"clock", "overhead", "process"}
    for kind in ("open", "cpu"):
        rows = record(tmp_path, "--only", kind)
        assert set(rows) - ledger == {kind, *lives}
        assert {name: rows[name] for name in lives} == lives
