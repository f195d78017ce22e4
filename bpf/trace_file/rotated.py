"""The files of one recording that goes on in another file now and then: their names, and what they say together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import Loss, Recording


def numbered(path: Path, number: int) -> Path:
    """The name of a file: the next sorts after it."""
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


def present(path: Path) -> list[Path]:
    """The files that there are of a recording of this name; none if there is no such directory, or not ours to read."""
    try:
        with Directory.hold(path.parent) as parent:
            return [path.with_name(name) for name in present_in(parent, path)]
    except OSError:
        return []


def present_in(parent: Directory, path: Path) -> list[str]:
    """Their names in the directory of the path; none if it is not ours to read."""
    try:
        return sorted(filter(_names(path).fullmatch, parent.names()))
    except OSError:
        return []


def cut_off_in(parent: Directory, path: Path) -> list[str]:
    """The names that files of such a recording were to have which did not come to their end. Raises OSError."""
    wanted = {partial.wanted(name) for name in parent.names() if partial.is_partial(parent, name)}
    return sorted(filter(_names(path).fullmatch, wanted))


def _names(path: Path) -> re.Pattern[str]:
    return re.compile(re.escape(path.stem) + r"-\d{6,}" + re.escape(path.suffix))


def joined(parts: Sequence[Recording]) -> Recording:
    """What files that follow each other say of themselves, summed up: else it is what the last says."""
    rows: Counter[str] = Counter()
    losses: Counter[tuple[str, str]] = Counter()
    for part in parts:
        rows.update(part["rows"])
        losses.update({(loss["cause"], loss["place"]): loss["lost"] for loss in part["losses"]})
    lost = [Loss(cause=cause, place=place, lost=n) for (cause, place), n in losses.items()]
    return {**parts[-1], "started_ns": parts[0]["started_ns"], "rows": dict(rows), "losses": lost}
