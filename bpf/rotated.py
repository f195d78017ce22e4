"""How the files of one recording that goes on in another file now and then are called."""

from __future__ import annotations

import re
from pathlib import Path


def numbered(path: Path, number: int) -> Path:
    """The name of a file: the next sorts after it."""
    return path.with_name(f"{path.stem}-{number:06}{path.suffix}")


def present(path: Path) -> list[Path]:
    """The files that there are of a recording of this name."""
    name = re.compile(re.escape(path.stem) + r"-\d{6,}" + re.escape(path.suffix))
    try:
        return sorted(p for p in path.parent.iterdir() if name.fullmatch(p.name))
    except OSError:  # no such directory, or not ours to read: said by who opens or makes a file there
        return []
