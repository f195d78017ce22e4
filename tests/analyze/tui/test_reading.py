"""How often the thread that reads looks at a recording that still runs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import sysmon
from sysmon.analyze.tui.answers import Answer, Question
from sysmon.analyze.tui.reading import LOOK_S, MOST_PAUSE_S, SHARE, Reading
from tests.growing import Recorder


class Asker:
    """Asks nothing."""

    has_more = False

    def __init__(self) -> None:
        self.told: list[Answer] = []

    def tell(self, answer: Answer) -> None:
        self.told.append(answer)

    def paper(self) -> tuple[int, bool]:
        return 80, True

    def next(self, wait_s: float | None) -> Question | bool:
        return False

    def reads(self, trace: object, *, begins: bool = False, gives_way: bool = False) -> None:
        pass

    def is_superseded(self) -> bool:
        return False


@pytest.mark.parametrize(("used_s", "pause_s"), [(0.0, LOOK_S), (0.24, 0.24 / SHARE), (30.0, MOST_PAUSE_S)])
def test_what_took_long_is_done_less_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used_s: float, pause_s: float
) -> None:
    recorder = Recorder(tmp_path / "t.parquet", "cron", 6)
    recorder.add()
    recorder.commit()
    with sysmon.open(recorder.path) as trace:
        reading = Reading(Asker(), trace)
        used_before = reading._used_s
        monkeypatch.setattr(time, "process_time", lambda: used_before + used_s)
        assert reading._due() - reading._looked == pytest.approx(pause_s)
    recorder.close()
