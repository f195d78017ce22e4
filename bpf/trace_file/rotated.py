"""The files of a rotated recording: their names, and their combined metadata."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.directory import Directory
from sysmon.bpf.trace_file.metadata import Loss, Recording

MOST_FILES = 500
"""Of one recording that are read together: each takes three descriptors, of which a process often has 1,024."""


def numbered(path: Path, number: int) -> Path:
    """The name of a file; names sort by number."""
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


def pattern(file: Path) -> Path:
    """What names all files of the recording that one of them is of, for whoever reads them."""
    stem = file.stem.rpartition("-")[0]
    return Path(glob.escape(str(file.parent))) / f"{glob.escape(stem)}-*{glob.escape(file.suffix)}"


def present(path: Path) -> list[Path]:
    """Existing files of a recording with this name; empty if the directory is missing or not readable."""
    try:
        with Directory.hold(path.parent) as parent:
            return [path.with_name(name) for name in present_in(parent, path)]
    except OSError:
        return []


def present_in(parent: Directory, path: Path) -> list[str]:
    """Their names in the directory of the path; empty if it is not readable."""
    try:
        return sorted(filter(_names(path).fullmatch, parent.names()))
    except OSError:
        return []


def cut_off_in(parent: Directory, path: Path) -> list[str]:
    """Destination names of the recording's interrupted files. Raises OSError."""
    return sorted(filter(_names(path).fullmatch, partial.wanted_in(parent)))


def _names(path: Path) -> re.Pattern[str]:
    return re.compile(re.escape(path.stem) + r"-\d{6,}" + re.escape(path.suffix))


def joined(parts: Sequence[Recording]) -> Recording:
    """Combined metadata of consecutive files: sums where they add up, else the last file's values."""
    rows: Counter[str] = Counter()
    losses: Counter[tuple[str, str]] = Counter()
    for part in parts:
        rows.update(part["rows"])
        losses.update({(loss["cause"], loss["place"]): loss["lost"] for loss in part["losses"]})
    lost = [Loss(cause=cause, place=place, lost=n) for (cause, place), n in losses.items()]
    return {**parts[-1], "started_ns": parts[0]["started_ns"], "rows": dict(rows), "losses": lost}
