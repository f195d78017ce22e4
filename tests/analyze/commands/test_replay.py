"""The command refuses what it cannot do in one line, and ends quietly with its reader."""

import subprocess
import sys

import pytest

from sysmon.analyze.follow import options
from tests.conftest import SAMPLES

WEB = str(SAMPLES / "web.parquet")


def replay(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sysmon", "replay", WEB, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no terminal for a screen; give --plain for a table of intervals, or --events"),
        (["--plain", "--events", "exec"], "give --plain or --events, not both"),
        (["--plain", "--at", "+1", "--since", "+2"], "give --at or --since, not both"),
        (["--plain", "--every", "soon"], "'soon' is not a length of time; give one as 5s, 250ms or 2m"),
        (["--events", "exec,wrong"], "there is no kind of event 'wrong'; there are connection, dns, exec"),
    ],
)
def test_refusals_are_one_line(arguments: list[str], told: str) -> None:
    done = replay(*arguments)
    assert done.returncode and not done.stdout
    assert told in done.stderr and done.stderr.count("\n") == 1


def test_a_closed_pipe_is_no_error() -> None:
    command = f"{sys.executable} -m sysmon replay {WEB} --events | head -n 2"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 2)


def test_speed_paces_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = 100.0, []
    monkeypatch.setattr(options.time, "monotonic", lambda: now)
    monkeypatch.setattr(options.time, "sleep", slept.append)
    pace = options.Pace(20)
    for second in (0, 1, 3):
        pace.wait(10**18 + second * 10**9)
    assert slept == pytest.approx([0, 0.05, 0.15])
