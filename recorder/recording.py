"""One recording, from attaching to the finished file.

A single thread: it sleeps until something is due, and then has the collector drain the rings or take a snapshot.
`schedule.py` decides when.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from sysmon.bpf.kind import TICK_NS, Kind
from sysmon.bpf.kinds import ledger, lifecycle
from sysmon.bpf.kinds.cgroups import CGROUP
from sysmon.bpf.kinds.connections import CONNECTION
from sysmon.bpf.kinds.memory import PSS
from sysmon.bpf.kinds.remarks import MARK
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file.metadata import Recording
from sysmon.recorder.control.access import Access
from sysmon.recorder.control.control import Control
from sysmon.recorder.control.server import Server
from sysmon.recorder.describe import Description, not_measured
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.options import Options
from sysmon.recorder.output.protocol import Output
from sysmon.recorder.own import capabilities, priority, privilege, startup_memory
from sysmon.recorder.own.overhead import Overhead
from sysmon.recorder.own.run_time import Stats
from sysmon.recorder.read import inflight
from sysmon.recorder.read.collector import Collector
from sysmon.recorder.read.decode import Decoder
from sysmon.recorder.sample import cgroups, clock, processes, pss
from sysmon.recorder.sample.connections import Connections
from sysmon.recorder.sample.live_processes import LiveProcesses
from sysmon.recorder.sample.tasks import Tasks
from sysmon.recorder.schedule import Schedule
from sysmon.recorder.select.command import Command
from sysmon.recorder.select.targets import Targets
from sysmon.recorder.stacks.capture import Capture
from sysmon.recorder.stop_signals import StopSignals
from sysmon.recorder.ui.watcher import Progress, Watcher

GRACE_S = 0.5
"""How long a command may take to end after the signal that ends the recording."""

NAMES_OF_PART_S, NAMES_OF_END_S = 0.1, 2.0
"""How long to wait for names of functions at the end of a part and of the recording."""


class Recorder:
    """Records what loaded programs see into an output; call `run`."""

    def __init__(
        self,
        options: Options,
        sizes: csource.Sizes,
        loaded: Loaded,
        output: Output,
        names: SyscallNames,
        unmeasured: dict[str, str] | None = None,
        privileges: privilege.Privileges | None = None,
        unseen: dict[str, str] | None = None,
        access: Access | None = None,
    ) -> None:
        """`unmeasured`: columns that this kernel cannot supply, and why; `unseen`: what we have no permission to read.

        `privileges` are dropped when everything is attached; None: none are. `access`: what clients come in by.
        """
        self._options, self._loaded, self._output, self._names = options, loaded, output, names
        self._ring_kinds = sizes.ring_kinds
        self._privileges = privileges
        self._stats = Stats()
        self._pss = pss.Pss(limited=not options.every_pss)
        self._capture = Capture.of(options.kinds, loaded, options.sample_rate)
        self._tasks, reason = Tasks.of(loaded)
        self._live = LiveProcesses(self._tasks)
        self._connections = Connections(loaded) if CONNECTION in sizes.ring_kinds else None
        decoder = Decoder(clock.read().offset_ns, names, frozenset(unmeasured or ()), 1 if self._tasks else TICK_NS)
        self._collector = Collector(
            loaded, sizes, output, decoder, options.kinds, options.interval_s,
            Overhead(loaded, self._stats, self._pss, self._capture), self._tasks, self._pss,
            self._capture.stacks if self._capture else None,
        )  # fmt: skip
        known = {**(unmeasured or {}), **(unseen or {}), **not_measured(options, reason)}
        self._description = Description(options, known, self._collector.offset_ns)
        self._span = self._description.span
        self._stopped_by = ""
        self._signals = StopSignals(lambda: self._stop("signal"))
        self._access = access or Access(os.geteuid(), None)
        self._control = Control(output, self._collector, self._end_as_asked, takes_marks=MARK.name in options.kinds)
        self._clients: Server | None = None
        self._was_asked_to_end = False
        self._committed_rows = 0
        self._moment = clock.Clocks(0, 0, 0)  # when the recording, or this part of it, began

    @property
    def signal(self) -> int:
        """The signal that ended it; 0 if none did."""
        return self._signals.ended_by

    def _stop(self, why: str) -> None:
        self._stopped_by = self._stopped_by or why

    def _end_as_asked(self) -> None:
        self._was_asked_to_end = True
        self._signals.end_by(signal.SIGINT)

    def run(self, command: Command | None, watcher: Watcher) -> Recording:
        """Records until it is time to stop, and finishes the file. Returns its metadata."""
        self._command = self._description.command = command
        self._targets = Targets(self._options.filters, self._loaded, command)
        with self._signals.noted(files=bool(self._options.keep_last)) as wakeup, select.epoll() as poll:
            self._register(poll, wakeup)
            schedule = self._begin()
            if self._privileges:  # not earlier: the command gets all that we had
                self._privileges.drop(self._targets.count)
            if self._access.inherited:
                capabilities.end_with_parent(signal.SIGINT)  # it was set, and the drop has reset it
            self._output.begin(self._recording())
            self._commit()
            startup_memory.give_back()
            self._clients, remark = self._control.serve(self._access, self._options.path.name)
            self._clients.register(poll)
            watcher.began(remark)
            if command:
                command.let_go()
            self._loop(poll, schedule, watcher, self._clients)
            self._await_command()
            recording = self._end()
            self._clients.tell()
            self._clients.ended()
            return recording

    def _register(self, poll: select.epoll, wakeup: int) -> None:
        """Registers what wakes us: the end of all chosen processes, and a ring that fills faster than we look at it."""
        poll.register(wakeup, select.EPOLLIN)
        for name in (n for kind in self._ring_kinds for n in csource.ring_names(kind)):
            poll.register(self._loaded.maps[name], select.EPOLLIN | select.EPOLLET)

    # -- start

    def _begin(self) -> Schedule:
        """From here on everything is recorded."""
        startup_memory.give_back()
        priority.raise_own()
        filters = self._options.filters
        filters.install(self._loaded)
        alive = filters.alive()
        if alive is not None:
            filters.follow(self._loaded, alive if filters.children else filters.pids)
        self._loaded.tell_shapes(self._names)
        self._delegate()
        self._description.probes = [*self._loaded.attach(), *(self._capture.attach() if self._capture else ())]
        self._collector.losses.begin()
        before = self._live.pids()
        self._moment = clock.read()
        self._span.began = self._span.started = self._moment.boottime_ns
        self._collector.control.start(self._span.started, filters.flags, filters.cgroup_id)
        schedule = self._schedule()
        self._collector.begin(self._span.started)
        self._collector.charge_running()
        self._collector.look_at_tasks(anyway=True)
        if self._connections:
            self._connections.look()
            self._note_missing_connections()
        self._begin_with([] if self._options.only_command else alive, before)
        return schedule

    def _delegate(self) -> None:
        """Starts the child processes for what takes more privileges than we keep."""
        if self._privileges and ledger.OVERHEAD.name in self._options.kinds:
            self._stats.delegate()
        if self._privileges and self._capture:
            self._capture.delegate()
        if PSS.name in self._options.kinds:
            self._pss.delegate(self._privileges.owner if self._privileges else None, self._stats.pids)

    def _schedule(self) -> Schedule:
        never_quiet = SYSCALL.name in self._options.kinds
        return Schedule(time.monotonic(), self._options.interval_s, self._options.duration_s, never_quiet=never_quiet)

    def _begin_with(self, alive: list[int] | None, before: frozenset[int]) -> None:
        """Writes the state snapshot of these processes, and starts the command."""
        started = self._span.started
        rows = processes.rows("start", started, self._live.since(started, alive, before))
        self._open_with(rows)
        if not self._options.only_command:
            inflight.mark_blocked(self._loaded, started, rows)
            self._collector.resident.ran((row["pid"], row["start"]) for row in rows if not row["kernel_thread"])
            self._collector.add_memory(started)
        if self._command:
            held = self._command.start()
            inflight.mark_outside(self._loaded, held)
            if self._options.only_command:
                self._options.filters.follow(self._loaded, [held])

    def _open_with(self, alive: list[dict[str, Any]]) -> None:
        self._collector.begin_file()
        with self._output.opening():
            self._collector.add(CGROUP, cgroups.rows(self._span.started))
            self._collector.clock_row("start", self._moment, None)
            self._collector.add(lifecycle.PROCESS, alive)

    # -- loop

    def _loop(self, poll: select.epoll, schedule: Schedule, watcher: Watcher, clients: Server) -> None:
        while not self._stopped_by:
            now = time.monotonic()
            clients.look(now)
            schedule.watched(now, clients.wanted)
            lazy = schedule.may_be_lazy(now)
            fill = self._collector.drain(schedule.drain_until(now), lazy)
            self._collector.tick()
            cells = self._collector.map_fill()
            now = time.monotonic()
            full, asked = self._output.cannot_wait, self._signals.was_asked()
            if full or asked or schedule.is_snapshot_due(now, cells):
                self._look(schedule, full, asked)
                self._tell(watcher, schedule, now)
                now = time.monotonic()
                if schedule.is_watched:  # what happened before the snapshot is committed with it
                    lazy = False
                    self._collector.drain(schedule.drain_until(now), lazy)
            if not lazy:
                schedule.drained(now, self._output.total_rows != self._committed_rows)
            if schedule.is_commit_due(now):
                self._commit()
                schedule.committed(now)
            self._stop_if_it_is_time(schedule, now)
            if not self._stopped_by:
                poll.poll(min(schedule.pause_s(now, fill, cells), clients.pause_s(now)))

    def _look(self, schedule: Schedule, full: bool, asked: bool) -> None:
        """Takes a snapshot, and continues in a new part of the output if this one is over."""
        schedule.took_snapshot(time.monotonic())
        moment = self._collector.snapshot()
        if self._capture:
            self._capture.follow_cpus()
        if full or asked or self._output.is_full:
            self._turn(moment, asked)

    def _tell(self, watcher: Watcher, schedule: Schedule, now: float) -> None:
        if self._targets.chosen_are_gone():
            self._stop("command")
        lost, output = self._collector.losses.total, self._output
        left_s = schedule.left_s(now)
        watcher.goes(Progress(schedule.elapsed_s(now), left_s, output.total_rows, lost, output.bytes_written))
        if left := self._targets.who_is_left(now):
            watcher.waits(left)

    def _stop_if_it_is_time(self, schedule: Schedule, now: float) -> None:
        if schedule.is_over(now):
            self._stop("duration")
        elif self._output.is_at_end:
            self._stop("size")
        elif self._targets.nobody_left():
            self._stop("command")

    def _turn(self, moment: clock.Clocks, asked: bool) -> None:
        """Continues in a new part or file, which begins at the instant of the snapshot that ended all counts.

        `asked`: a file of what is kept is wanted now.
        """
        later: list[tuple[Kind, pa.RecordBatch]] = []
        ts = moment.boottime_ns

        def drain() -> None:
            self._collector.drain(after=(ts, later))

        drain()
        alive = processes.rows("start", ts, self._live.since(ts, self._targets.pids()), drain)
        self._end_part(ts, alive, asked, drain)
        drain()
        self._span.started, self._moment = ts, moment
        self._output.begin(self._recording())
        self._open_with(alive)
        for kind, batch in later:
            self._collector.write(kind, batch)
        self._commit()

    def _end_part(self, ts: int, alive: list[dict[str, Any]], asked: bool, drain: Callable[[], None]) -> None:
        self._collector.finish_stacks(NAMES_OF_PART_S)
        if self._output.each_is_whole:
            self._collector.add(lifecycle.PROCESS, [{**row, "edge": "end"} for row in alive])
            self._collector.off_cpu(self._span.started, ts)
            self._tell_connections(ts, drain)
        self._span.ended = ts
        self._output.turn(self._recording(), asked)
        self._span.ended = 0
        if self._output.each_is_whole:
            self._collector.losses.begin_file()

    def _commit(self) -> None:
        """Commits, with the metadata that has changed since the start. Then there may be other parts than before."""
        ended_ns = clock.boottime_ns() + self._collector.offset_ns
        self._output.commit({"ended_ns": ended_ns, "losses": self._collector.losses.sums()})
        self._committed_rows = self._output.total_rows
        if self._clients:
            self._clients.tell()

    def _recording(self) -> Recording:
        start = self._live.own_start()
        return self._description.recording(self._stopped_by, start, self._output, self._collector.losses)

    # -- end

    def _await_command(self) -> None:
        """After a signal, gives the command a moment to end, so that its exit is in the trace.

        A terminal sends Ctrl-C to both; what only the recorder gets is passed on. The programs see the exit a
        moment before the status is available.
        """
        if not self._command:
            return
        if self._stopped_by == "command":
            self._command.wait(GRACE_S)
        if self._stopped_by != "signal":
            return
        if self.signal != signal.SIGINT or self._was_asked_to_end:
            self._command.signal(self.signal)
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and not self._targets.nobody_left():
            self._collector.drain()
            time.sleep(0.01)

    def _end(self) -> Recording:
        self._pss.end()
        there = self._live.now(self._targets.pids())
        self._collector.add(lifecycle.PROCESS, processes.rows("end", clock.boottime_ns(), there))
        self._collector.look_at_tasks(anyway=True)
        self._collector.charge_running()
        epoch, moment = self._collector.stop()
        ended = self._span.ended = moment.boottime_ns
        self._tell_connections(ended, self._collector.drain)
        self._collector.losses.note_misses()
        self._collector.drain()
        self._collector.collect(epoch, ended)
        if self._capture:
            self._capture.detach()
        self._loaded.detach()  # not earlier: a copy whose program is detached takes everything for skipped
        self._collector.unfinished(self._span.started, ended)
        self._collector.off_cpu(self._span.started, ended)
        self._collector.add(PSS, self._pss.last_rows(ended))
        self._collector.finish_stacks(NAMES_OF_END_S)
        overhead = self._collector.overhead
        self._collector.add(ledger.OVERHEAD, [*overhead.close(), overhead.recorder()])
        self._collector.clock_row("end", moment, clock.boottime_ns() - ended)
        return self._output.finish(self._recording())

    def _tell_connections(self, ts: int, drain: Callable[[], object]) -> None:
        if self._connections:
            self._connections.tell(ts, drain)
            self._note_missing_connections()

    def _note_missing_connections(self) -> None:
        if self._connections and self._connections.missing:
            self._description.unmeasured[CONNECTION.name] = self._connections.missing

    def close(self) -> None:
        """Releases the recording's kernel resources, and lets its clients go."""
        if self._clients:
            self._clients.close()
        self._collector.close()
        if self._connections:
            self._connections.close()
        self._stats.close()
        self._pss.close()
        if self._capture:
            self._capture.close()
        if self._tasks:
            self._tasks.close()
