"""The entry point of `sysmon`: sets up isolation, limits and Ctrl-C before the rest is imported."""

from __future__ import annotations

import signal

from sysmon.recorder.own import isolation, limits


def main() -> None:
    """Runs the command that the arguments name, and exits with its status."""
    isolation.begin()  # first: with privileges the environment must not decide what is imported from here on
    limits.begin()
    on_interrupt = signal.getsignal(signal.SIGINT)
    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while modules are imported exits without a traceback
    from sysmon import commands

    if on_interrupt is signal.default_int_handler:
        signal.signal(signal.SIGINT, on_interrupt)
    commands.run()
