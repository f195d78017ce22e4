"""The signals that a recording handles."""

import os
import select
import signal

import pytest

from sysmon.recorder.stop_signals import StopSignals


def is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_a_file_that_was_asked_for_wakes_the_recorder_once() -> None:
    """Else it would wake for ever after, and take a CPU."""
    signals = StopSignals(lambda: pytest.fail("nothing ends"))
    with signals.noted(files=True) as wakeup:
        assert not is_readable(wakeup) and not signals.was_asked()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
        assert is_readable(wakeup)
        assert signals.was_asked() and not signals.was_asked()
        assert not is_readable(wakeup)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert is_readable(wakeup) and signals.was_asked() and not is_readable(wakeup)


def test_a_signal_that_ends_it_is_noted() -> None:
    ended = []
    signals = StopSignals(lambda: ended.append(1))
    before = signal.getsignal(signal.SIGTERM)
    with signals.noted(files=False) as wakeup:
        os.kill(os.getpid(), signal.SIGTERM)
        assert is_readable(wakeup)
    assert (ended, signals.ended_by) == ([1], signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
