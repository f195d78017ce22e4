"""`sysmon doctor`."""

from __future__ import annotations

import contextlib
import sys

import click

from sysmon import streams
from sysmon.safe_text import one_line


@click.command(
    epilog="""\b
Examples:
  sudo sysmon doctor
  sysmon doctor || echo "cannot record here"
"""
)
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check whether this machine can record, and say what to do if it cannot.

    The last check compiles the programs and loads them into the kernel without attaching them. The exit status is 1
    if this machine cannot record.
    """
    from sysmon.recorder.ui import checkup

    failed = False
    for finding in checkup.examine():
        failed |= finding.fatal and not finding.good
        mark, style = ("ok", "32") if finding.good else ("no", streams.ALARM) if finding.fatal else ("note", "33")
        _say(f"{finding.subject}: {one_line(finding.text)}", f"{mark:<5}", style)
        if finding.remedy:
            _say(one_line(finding.remedy), "      → ")
    _say("this machine cannot record yet" if failed else "this machine can record")
    context.exit(1 if failed else 0)


def _say(text: str, mark: str = "", style: str = "") -> None:
    """Writes a line at once. Whoever does not read it has the exit status."""
    with contextlib.suppress(BrokenPipeError):
        if style and streams.colours(sys.stdout):
            streams.styled(sys.stdout, mark, style)
        else:
            sys.stdout.write(mark)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
