"""What is to be started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sysmon.analyze.viewer.view import View


@dataclass(frozen=True)
class Plan:
    """`record`: records into this path, telling on the first descriptor when it has begun, and with a client on the
    second; returns the exit status.

    `path`: the file; None: nothing is kept. `ends_with_viewer`: whether the recording does.
    """

    record: Callable[[Path, int, int], int]
    path: Path | None
    view: View
    ends_with_viewer: bool
