"""Which processes a chart shows, and in which colour: a process has the same colour in every chart of a trace.

For each measure the largest few processes are drawn, and the others as one. Two processes that are large by one measure
appear in the same chart, so they must not look alike: colours are assigned as on a map, starting with the processes
that share charts with the most others. The whole trace's processes come before those of a part, so that a part does not
change colours.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from sysmon.analyze.charts import style
from sysmon.analyze.charts.data import ids_of

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace

TOP = 7
"""Processes per chart that have a colour of their own."""

Key = tuple[int, int]
"""A process: (pid, start), -1 for unknown."""

MEASURES = {
    "cpu": "SELECT pid, start, SUM(oncpu_ns) AS amount FROM {part}.cpu GROUP BY pid, start",
    "memory": "SELECT pid, start, MAX(unfiltered.rss(rss_anon_bytes, rss_file_bytes, rss_shmem_bytes)) AS amount "
    "FROM {part}.memory GROUP BY pid, start",
    "growth": "SELECT m.pid, m.start, ABS(MAX_BY(m.bytes, m.ts) - MIN_BY(m.bytes, m.ts)) AS amount FROM ("
    "SELECT pid, start, process_key, ts, "
    "CAST(unfiltered.rss(rss_anon_bytes, rss_file_bytes, rss_shmem_bytes) AS DOUBLE) AS bytes "
    "FROM {part}.memory) AS m "
    "LEFT JOIN (SELECT process_key, MAX(ts) AS ts FROM {part}.execs GROUP BY process_key) AS e "
    "ON e.process_key = m.process_key "
    "WHERE m.bytes IS NOT NULL AND (e.ts IS NULL OR m.ts >= e.ts) GROUP BY m.pid, m.start",
    "io": "SELECT pid, start, SUM(bytes) AS amount FROM {part}.syscall_stats WHERE bytes > 0 GROUP BY pid, start",
    "kernel_memory": "SELECT pid, start, SUM(allocated_bytes) AS amount FROM {part}.kernel_memory GROUP BY pid, start",
}
"""Measures by which processes are ranked. `part` is `unfiltered`, the whole trace, or `main`, the chosen part."""

ONE = """
SELECT '{measure}' AS measure, pid, start, amount,
    ROW_NUMBER() OVER (ORDER BY amount DESC, pid, start) AS rank
FROM ({query})
WHERE amount > 0 AND pid > 0
QUALIFY rank <= {top}
"""
"""Pid 0 is not a process, but all those that did not fit into a full map."""

NAMED = f"""
SELECT r.measure, {ids_of("r.")}, p.comm, COALESCE(p.is_recorder, FALSE) AS is_recorder
FROM ({{ranked}}) AS r
LEFT JOIN unfiltered.processes AS p ON p.process_key = unfiltered.process_key(r.pid, r.start)
ORDER BY r.measure, r.rank
"""


@dataclass(frozen=True)
class Shown:
    """A process with a colour of its own."""

    key: Key
    comm: str | None
    is_recorder: bool
    colour: str

    @property
    def label(self) -> str:
        """Its name and pid."""
        pid = "?" if self.key[0] < 0 else str(self.key[0])
        return f"{style.text_of(self.comm, 18)} {pid}{' (recorder)' if self.is_recorder else ''}"


Ranking = dict[str, list[Shown]]

_known: WeakKeyDictionary[Trace, Ranking] = WeakKeyDictionary()


def ranking(trace: Trace) -> Ranking:
    """The largest processes of the chosen part of the trace, by each measure, largest first."""
    if trace not in _known:
        _known[trace] = _ranking(trace)
    return _known[trace]


def _ranking(trace: Trace) -> Ranking:
    whole = _largest(trace, "unfiltered")
    part = _largest(trace, "main") if trace.is_part else whole
    colours = coloured([[key for key, *_ in group] for group in (*whole.values(), *part.values())], len(whole))
    return {
        measure: [Shown(key, comm, mine, colours[key]) for key, comm, mine in group] for measure, group in part.items()
    }


def _largest(trace: Trace, part: str) -> dict[str, list[tuple[Key, str | None, bool]]]:
    ranked = " UNION ALL ".join(
        ONE.format(measure=measure, query=query.format(part=part), top=TOP) for measure, query in MEASURES.items()
    )
    out: dict[str, list[tuple[Key, str | None, bool]]] = {measure: [] for measure in MEASURES}
    for measure, pid, start, comm, is_recorder in trace.own(NAMED.format(ranked=ranked)).fetchall():
        out[measure].append(((pid, start), comm, is_recorder))
    return out


def coloured(groups: list[list[Key]], first: int = 0) -> dict[Key, str]:
    """Assigns a colour to each key, distinct within a group as long as there are colours.

    The keys of the first few groups get theirs independently of the other groups.
    """
    out: dict[Key, str] = {}
    for known in (groups[:first], groups):
        meets: dict[Key, set[Key]] = {}
        for group in known:
            for key in group:
                meets.setdefault(key, set()).update(k for k in group if k != key)
        order = {key: i for i, key in enumerate(meets)}
        for key in sorted(meets, key=lambda k: (-sum(k in g for g in known), order[k])):
            if key not in out:
                taken = Counter(out[k] for k in meets[key] if k in out)
                out[key] = min(style.PALETTE, key=lambda c: taken[c])
    return out
