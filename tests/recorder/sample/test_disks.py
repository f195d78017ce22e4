"""Disks between two looks at /proc/diskstats."""

from pathlib import Path

import pytest

from sysmon.recorder.sample import disks
from sysmon.recorder.sample.disks import Device, Disks


def test_what_a_device_did_since_it_was_last_looked_at() -> None:
    before, now = Device(7, (5, 1, 80, 9, 2, 3, 16, 4, 0, 8, 0)), Device(7, (7, 2, 96, 10, 2, 5, 16, 4, 1, 9, 0))
    did = now.since(before)
    assert (did["disk_reads"], did["disk_read_bytes"], did["disk_merges"], did["disk_busy_ns"]) == (2, 8192, 3, 10**6)
    assert did["disk_discards"] is None, "before Linux 4.18"
    assert now.since(Device(8, before.counts))["disk_reads"] == 7, "another device of that name"
    assert before.since(now)["disk_reads"] is None, "a count that began again"


def test_a_device_that_is_gone_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"sda": Device(2048, (1,) * 17), "sdb": Device(2064, (1,) * 17)}
    monkeypatch.setattr(disks, "_devices", lambda: there)
    found = Disks()
    assert {row["disk"] for row in found.rows(10)} == {"sda", "sdb"}
    there = {"sda": there["sda"]}
    found.look()
    rows = [row for row in found.rows(20) if row["disk_device"] == 2064]
    assert [row["disk"] for row in rows] == ["sdb"] and "disk_reads" not in rows[0]


def test_partitions_and_what_lies_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks, "CLASS", str(tmp_path / "class"))
    (tmp_path / "class").mkdir()
    for name in ("vda/vda1", "dm-0"):
        (tmp_path / "devices" / name).mkdir(parents=True)
        (tmp_path / "class" / Path(name).name).symlink_to(tmp_path / "devices" / name)
    (tmp_path / "devices/vda/vda1/partition").write_text("1\n")
    for below in ("vda1", "vdb"):
        (tmp_path / "devices/dm-0/slaves" / below).mkdir(parents=True)
    assert disks.describe("vda1")["disk_part_of"] == "vda"
    assert disks.describe("dm-0")["disks_below"] == "vda1, vdb"
    assert disks.describe("gone") == dict.fromkeys(("disk_part_of", "disks_below", "backing_file")) | {"disk": "gone"}
