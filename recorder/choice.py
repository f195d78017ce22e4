"""Which kinds of rows a recording holds."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import bpf
from bpf.errors import BadRequest


def named(option: str, lists: Iterable[str]) -> frozenset[str]:
    """The kinds in comma-separated lists. Raises BadRequest, naming those that are near."""
    known = {k.name for k in bpf.KINDS}
    names = [name.strip() for text in lists for name in text.split(",")]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else "`sysmon schema` shows them"
            raise BadRequest(f"{option}: there is no kind {name!r}; {hint}")
    return frozenset(names)
