"""A recording is followed as text while it runs: each event once, and intervals as they end."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.live.recording import SYSMON, start, wait_for

pytestmark = pytest.mark.live

RUNS = 97


def test_events_and_intervals_of_a_recording_that_runs(tmp_path: Path, live_kernel: None) -> None:
    path = tmp_path / "t.parquet"
    recording = start(path, "--interval", "0.5")
    wait_for(lambda: subprocess.run([SYSMON, "info", path], capture_output=True, check=False).returncode == 0)
    replay = [SYSMON, "replay", path, "--format", "json"]
    events = subprocess.Popen([*replay, "--events", "exec,exit"], stdout=subprocess.PIPE, text=True)
    intervals = subprocess.Popen([*replay, "--plain", "--count", "3"], stdout=subprocess.PIPE, text=True)
    for number in range(RUNS):
        subprocess.run(["/bin/true", f"run {number}"], check=True)
    three = [json.loads(line) for line in intervals.communicate()[0].splitlines()]
    assert recording.stop() == 0
    lines = [json.loads(line) for line in events.communicate()[0].splitlines()]
    assert (intervals.returncode, events.returncode) == (0, 0)
    ran = [line["what"] for line in lines if line["event"] == "exec" and line["what"].startswith("/bin/true run ")]
    assert sorted(ran) == sorted(f"/bin/true run {number}" for number in range(RUNS))
    assert all(interval["calls"] and interval["processes"] for interval in three)
