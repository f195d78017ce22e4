"""From the kernel to the writer: drains the rings, reads the maps at each snapshot, and passes rows on in batches.

`schedule.py` decides when.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sysmon.bpf.kind import Kind, ring_layouts
from sysmon.bpf.kinds import MAP_KINDS, ledger, syscalls, throttle
from sysmon.bpf.kinds.block import BLOCK_INFLIGHT
from sysmon.bpf.kinds.cgroup_limits import CGROUP_LIMIT
from sysmon.bpf.kinds.cpu import CPU, HOST, THREADS_OFF_CPU
from sysmon.bpf.kinds.disks import DISK
from sysmon.bpf.kinds.lifecycle import EXEC
from sysmon.bpf.kinds.machine import MACHINE
from sysmon.bpf.kinds.memory import MEMORY, PSS
from sysmon.bpf.kinds.process_io import PROCESS_IO
from sysmon.bpf.kinds.stacks import WITH_STACKS
from sysmon.bpf.programs import csource
from sysmon.bpf.programs.probes import SNAPSHOT_PROGRAM
from sysmon.bpf.trace_file import schema
from sysmon.recorder.load import bpf_maps, bpf_programs
from sysmon.recorder.load.cpus import online_cpus
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.own.overhead import Overhead
from sysmon.recorder.read import inflight
from sysmon.recorder.read import ring as rings
from sysmon.recorder.read.counters import Control, MapPair
from sysmon.recorder.read.decode import Decoder, in_order
from sysmon.recorder.read.losses import Losses
from sysmon.recorder.read.requests import Requests
from sysmon.recorder.read.throttle import Throttling
from sysmon.recorder.sample import clock
from sysmon.recorder.sample.cgroup_limits import CgroupLimits
from sysmon.recorder.sample.disks import Disks
from sysmon.recorder.sample.machine import Machine
from sysmon.recorder.sample.pss import Pss
from sysmon.recorder.sample.rss import Resident
from sysmon.recorder.sample.tasks import Holding, Tasks
from sysmon.recorder.stacks.stacks import Stacks

LAZY_FRACTION = 1 / 64
"""Rings less full than this wait for the next snapshot or commit: a batch takes a millisecond of CPU time however few
rows it has.
"""

NAMES_S = 0.01
"""How often to look for names that are waited for."""

After = tuple[int, list[tuple[Kind, pa.RecordBatch]]]
"""A time [ns, CLOCK_BOOTTIME], and the batches that came after it."""


class Writer(Protocol):
    """Takes the rows."""

    def add(self, kind: Kind, batch: pa.RecordBatch) -> None:
        """Adds rows of a kind."""


class Collector:
    """Collects the recorded `kinds`."""

    def __init__(
        self,
        loaded: Loaded,
        sizes: csource.Sizes,
        writer: Writer,
        decoder: Decoder,
        kinds: frozenset[str],
        interval_s: float,
        overhead: Overhead,
        tasks: Tasks | None,
        pss: Pss,
        stacks: Stacks | None = None,
    ) -> None:
        """`tasks`: passes over all threads at snapshots; None: the kernel has no iterator. `stacks`: None if rows have
        none.
        """
        self._loaded, self._sizes, self._writer, self._decoder, self._kinds = loaded, sizes, writer, decoder, kinds
        self.offset_ns = decoder.offset_ns  # from CLOCK_BOOTTIME to UTC
        self.control = Control(loaded)
        self.losses = Losses(loaded, sizes.cpus)
        self.overhead = overhead
        self.resident = Resident(interval_s)
        self.pss = pss
        self._stacks = stacks
        buffers = bpf_maps.Buffers()
        self._pairs = [MapPair(k, loaded, sizes.cpus, buffers) for k in sizes.map_kinds]
        self._rings = [
            (kind, rings.Ring(loaded.maps[name], size, layout))
            for kind in sizes.ring_kinds
            for name, size, layout in zip(
                csource.ring_names(kind), sizes.ring_bytes(kind), ring_layouts(kind), strict=True
            )
        ]
        self._throttling = Throttling(loaded)
        self._machine = Machine(loaded, sizes.cpus)
        self._requests = Requests(loaded, buffers)
        self._disks = Disks()
        self._limits = CgroupLimits() if CGROUP_LIMIT.name in kinds else None
        self._tasks = tasks if kinds & {CPU.name, MEMORY.name, PROCESS_IO.name} else None
        self._holding: dict[int, Holding] = {}

    def begin(self, t0: int) -> None:
        """Starts the recording at `t0` [ns, CLOCK_BOOTTIME]."""
        self._machine.begin(t0)
        self._disks.begin()
        if self._limits:
            self._limits.begin(t0)

    def close(self) -> None:
        """Releases kernel resources."""
        for _kind, ring in self._rings:
            ring.close()
        self.control.close()
        self.overhead.close()

    def drain(self, until: float = float("inf"), lazy: bool = False, after: After | None = None) -> float:
        """Reads the rings; what is left at time `until` stays for the next call.

        If `lazy`, rings with little in them are skipped. Rows later than the time in `after` go to its list. Returns
        how full the fullest ring it read was, from 0 to 1; 1 if something is left. Each call starts with a different
        ring, so that a ring that is always full cannot starve the others.
        """
        fullest = 0.0
        self._rings.append(self._rings.pop(0))
        for kind, ring in self._rings:
            full = ring.waiting_bytes() / ring.size
            fullest = max(fullest, full)
            if lazy and full < LAZY_FRACTION:
                continue
            derived = {"edge": "start"} if kind is syscalls.SYSCALL_INFLIGHT else {}
            for records in map(in_order, ring.pieces()):
                if kind is EXEC and self._stacks:
                    for pid, ts in zip(records["pid"].tolist(), records["ts"].tolist(), strict=True):
                        self._stacks.has_changed(pid, ts)
                if after:
                    late = records["ts"] > after[0]
                    if late.any():
                        after[1].append((kind, self._decoder.batch(kind, records[late], **derived)))
                        records = records[~late]
                if len(records):
                    self.write(kind, self._decoder.batch(kind, records, **derived))
                if time.monotonic() > until:
                    return 1.0
        return fullest

    def map_fill(self) -> float:
        """How full the fullest counting map is, from 0 to 1."""
        made = dict(zip(MAP_KINDS, self.losses.cells().tolist(), strict=True))
        return max((made[pair.kind] / self._sizes.map_entries(pair.kind) for pair in self._pairs), default=0.0)

    def charge_running(self) -> None:
        on_snapshot = self._loaded.programs.get(SNAPSHOT_PROGRAM)
        if on_snapshot is None:
            return
        for cpu in online_cpus():
            with contextlib.suppress(OSError):  # a CPU that just went offline has nothing to charge
                bpf_programs.run_on_cpu(on_snapshot, cpu)

    def look_at_tasks(self, *, anyway: bool = False) -> None:
        """Charges the threads' I/O, and counts what processes hold; `anyway`: regardless of the cost."""
        self._holding = self._tasks.holding(anyway=anyway) if self._tasks else {}

    def snapshot(self) -> clock.Clocks:
        """Ends an epoch and reads its rows. Returns its time."""
        self.look_at_tasks()
        self.charge_running()
        moment = clock.read()
        self._disks.look()
        ts = moment.boottime_ns
        self.losses.note_misses()
        self.collect(self.control.turn(), ts)
        self.clock_row("snapshot", moment, clock.boottime_ns() - ts)
        return moment

    def tick(self) -> None:
        """Does what is due more often than snapshots."""
        self.add(throttle.STEP, self._throttling.rows())
        self.add(ledger.OVERHEAD, self.overhead.tick())
        self.add(PSS, self.pss.rows())
        if self._stacks:
            self._stacks.look(self.control.epoch)
        self._add_named()

    def _add_named(self, *, anyway: bool = False) -> None:
        """Adds rows whose stacks have names by now; `anyway`: all."""
        for named in self._stacks.named(anyway=anyway) if self._stacks else ():
            for kind, rows in named.told.items():
                self.add(kind, rows)
            self.write(named.kind, self._decoder.batch(named.kind, named.records))

    def finish_stacks(self, seconds: float) -> None:
        """Adds all rows that wait for names, after at most this long."""
        until = time.monotonic() + seconds
        self._add_named()
        while self._stacks and self._stacks.waits() and time.monotonic() < until:
            time.sleep(NAMES_S)
            self._add_named()
        self._add_named(anyway=True)

    def begin_file(self) -> None:
        """From now on rows go to another file."""
        self._disks.begin_file()
        if self._limits:
            self._limits.begin_file()
        if self._stacks:
            self._stacks.begin_file()

    def collect(self, epoch: int, ts: int) -> None:
        """Reads the rows of an epoch that has ended."""
        if self._stacks:
            self._stacks.learn(epoch)
        for pair in self._pairs:
            records = pair.drain(epoch, ts)
            if self._stacks and pair.kind.name in WITH_STACKS:
                self._stacks.hold(pair.kind, records)
            elif len(records):
                self.write(pair.kind, self._decoder.batch(pair.kind, records))
            if pair.kind is CPU:
                ran = np.unique(records[["pid", "start"]])  # a process has a row for each thread and what it waited for
                self.resident.ran(zip(ran["pid"].tolist(), self._decoder.starts(ran["start"]).tolist(), strict=True))
        self.add_memory(ts, everything=not self.control.epoch)
        self.add(HOST, self._machine.host_rows(epoch, ts))
        self.add(MACHINE, [self._machine.row(ts)])
        self.add(BLOCK_INFLIGHT, self._requests.rows(ts, self._disks.in_flight))
        self.add(CGROUP_LIMIT, self._limits.rows(ts) if self._limits else [])
        self.add(DISK, self._disks.rows(ts))
        self.add(throttle.STEP, self._throttling.rows())
        self.add(ledger.LOSS, self.losses.rows(ts))
        self.add(ledger.OVERHEAD, [self.overhead.recorder()])

    def add_memory(self, ts: int, everything: bool = False) -> None:
        """Adds the memory of processes that are due."""
        rows = self.resident.rows(ts, self._holding, everything)
        self.add(MEMORY, rows)
        self.pss.saw(rows)

    def add(self, kind: Kind, rows: list[dict[str, Any]]) -> None:
        """Adds rows made in Python, a handful at a time. `ts` is CLOCK_BOOTTIME ns."""
        if rows:
            rows = [{**row, "ts": row["ts"] + self.offset_ns} for row in rows]
            self.write(kind, pa.RecordBatch.from_pylist(rows, schema=schema.of_kind(kind)))

    def write(self, kind: Kind, batch: pa.RecordBatch) -> None:
        if kind.name in self._kinds:
            self._writer.add(kind, batch)

    def clock_row(self, event: str, moment: clock.Clocks, read_ns: int | None) -> None:
        self.add(ledger.CLOCK, [{"ts": moment.boottime_ns, "event": event, **asdict(moment), "read_ns": read_ns}])

    def stop(self) -> tuple[int, clock.Clocks]:
        """Stops recording. Returns the last epoch, and when it ended."""
        epoch, moment = self.control.stop()
        self._disks.look()
        return epoch, moment

    def off_cpu(self, started: int, ended: int) -> None:
        """Which threads are off the CPU, at the end of what began at `started`."""
        if not self._tasks:
            return
        records = self._tasks.off_cpu()
        records = records[records["ts"] < ended]
        records["off_cpu_ns"] = ended - np.maximum(records["ts"], started)
        records["ts"] = ended
        self.write(THREADS_OFF_CPU, self._decoder.batch(THREADS_OFF_CPU, records))

    def unfinished(self, started: int, ended: int) -> None:
        records, before = inflight.unfinished(self._loaded, started, ended, self._sizes.cpus)
        for edge, chosen in (("both", before), ("end", ~before)):
            batch = self._decoder.batch(syscalls.SYSCALL_INFLIGHT, records[chosen], edge=edge)
            self.write(syscalls.SYSCALL_INFLIGHT, batch)
