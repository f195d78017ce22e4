"""`sysmon repair`: makes a regular file of an interrupted recording."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File to write. Default: TRACE.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
def repair(trace: Path, output: Path | None, force: bool) -> None:
    """Make a regular trace of an interrupted recording.

    TRACE is the file that the recording should have become, or the hidden directory that it left. A recorder that is
    killed, or that meets a full disk, leaves everything except about the last two seconds. Reports read it as it is.

    \b
    Examples:
      sysmon repair trace.parquet
      sysmon repair trace.parquet -o /mnt/other/trace.parquet
    """
    from sysmon.analyze.edit.repair import make_whole
    from sysmon.analyze.text.describe import seconds
    from sysmon.analyze.text.screen import Screen
    from sysmon.analyze.trace import cleanup
    from sysmon.safe_text import one_line

    with cleanup.clean():
        file, recording = make_whole(trace, output, force)
    screen, shown = Screen(), one_line(str(file))
    length = seconds(recording["ended_ns"] - recording["started_ns"])
    screen.line(f"wrote {shown}: {sum(recording['rows'].values()):,} rows, the first {length} s of the recording")
    for loss in recording["losses"]:
        screen.line(f"lost: {loss['lost']:,} {one_line(loss['cause'])}: {one_line(loss['place'])}")
    screen.line(f"next: sysmon report {shown}")
