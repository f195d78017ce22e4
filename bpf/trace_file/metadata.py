"""The JSON object that a trace carries in its file metadata: who recorded what, where, when and with which probes.

Every key is always present, but for those of `Later` in older traces; what is not known is None. Durations are
seconds, instants are ns.
"""

from __future__ import annotations

from typing import TypedDict

CUT_OFF = "cut off"
"""`stopped_by` of a trace whose recorder was killed or could not write on."""

RUNNING = "not yet"
"""`stopped_by` of one whose recorder still runs."""

ASKED = "request"
"""`stopped_by` of what a flight recorder wrote when it was asked to, and went on."""

ROTATED = "rotation"
"""`stopped_by` of a file after which the recording goes on in the next."""

DAMAGED = "damaged"
"""Cause of losses: rows that were written and could not be read again."""


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


class Later(TypedDict, total=False):
    """What came after the first traces: a reader does without."""

    syscalls: list[str] | None  # the calls that are rows of kind `syscall`; empty: all; None: there are no such rows
    ring: str | None  # how much of the recording --keep-last kept, as it was asked for; None: all of it
    max_rate: int | None  # how many events of a kind there are in a second, at most; None: all
    rotate: str | None  # when the recording goes on in another file, as it was asked for; None: it is one file
    file: int  # the number of this file of such a recording, from 1; `began_ns` is the same in all of them
    mount_namespace: int | None  # the recorder's mount namespace, by the inode of /proc/self/ns/mnt; not in version 1
    machine_id: str | None  # tells machines apart: a UUID made of machine-id(5) for sysmon alone; None: it has none
    boot_id: str | None  # of the boot, as /proc/sys/kernel/random/boot_id: a process is (boot_id, pid, start)
    recording_id: str  # a random UUID, the same in all files of one recording
    began_ns: int  # when the recording began; what was before `started_ns` is not kept


class Recording(Later):
    schema_version: int
    sysmon_version: str
    host: Host
    started_ns: int  # UTC ns since 1970: the first instant that is in the trace
    ended_ns: int
    stopped_by: str  # 'duration', 'signal', 'command', 'size', CUT_OFF, RUNNING, ASKED or ROTATED
    interval_s: float
    command_line: list[str]  # of sysmon itself
    command: list[str] | None  # what `record -- COMMAND` followed
    command_status: int | None  # its wait status as a shell shows it: 0-255, 128 + signal; None if it was still running
    pids: list[int] | None  # the processes asked for; with none of the four: all
    comms: list[str] | None  # the names asked for
    uids: list[int] | None  # the users asked for
    cgroup: str | None  # the cgroup asked for
    children: bool  # whether descendants are recorded, too
    kinds: list[str]  # kinds that were recorded; of the others there are no rows, whatever happened
    recorder_pid: int
    recorder_start: int  # ns since boot, rounded down to a tick: the process is (recorder_pid, recorder_start)
    clock_offset_ns: int  # ts minus CLOCK_BOOTTIME
    probes: list[Probe]
    unmeasured: dict[
        str, str
    ]  # columns or kinds that are NULL or not there, all or some, for kernel or privilege, and why
    rows: dict[str, int]  # rows of each kind
    losses: list[Loss]  # totals of the `loss` rows
