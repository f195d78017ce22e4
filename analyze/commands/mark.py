"""`sysmon mark`: a client of a recorder. It imports neither numpy nor pyarrow: a mark is made at once."""

from __future__ import annotations

import click


@click.command()
@click.argument("text", nargs=-1, required=True)
@click.option("--to", metavar="NAME", help="The recording, by the name of its file. Default: the one that runs.")
def mark(text: tuple[str, ...], to: str | None) -> None:
    """Mark this moment in a recording that runs.

    TEXT says what happened, in up to 200 bytes of UTF-8. The trace has it with the time, the process and the user:
    `sysmon report TRACE remarks` shows it. A recording takes marks of its owner (who called sudo) and of root, 10 a
    second and 10,000 in all.

    \b
    Examples:
      sysmon mark "deploy 42"
      sysmon mark --to web.parquet "cache emptied"
    """
    import os

    from sysmon.analyze import marking

    runtime = os.environ.get("XDG_RUNTIME_DIR")
    with marking.chosen(os.geteuid(), runtime, to) as client:
        client.mark(" ".join(text).encode("utf-8", "surrogateescape"))
