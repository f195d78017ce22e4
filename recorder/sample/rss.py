"""Resident memory of the processes that have run, at each snapshot.

From /proc/PID/status, whose sums are exact. What a program could read from `mm_struct` at a switch lags by up to 32
pages per CPU, as the kernel counts in batches, and would be from early in the interval: a process that then sleeps
would show too little for as long as it sleeps. Reading takes about 10 us per process, hence a limit: a snapshot reads
for 0.5 % of its interval, and the next one continues.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from sysmon.recorder.sample import procfs
from sysmon.recorder.sample.tasks import Holding

BUDGET_FRACTION = 0.005
"""Maximum share of the time between snapshots."""

LINES = {
    b"VmHWM:": "peak_rss_bytes",
    b"RssAnon:": "rss_anon_bytes",
    b"RssFile:": "rss_file_bytes",
    b"RssShmem:": "rss_shmem_bytes",
    b"VmSwap:": "swap_bytes",
    b"HugetlbPages:": "hugetlb_bytes",
}


class Resident:
    """Keeps the processes that are due."""

    def __init__(self, interval_s: float) -> None:
        self._budget_s = interval_s * BUDGET_FRACTION
        self._due: dict[int, int] = {}  # pid → start [ns]; for a reused pid, the latest

    def ran(self, processes: Iterable[tuple[int, int]]) -> None:
        """Notes that these (pid, start) have run, or were found alive."""
        for pid, start in processes:
            self._due[pid] = max(start, self._due.get(pid, 0))

    def rows(self, ts: int, holding: Mapping[int, Holding], everything: bool = False) -> list[dict[str, Any]]:
        """Rows of the processes that are due and alive; those for which there is no time stay due.

        `holding`, by pid: their threads and descriptors.
        """
        until = time.monotonic() + self._budget_s
        rows = []
        for pid, start in list(self._due.items()):
            if not everything and time.monotonic() > until:
                break
            del self._due[pid]
            found = procfs.status(pid, LINES)
            if found:  # neither a kernel thread nor an ended process has memory of its own
                held = holding.get(pid)
                more = held and held.start == start and {"threads": held.threads, "descriptors": held.descriptors}
                rows.append({"ts": ts, "pid": pid, "start": start, **found, **(more or {})})
        return rows
