"""`sysmon schema`: what a trace can hold, from the declarations. Reads no trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sysmon.analyze.commands.options import format_option

if TYPE_CHECKING:
    from sysmon.bpf.kind import Kind


@click.command()
@click.argument("kind", required=False)
@format_option("table", "markdown", "json")
def schema(kind: str | None, form: str) -> None:
    """Show the kinds of rows and their columns, with units and meaning.

    \b
    Examples:
      sysmon schema
      sysmon schema exec
      sysmon schema --format markdown > trace-format.md
    """
    from sysmon.analyze.text import reference
    from sysmon.bpf.kinds import KINDS

    kinds = KINDS if kind is None else (_find(kind),)
    write = {"table": reference.kinds_text, "markdown": reference.kinds_markdown, "json": reference.kinds_json}[form]
    click.echo(write(kinds), nl=False)


def _find(name: str) -> Kind:
    from sysmon.bpf.kinds import KINDS
    from sysmon.errors import BadRequest, did_you_mean

    known = {k.name: k for k in KINDS} | {k.view: k for k in KINDS}
    if name in known:
        return known[name]
    hint = did_you_mean(name, known, f"there are {', '.join(k.name for k in KINDS)}")
    raise BadRequest(f"there is no kind {name!r}; {hint}")
