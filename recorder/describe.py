"""The metadata of a recording."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field

from sysmon.bpf.kinds import KINDS
from sysmon.bpf.kinds.memory import PSS
from sysmon.bpf.kinds.process_io import PROCESS_IO
from sysmon.bpf.kinds.stacks import SAMPLES
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.metadata import CUT_OFF, Probe, Recording
from sysmon.recorder.options import Options
from sysmon.recorder.output.protocol import Output
from sysmon.recorder.read.losses import Losses
from sysmon.recorder.sample import host, procfs, pss
from sysmon.recorder.select.command import Command
from sysmon.version import version


@dataclass
class Span:
    """The time it covers [ns, CLOCK_BOOTTIME]."""

    began: int = 0  # start of the recording
    started: int = 0  # start of the part that is being written
    ended: int = 0  # 0: still running


@dataclass
class Description:
    """What is known of a recording; `recording` makes its metadata."""

    options: Options
    unmeasured: dict[str, str]  # columns or kinds, and why
    offset_ns: int  # from CLOCK_BOOTTIME to UTC
    probes: list[Probe] = field(default_factory=list)
    command: Command | None = None
    span: Span = field(default_factory=Span)
    recording_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def recording(self, stopped_by: str, own_start: int, output: Output, losses: Losses) -> Recording:
        """The metadata as of now. `stopped_by` is empty while the recording continues; `own_start` is this process's
        start.
        """
        options, command, span = self.options, self.command, self.span
        filters = options.filters
        return Recording(
            schema_version=schema.VERSION,
            sysmon_version=version(),
            host=host.describe(),
            started_ns=span.started + self.offset_ns,
            ended_ns=(span.ended or span.started) + self.offset_ns,
            stopped_by=stopped_by or CUT_OFF,
            interval_s=options.interval_s,
            command_line=list(options.command_line),
            command=list(command.argv) if command else None,
            command_pid=command.pid if command else None,
            command_status=command.status() if command else None,
            pids=list(filters.pids) or None,
            comms=list(filters.comms) or None,
            uids=list(filters.uids) or None,
            cgroup=str(filters.cgroup) if filters.cgroup else None,
            children=filters.children,
            kinds=[k.name for k in KINDS if k.name in options.kinds],
            ring=options.keep_last.text if options.keep_last else None,
            max_rate=options.max_rate,
            sample_rate=options.sample_rate if SAMPLES.name in options.kinds else None,
            rotate=options.rotate.text if options.rotate else None,
            file=output.number,
            machine_id=host.machine_id(),
            boot_id=host.boot_id(),
            recording_id=self.recording_id,
            mount_namespace=procfs.mount_namespace(os.getpid()),
            labels=dict(options.labels),
            began_ns=span.began + self.offset_ns,
            syscalls=list(options.syscalls) if SYSCALL.name in options.kinds else None,
            recorder_pid=os.getpid(),
            recorder_start=own_start,
            clock_offset_ns=self.offset_ns,
            probes=self.probes,
            unmeasured=self.unmeasured,
            rows=dict(output.rows),
            losses=losses.sums(),
        )


def not_measured(options: Options, no_tasks: str) -> dict[str, str]:
    """Columns or kinds that this kernel cannot supply, and why; `no_tasks`: why it has no task iterator."""
    found = {**pss.unmeasured()} if PSS.name in options.kinds else {}
    if no_tasks:
        found["start"] = f"only to a tick of 10 ms: {no_tasks}"
        found[PROCESS_IO.name] = f"only of threads that ended: {no_tasks}"
    return found
