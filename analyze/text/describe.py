"""A trace's metadata in words: pairs of name and text, for the summary and for `sysmon info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from sysmon.analyze.text import remark_text
from sysmon.analyze.trace.source import MAX_ELEMENTS, MAX_STRING_BYTES
from sysmon.analyze.trace.times import iso
from sysmon.bpf.kinds import DEFAULT_KINDS, KINDS
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.metadata import CUT_OFF, RUNNING, SLICED, only_command
from sysmon.safe_text import one_line, shell_command

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace
    from sysmon.bpf.trace_file.metadata import Recording, Slice

Pairs = list[tuple[str, str]]

ENDS = {
    CUT_OFF: "interrupted: the recorder was killed or could not write",
    RUNNING: "still being recorded",
    SLICED: "cut there: the recording goes on",
}
"""How recordings that did not end normally are described."""


OFF_LINE = """
SELECT cpu, SUM(offline_ns) / 1e9 FROM main.host WHERE offline_ns > 0 GROUP BY cpu ORDER BY cpu NULLS LAST
"""

STEPS = """
SELECT at_ns, jump / 1e9
FROM (
    SELECT
        epoch_ns(ts) AS at_ns,
        CAST(realtime_ns AS HUGEINT) - boottime_ns
            - LAG(CAST(realtime_ns AS HUGEINT) - boottime_ns) OVER (ORDER BY ts) AS jump,
        CAST(boottime_ns AS HUGEINT) - LAG(boottime_ns) OVER (ORDER BY ts) AS passed
    FROM unfiltered.clocks
)
WHERE ABS(jump) > 1000000 + passed / 1000
ORDER BY at_ns
"""
"""Thresholds for a wall-clock step: it moved by more than a millisecond relative to the other clock, and by more than
twice what adjtimex(2) slews, 500 us a second.
"""

NAMED = 4
"""How many items of a long list are named."""


def happened(trace: Trace) -> Pairs:
    """What happened to the machine's CPUs and clocks meanwhile, which affects every figure."""
    out = []
    if off := trace.own(OFF_LINE).fetchall():
        parts = [f"CPU {cpu} for {off_s:.3f} s" for cpu, off_s in off[:NAMED]]
        more = f", and {len(off) - NAMED} more" if len(off) > NAMED else ""
        out.append(("off line", f"{', '.join(parts)}{more}"))
    if steps := trace.own(STEPS).fetchall():
        parts = [f"by {by:+.3f} s before {iso(at_ns, 3)}" for at_ns, by in steps[:NAMED]]
        more = f", and {len(steps) - NAMED} times more" if len(steps) > NAMED else ""
        out.append(("wall clock", f"was set {', '.join(parts)}{more}; times follow the clock as it was at the start"))
    return out


def remarks(trace: Trace) -> Pairs:
    """Marks and notes, if there are any."""
    told = remark_text.line(trace)
    return [("remarks", told)] if told else []


def heading(trace: Trace) -> Pairs:
    """The few lines before any answer."""
    info = trace.metadata
    out = [
        ("trace", f"{trace.source.path.name}, {size(trace.source.size_bytes)}, {sum(info['rows'].values()):,} rows"),
        ("host", host(info)),
        ("span", span(info)),
    ]
    if "slice" in info:
        out.append(("slice", slice_of(info, info["slice"])))
    if info.get("labels"):
        out.append(("labels", labels(info)))
    if info.get("ring"):
        out.append(("kept", kept(info)))
    if info.get("rotate"):
        out.append(("file", file_of(info, len(trace.source.files))))
    out += [*happened(trace), *remarks(trace)]
    if trace.source.unfinished and info["stopped_by"] != RUNNING:
        out.append(("cut off", f"`sysmon repair {one_line(str(trace.source.unfinished))}` makes a regular trace of it"))
    if info["command"] is not None:
        out.append(("command", command(info)))
    if chosen(info):
        out.append(("only", chosen(info)))
    if left_out(info):
        out.append(("without", left_out(info)))
    window = asked(trace)
    if window:
        out.append(("window", window))
    missing = [f"{p['name']} ({p['reason']})" for p in info["probes"] if not p["attached"]]
    missing += [f"{column} ({reason})" for column, reason in info["unmeasured"].items()]
    if missing:
        out.append(("not seen", "; ".join(missing)))
    return out


