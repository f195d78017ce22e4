"""`sysmon doctor`."""

from __future__ import annotations

import click
from rich.console import Console
from rich.text import Text


@click.command(
    epilog="""\b
Examples:
  sudo sysmon doctor
  sysmon doctor || echo "cannot record here"
"""
)
@click.pass_context
def doctor(context: click.Context) -> None:
    """Check whether this machine can record, and say what to type if it cannot.

    The last check compiles the programs and gives them to the kernel without attaching them. Exit status 1 if
    recording cannot work.
    """
    from recorder import checkup

    console = Console(highlight=False)
    failed = False
    for finding in checkup.examine():
        failed |= finding.fatal and not finding.good
        mark, style = ("ok", "green") if finding.good else ("no", "bold red") if finding.fatal else ("note", "yellow")
        line = Text(f"{mark:<5}", style)
        line.append(f"{finding.subject}: {finding.text}", "default")
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"      → {finding.remedy}"), soft_wrap=True)
    console.print("this machine cannot record yet" if failed else "this machine can record")
    context.exit(1 if failed else 0)
