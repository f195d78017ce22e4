"""What a viewer shows of a recording, and how."""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.bpf.control.messages import Wanted


@dataclass(frozen=True)
class View:
    """`name`: 'screen', 'plain' (a table of intervals) or 'events' (a line each). `form`: 'text' or 'json'.

    `kinds`: of events; `every_ns`, `top`: of intervals; `count`: intervals or lines, then it ends; None: all. `file`:
    that is recorded into, if there is one.
    """

    name: str = "screen"
    kinds: str = "all"
    form: str = "text"
    every_ns: int = 0
    top: int = 5
    count: int | None = None
    file: str | None = None

    @property
    def wanted(self) -> Wanted:
        """What it is to be able to read soon, at first."""
        return Wanted.EVENTS if self.name == "events" else Wanted.SNAPSHOTS