def chosen(info: Recording) -> str:
    """Which processes were chosen; empty: all."""
    parts = []
    if info["pids"]:
        parts.append(f"pids {', '.join(map(str, info['pids']))}")
    if info["comms"]:
        parts.append(f"named {', '.join(info['comms'])}")
    if info["uids"]:
        parts.append(f"of uids {', '.join(map(str, info['uids']))}")
    if info["cgroup"]:
        parts.append(f"of cgroup {info['cgroup']}")
    if parts and info["children"]:
        parts.append("and their descendants")
    return ", ".join(parts)


def followed(info: Recording) -> str:
    """Which processes were recorded."""
    if chosen(info):
        return f"only {chosen(info)}"
    return "only the command and its descendants" if only_command(info) else "all"


def left_out(info: Recording) -> str:
    """Default kinds that were not recorded; empty: none. `rows` has all those that were."""
    known = (k.name for k in KINDS if k.name in DEFAULT_KINDS and k.name in info["rows"])
    return ", ".join(name for name in known if name not in info["kinds"])


def events(info: Recording) -> str:
    """Which system calls are rows of their own."""
    return f"system calls: {', '.join(info.get('syscalls') or ()) or 'all'}"


def everything(trace: Trace) -> Pairs:
    """All of the metadata."""
    info = trace.metadata
    attached = [p["name"] for p in info["probes"] if p["attached"]]
    out = [
        ("trace", f"{trace.source.path}, {size(trace.source.size_bytes)}"),
        ("checksum", checksum(trace)),
        ("written by", f"sysmon {info['sysmon_version']}, schema version {info['schema_version']}"),
        ("host", host(info)),
        ("ids", ids(info)),
        ("span", span(info)),
        *([("slice", slice_of(info, info["slice"]))] if "slice" in info else []),
        *([("labels", labels(info))] if info.get("labels") else []),
        *happened(trace),
        *remarks(trace),
        ("typed", shell_command(info["command_line"])),
        ("command", "none" if info["command"] is None else command(info)),
        ("processes", followed(info)),
        ("kinds", ", ".join(info["kinds"])),
        ("events", "none of system calls" if info.get("syscalls") is None else events(info)),
        ("recorder", f"process {info['recorder_pid']}, started {seconds(info['recorder_start'])} s after boot"),
        ("clock", f"ts is CLOCK_BOOTTIME plus {info['clock_offset_ns']} ns"),
        ("probes", ", ".join(attached) or "none"),
    ]
    out += [
        ("not attached", f"{p['name']} ({p['tracepoint']}): {p['reason']}") for p in info["probes"] if not p["attached"]
    ]
    out += [("not measured", f"{column}: {reason}") for column, reason in info["unmeasured"].items()]
    out += [("rows", f"{kind} {count:,}") for kind, count in info["rows"].items() if kind in info["kinds"]]
    out += [("lost", f"{loss['lost']:,} {loss['cause']}: {loss['place']}") for loss in info["losses"]]
    if not info["losses"]:
        out.append(("lost", "nothing"))
    return out


def checksum(trace: Trace) -> str:
    """Whether the file is intact. One with a wrong checksum is not opened at all."""
    if trace.source.unfinished:
        return "none yet: the file is incomplete, but each part of it was checked"
    if has_checksum(trace):
        return "correct: the file is undamaged (this does not prove who wrote it)"
    return "none (another program wrote or edited the file): damage would go unnoticed"


def has_checksum(trace: Trace) -> bool:
    """Whether the file has a checksum."""
    limits = {"thrift_string_size_limit": MAX_STRING_BYTES, "thrift_container_size_limit": MAX_ELEMENTS}
    for source in trace.source.files:
        with pq.ParquetFile(source.path, **limits) as file:
            if schema.CHECKSUM_KEY not in (file.metadata.metadata or {}):
                return False
    return bool(trace.source.files)


