"""What is said if samples cannot be taken."""

import errno
import os
from types import SimpleNamespace
from typing import Any

import pytest

from sysmon.bpf.programs.probes import SAMPLE_PROGRAM
from sysmon.recorder.load import perf_events, sampling
from sysmon.recorder.load.sampling import Sampling


def loaded(**refused: str) -> Any:
    return SimpleNamespace(refused=refused, programs={SAMPLE_PROGRAM: 0})


def test_a_program_that_the_kernel_refuses_is_no_probe() -> None:
    [probe] = Sampling(loaded(on_sample="not on this kernel"), 99).attach()
    assert (probe["name"], probe["attached"], probe["reason"]) == ("on_sample", False, "not on this kernel")


def test_neither_is_an_event_that_cannot_be_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no CPU is sampled then: some alone would be taken for all."""
    opened: list[int] = []

    def open_clock(cpu: int, period_ns: int) -> int:
        assert period_ns == 10101010
        if cpu:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        opened.append(os.open(os.devnull, os.O_RDONLY))
        return opened[0]

    monkeypatch.setattr(sampling, "online_cpus", lambda: [0, 1])
    monkeypatch.setattr(perf_events, "open_clock", open_clock)
    monkeypatch.setattr(perf_events, "run_program", lambda _event, _program: None)
    events = Sampling(loaded(), 99)
    [probe] = events.attach()
    assert (probe["attached"], probe["reason"]) == (False, "cannot open an event: No space left on device")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
    events.follow_cpus()
    events.close()


def test_a_machine_whose_call_is_unknown_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    with pytest.raises(OSError, match="Function not implemented"):
        perf_events.open_clock(0, 10**7)


def test_the_child_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "vax")
    monkeypatch.setattr(sampling, "online_cpus", lambda: [0])
    events = Sampling(loaded(), 99)
    events.delegate()
    [probe] = events.attach()
    events.close()
    assert (probe["attached"], probe["reason"]) == (False, "cannot open an event: Function not implemented")
