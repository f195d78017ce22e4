"""What makes two recordings hard to compare, in sentences shown before the differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysmon.analyze.text import describe
from sysmon.bpf.kinds import KINDS

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace
    from sysmon.bpf.trace_file.metadata import Recording

SPAN_RATIO = 3
"""A larger ratio of spans is noted: rare events may be in the longer one only."""

FEW_BLOCKS = 4
"""With fewer intervals, the variation within a recording is hardly known."""

BUSY_PCT = 90
"""CPUs busier than this [%] make threads wait long for a CPU."""


def followed_to_the_end(info: Recording) -> bool:
    """Whether the recording is one run of a command, from its start to its end."""
    return info["command"] is not None and info["stopped_by"] == "command"


def notes(
    before: Trace, after: Trace, length_s: tuple[float, float], busy_pct: tuple[float | None, float | None]
) -> list[str]:
    """The sentences, most serious first. They hold text of the traces that is not yet safe to show."""
    b, a = before.metadata, after.metadata
    return [
        *_empty(before, after, length_s),
        *_losses(b, a),
        *_asked(b, a),
        *_machine(b, a),
        *_time(b, a, length_s),
        *_busy(busy_pct),
    ]


def _pair(what: str, before: object, after: object) -> list[str]:
    return [] if before == after else [f"{what}: {_word(before)} before, {_word(after)} after"]


def _word(value: object) -> str:
    return "unknown" if value is None else str(value) or "none"


def _empty(before: Trace, after: Trace, length_s: tuple[float, float]) -> list[str]:
    out = []
    for name, trace, length in (("BEFORE", before, length_s[0]), ("AFTER", after, length_s[1])):
        if not sum(trace.metadata["rows"].values()):
            out.append(f"{name} has no rows")
        elif length <= 0:
            out.append(f"{name} has no rows in the selected window: rates are unknown")
    return out


def _losses(before: Recording, after: Recording) -> list[str]:
    out = []
    for name, info in (("BEFORE", before), ("AFTER", after)):
        if info["losses"]:
            parts = [f"{loss['cause']} {loss['place']} {loss['lost']:,}" for loss in info["losses"][:4]]
            more = f" and {len(info['losses']) - 4} more" if len(info["losses"]) > 4 else ""
            out.append(f"{name} lost {', '.join(parts)}{more}: missing rows may look like a difference")
    return out


def _asked(before: Recording, after: Recording) -> list[str]:
    out = []
    for name, here, there in (("BEFORE", before, after), ("AFTER", after, before)):
        only = [k.name for k in KINDS if k.name in here["kinds"] and k.name not in there["kinds"]]
        if only:
            out.append(f"only {name} was recorded with {', '.join(only)}: not compared")
    if _chosen_alike(before) != _chosen_alike(after):
        out += _pair("processes recorded", describe.chosen(before) or "all", describe.chosen(after) or "all")
    if followed_to_the_end(before) != followed_to_the_end(after):
        which = "BEFORE" if followed_to_the_end(before) else "AFTER"
        out.append(f"only {which} is one run of a command: rates are per second")
    elif before["command"] is not None and after["command"] is not None:
        if before["command"] != after["command"]:
            out.append("the followed commands differ")
        out += _pair("exit status", before["command_status"], after["command_status"])
    return out + _pair("interval", f"{before['interval_s']:g} s", f"{after['interval_s']:g} s")


def _chosen_alike(info: Recording) -> tuple[object, ...]:
    """The selection of processes, without the pids, which are never the same."""
    return (bool(info["pids"]), info["comms"], info["uids"], info["cgroup"], info["children"], info["command"] is None)


def _machine(before: Recording, after: Recording) -> list[str]:
    b, a = before["host"], after["host"]
    out = [
        *_pair("host", b["name"], a["name"]),
        *_pair("kernel", b["kernel"], a["kernel"]),
        *_pair("architecture", b["arch"], a["arch"]),
        *_pair("system", b["os"], a["os"]),
        *_pair("CPUs", b["cpus"], a["cpus"]),
    ]
    memory = [h["memory_bytes"] for h in (b, a)]
    if None in memory or abs((memory[0] or 0) - (memory[1] or 0)) > (memory[0] or 0) / 20:
        out += _pair("memory", *(m and describe.size(m) for m in memory))
    unlike = sorted(_refused(before) ^ _refused(after))
    if unlike:
        out.append(f"probes attached in one only: {', '.join(unlike)}")
    return out + _pair("sysmon", before["sysmon_version"], after["sysmon_version"])


def _refused(info: Recording) -> set[str]:
    """Programs that could not be attached."""
    return {p["name"] for p in info["probes"] if not p["attached"]}


def _busy(busy_pct: tuple[float | None, float | None]) -> list[str]:
    names = [n for n, pct in zip(("BEFORE", "AFTER"), busy_pct, strict=True) if pct is not None and pct >= BUSY_PCT]
    if not names:
        return []
    return [f"the CPUs were hardly idle in {' and '.join(names)}: latencies include waits for a CPU"]


def _time(before: Recording, after: Recording, length_s: tuple[float, float]) -> list[str]:
    out = []
    short, long = sorted(length_s)
    if short > 0 and long / short > SPAN_RATIO and not (followed_to_the_end(before) and followed_to_the_end(after)):
        out.append(
            f"spans: {length_s[0]:.3g} s before, {length_s[1]:.3g} s after: rare events may be in the longer one only"
        )
    few = [
        name
        for name, info, length in (("BEFORE", before, length_s[0]), ("AFTER", after, length_s[1]))
        if 0 < length / max(info["interval_s"], 1e-9) < FEW_BLOCKS
    ]
    if few:
        out.append(
            f"{' and '.join(few)} {'has' if len(few) == 1 else 'have'} fewer than {FEW_BLOCKS} intervals: how much "
            "things vary by chance is hardly known; record longer or with a shorter --interval"
        )
    return out