def slice_of(info: Recording, cut: Slice) -> str:
    """Which part of a recording it is."""
    began, ended, all_of_it = (
        seconds(ns - cut["started_ns"]) for ns in (info["started_ns"], info["ended_ns"], cut["ended_ns"])
    )
    chosen_by = f", {shell_command(cut['processes'])}" if cut["processes"] else ""
    return f"from +{began} s to +{ended} s of a recording of {all_of_it} s{chosen_by}"


def labels(info: Recording) -> str:
    """What `record --label` says of it."""
    return ", ".join(f"{key}={value}" for key, value in info.get("labels", {}).items())


def kept(info: Recording) -> str:
    """What a flight recorder kept."""
    before = seconds(info["started_ns"] - info.get("began_ns", info["started_ns"]))
    return f"the last of a recording (--keep-last {info.get('ring')}); {before} s before it are not kept"


def file_of(info: Recording, files: int) -> str:
    """Which of a rotated recording's files this is, or these are."""
    before = seconds(info["started_ns"] - info.get("began_ns", info["started_ns"]))
    first = info.get("file", 1)
    which = str(first) if files == 1 else f"{first} to {first + files - 1}"
    return f"{which} of a recording in several (--rotate {info.get('rotate')}) that began {before} s earlier"


def ids(info: Recording) -> str:
    """The ids of machine, boot and recording."""
    named = (("machine", "machine_id"), ("boot", "boot_id"), ("recording", "recording_id"))
    return ", ".join(f"{name} {info.get(key) or 'unknown'}" for name, key in named)


def host(info: Recording) -> str:
    """The machine in one line."""
    h = info["host"]
    parts = [h["name"], h["os"], f"Linux {h['kernel']} {h['arch']}", f"{h['cpus']} CPUs"]
    if h["memory_bytes"] is not None:
        parts.append(size(h["memory_bytes"]))
    return ", ".join(p for p in parts if p)


def span(info: Recording) -> str:
    """When, how long, and why it ended."""
    length = seconds(info["ended_ns"] - info["started_ns"])
    return (
        f"{iso(info['started_ns'], 3).replace('T', ' ').rstrip('Z')} UTC, {length} s, a snapshot every "
        f"{info['interval_s']:g} s, {ENDS.get(info['stopped_by']) or 'ended by ' + info['stopped_by']}"
    )


def command(info: Recording) -> str:
    """The followed command, and how it ended."""
    status = info["command_status"]
    ended = "still running at the end" if status is None else f"exit status {status}"
    if status is None and info["stopped_by"] == CUT_OFF:
        ended = "its exit status is unknown"
    return f"{shell_command(info['command'] or [])} ({ended})"


def asked(trace: Trace) -> str:
    """The chosen part of the trace; empty if all."""
    started_ns = trace.metadata["started_ns"]
    parts = []
    if trace.since_ns is not None:
        parts.append(f"since {_offset(trace.since_ns - started_ns)}")
    if trace.until_ns is not None:
        parts.append(f"until {_offset(trace.until_ns - started_ns)}")
    ended_ns = trace.metadata["ended_ns"]
    if trace.since_ns is not None and trace.since_ns >= ended_ns:
        parts.append(f"after the end of the recording at +{seconds(ended_ns - started_ns)} s")
    if trace.until_ns is not None and trace.until_ns <= started_ns:
        parts.append("before the recording began")
    parts += ["the command's processes"] if trace.selection.command else []
    parts += [f"pid {pid}" for pid in trace.selection.pids]
    parts += [f"comm {comm}" for comm in trace.selection.comms]
    parts += [f"cgroup {cgroup}" for cgroup in trace.selection.cgroups]
    return ", ".join(parts)


def _offset(ns: int) -> str:
    return f"{'' if ns < 0 else '+'}{seconds(ns)} s"


def seconds(ns: int) -> str:
    """Nanoseconds as seconds with three decimals, rounded down."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // 10**9}.{ns % 10**9 // 10**6:03d}"


def size(count: int) -> str:
    """Bytes in the unit that keeps the number short."""
    value, unit = float(count), "bytes"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{count} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
