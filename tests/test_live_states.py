"""How each state of SYSMON_LIVE treats a live test, tried on a small suite with the same conftest.py."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = """
import pytest

@pytest.fixture(scope="session")
def live_kernel():
    {kernel}

@pytest.mark.live
def test_records(): pass

@pytest.mark.live
def test_gives_up(): pytest.skip("too slow here")

def test_plain(): pytest.skip("not today")
"""
CAN = "pass"
CANNOT = "import os; (pytest.fail if os.environ.get('SYSMON_LIVE') == '1' else pytest.skip)('no BTF')"


@pytest.mark.parametrize(
    ("state", "kernel", "outcome"),
    [
        (None, CAN, "1 passed, 2 skipped"),
        (None, CANNOT, "3 skipped"),
        ("0", CANNOT, "1 skipped, 2 deselected"),
        ("1", CAN, "1 failed, 1 passed, 1 skipped"),
        ("1", CANNOT, "1 skipped, 2 errors"),
    ],
)
def test_states(tmp_path: Path, state: str | None, kernel: str, outcome: str) -> None:
    shutil.copy(Path(__file__).parents[0] / "conftest.py", tmp_path)
    (tmp_path / "test_suite.py").write_text(SUITE.format(kernel=kernel))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = live\n")
    env = {k: v for k, v in os.environ.items() if k != "SYSMON_LIVE"} | ({"SYSMON_LIVE": state} if state else {})
    run = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    result = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert outcome in result.stdout.splitlines()[-1], result.stdout
