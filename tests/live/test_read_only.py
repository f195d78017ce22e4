"""A file system that turns read-only during a recording, as ext4 does after an error."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.edit.repair import CannotRepair, make_whole
from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.rotated import present
from tests.live.recording import causes_of_others, start, wait_for
from tests.live.test_durability import complete, end_of, numbered

pytestmark = pytest.mark.live


@pytest.fixture
def ext4(tmp_path: Path) -> Iterator[Path]:
    """An ext4 file system of 32 megabytes, and the means to make the kernel meet an error in it."""
    image, place = tmp_path / "image", tmp_path / "disk"
    place.mkdir()
    with image.open("wb") as f:
        f.truncate(32 << 20)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", image], check=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fail(place: Path) -> None:
    """What is on the disk stays; from now on the kernel accepts nothing."""
    os.sync()
    device = subprocess.run(["findmnt", "-no", "SOURCE", place], capture_output=True, text=True, check=True).stdout
    Path(f"/sys/fs/ext4/{Path(device.strip()).name}/trigger_fs_error").write_text("a test\n")


def test_the_complete_part_is_read_and_repaired_elsewhere(tmp_path: Path, ext4: Path) -> None:
    path = ext4 / "t.parquet"
    with numbered(400) as process:
        running = start(path)
        wait_for(lambda: complete(path, process.pid) > 0)
        fail(ext4)
        failed = time.monotonic()
        said = end_of(process, running)
    assert time.monotonic() - failed < 20, "it ends at its next commit"
    assert "Read-only file system" in said and f"sysmon repair {path}" in said and "elsewhere with -o" in said
    count = complete(path, process.pid)
    assert count > 0, "read from where it is"
    with pytest.raises(CannotRepair, match=f"cannot write {path}: Read-only file system; .* with -o"):
        make_whole(path, None, force=False)
    made, recording = make_whole(path, tmp_path / "made.parquet", force=False)
    assert complete(made, process.pid) == count
    lost = [loss for loss in recording["losses"] if loss["cause"] not in causes_of_others()]
    assert not lost and recording["stopped_by"] == "cut off"


def test_all_rotated_files_are_kept(tmp_path: Path, ext4: Path) -> None:
    path = ext4 / "t.parquet"
    with numbered(400) as process:
        running = start(path, "--rotate", "1s")
        wait_for(lambda: len(present(path)) > 1)
        fail(ext4)
        assert running.process.wait(60) == 1
    running.stop()
    # One line for the file being written, and one for the previous file, if it was being finished.
    said = [line for line in running.output.splitlines() if not line.startswith("recording to")]
    assert 1 <= len(said) <= 2 and all(line.startswith("sysmon: cannot write") for line in said), said
    assert all("Read-only file system" in line for line in said)
    files = sorted({*present(path), *(p.with_name(partial.wanted(p.name)) for p in ext4.glob(".*.partial"))})
    assert [int(f.stem[-6:]) for f in files] == list(range(1, len(files) + 1))
    ends: list[int] = []
    for file in files[:-1]:
        assert complete(file, process.pid) > 0
        with sysmon.open(file) as trace:
            assert not ends or trace.metadata["started_ns"] == ends[-1]
            ends.append(trace.metadata["ended_ns"])
    assert len(ends) >= 2
