"""The JSON object in a trace's file metadata: who recorded what, where, when and with which probes.

Every key is always present, except those of `Later` in older traces; unknown values are None. Durations are in seconds,
instants in ns.
"""

from __future__ import annotations

from typing import TypedDict

CUT_OFF = "cut off"
"""`stopped_by` of a trace whose recorder was killed or could not continue writing."""

RUNNING = "not yet"
"""`stopped_by` of a trace whose recorder is still running."""

ASKED = "request"
"""`stopped_by` of a file that a flight recorder wrote on request before it continued."""

SLICED = "slice"
"""`stopped_by` of a part that ends before its recording did."""

ROTATED = "rotation"
"""`stopped_by` of a file after which the recording continues in the next."""

DAMAGED = "damaged"
"""Loss cause: rows that were written and could not be read back."""


class Host(TypedDict):
    name: str
    kernel: str  # release, as uname -r
    arch: str
    os: str | None  # PRETTY_NAME of os-release(5)
    cpus: int  # online when the recording began
    memory_bytes: int | None


class Probe(TypedDict):
    name: str  # the BPF program
    tracepoint: str
    attached: bool
    reason: str  # why not, if it is not attached


class Loss(TypedDict):
    cause: str
    place: str
    lost: int


class Slice(TypedDict):
    """Of a trace that is a part of a recording: what it was cut from."""

    started_ns: int  # of the recording
    ended_ns: int
    processes: list[str]  # command-line words that chose processes; empty: all that were recorded


class Later(TypedDict, total=False):
    """Keys that were added after the first traces: a reader must do without."""

    syscalls: list[str] | None  # calls that are rows of kind `syscall`; empty: all; None: no such rows
    ring: str | None  # how much --keep-last kept, as typed; None: everything
    max_rate: int | None  # maximum events of a kind per second; None: no limit
    sample_rate: int | None  # samples of each CPU per second; None: no rows of kind `samples`
    rotate: str | None  # when --rotate starts a new file, as typed; None: a single file
    file: int  # number of this file of a rotated recording, from 1; all have the same `began_ns`
    mount_namespace: int | None  # the recorder's mount namespace, by the inode of /proc/self/ns/mnt; not in version 1
    machine_id: str | None  # UUID derived from machine-id(5) for sysmon alone; None: the machine has none
    boot_id: str | None  # /proc/sys/kernel/random/boot_id: a process is (boot_id, pid, start)
    recording_id: str  # a random UUID, the same in all files of one recording
    command_pid: int | None  # the command's process, a child of the recorder; not in version 1
    began_ns: int  # when the recording began; what came before `started_ns` was not kept
    labels: dict[str, str]  # what `record --label` says of it
    slice: Slice  # in a trace that `sysmon slice` made


class Recording(Later):
    schema_version: int
    sysmon_version: str
    host: Host
    started_ns: int  # UTC ns since 1970: the first instant in the trace
    ended_ns: int
    stopped_by: str  # 'duration', 'signal', 'command', 'size', CUT_OFF, RUNNING, ASKED, ROTATED or SLICED
    interval_s: float
    command_line: list[str]  # of sysmon itself
    command: list[str] | None  # what `record -- COMMAND` followed
    command_status: int | None  # its wait status as a shell shows it: 0-255, 128 + signal; None if it was still running
    pids: list[int] | None  # the processes chosen; with none of the four: all
    comms: list[str] | None  # the names chosen
    uids: list[int] | None  # the users chosen
    cgroup: str | None  # the cgroup chosen
    children: bool  # whether descendants are recorded too
    kinds: list[str]  # kinds recorded; other kinds have no rows whatever happened
    recorder_pid: int
    recorder_start: int  # ns since boot, rounded down to a tick: the process is (recorder_pid, recorder_start)
    clock_offset_ns: int  # ts minus CLOCK_BOOTTIME
    probes: list[Probe]
    unmeasured: dict[
        str, str
    ]  # columns or kinds that are partly or wholly missing for lack of kernel support or privilege, and why
    rows: dict[str, int]  # rows of each kind
    losses: list[Loss]  # totals of the `loss` rows


def of_some(info: Recording) -> bool:
    """Whether only some processes are in it: their sums are not those of the machine."""
    filtered = any(info[name] for name in ("pids", "comms", "uids", "cgroup"))
    return only_command(info) or filtered or bool("slice" in info and info["slice"]["processes"])


def only_command(info: Recording) -> bool:
    """Whether only a command and its descendants were recorded, and not everything for as long as it ran."""
    return info["command"] is not None and (info["children"] or "command_pid" not in info)
