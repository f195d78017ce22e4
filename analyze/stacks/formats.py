"""Stacks as the text of other tools: folded, and the JSON of speedscope."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from sysmon.analyze.stacks.folded import Folded, Measure
from sysmon.safe_text import one_line
from sysmon.version import version

SCHEMA = "https://www.speedscope.app/file-format-schema.json"

KERNEL = "_[k]"
"""After functions of the kernel in folded stacks, as flamegraph.pl colours them."""


def as_folded(stacks: Iterable[Folded], measure: Measure) -> Iterator[str]:
    """A line per stack: its functions, outermost first, with semicolons between, and its weight: samples, or
    microseconds.
    """
    for stack in stacks:
        names = (_in_a_line(f.name) + (KERNEL if f.origin == "kernel" else "") for f in stack.frames)
        yield f"{';'.join(names)} {stack.weight if measure.unit == 'samples' else round(stack.weight / 1000)}\n"


def _in_a_line(name: str) -> str:
    return one_line(name).replace(";", ",") or "?"


def as_speedscope(stacks: Iterable[Folded], measure: Measure, name: str) -> Iterator[str]:
    """Pieces of one JSON text; `name` is shown as its title."""
    numbers: dict[str, int] = {}
    weights: list[int] = []
    head = {"$schema": SCHEMA, "exporter": f"sysmon {version()}", "name": name, "activeProfileIndex": 0}
    unit = "none" if measure.unit == "samples" else "nanoseconds"
    yield f'{json.dumps(head)[:-1]}, "profiles": [{{"type": "sampled", "name": {json.dumps(name)}, "unit": "{unit}", '
    yield '"samples": ['
    for stack in stacks:
        indexes = [numbers.setdefault(frame.name, len(numbers)) for frame in stack.frames]
        yield f"{', ' if weights else ''}{json.dumps(indexes)}"
        weights.append(stack.weight)
    frames = [{"name": frame} for frame in numbers]
    yield f'], "weights": {json.dumps(weights)}, "startValue": 0, "endValue": {sum(weights)}}}], '
    yield f'"shared": {{"frames": {json.dumps(frames)}}}}}\n'
