"""One recording, from attaching to the finished file.

A single thread: it sleeps until something is due, and then has the collector drain the rings or take a snapshot.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sysmon.bpf.kind import TICK_NS, Kind
from sysmon.bpf.kinds import DEFAULT_KINDS, KINDS, ledger, lifecycle
from sysmon.bpf.kinds.cgroups import CGROUP
from sysmon.bpf.kinds.memory import PSS
from sysmon.bpf.kinds.process_io import PROCESS_IO
from sysmon.bpf.kinds.syscall_events import SYSCALL
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file import metadata, schema
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.recorder.load import kernel
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.output.flight import FlightWriter, Keep
from sysmon.recorder.output.rotate import RotatingWriter, Rotation
from sysmon.recorder.own import heap, priority, privilege
from sysmon.recorder.own.overhead import Overhead
from sysmon.recorder.own.run_time import Stats
from sysmon.recorder.read import inflight
from sysmon.recorder.read.collector import Collector
from sysmon.recorder.read.counters import ZERO_KEY
from sysmon.recorder.read.decode import Decoder, escape
from sysmon.recorder.sample import cgroups, clock, host, processes, procfs, pss
from sysmon.recorder.sample.tasks import Tasks
from sysmon.recorder.select.filters import EVERYTHING, Filters
from sysmon.recorder.select.follow import Command
from sysmon.version import version

DRAIN_S = 0.1
"""How often the rings are read, and looked at how full the maps are."""

BUSY_DRAIN_S, BUSY_FRACTION = 0.01, 1 / 8
"""How often while one ring is found this full."""

QUIET_DRAIN_S, QUIET_FRACTION = 0.25, 1 / 64
"""How often while none of them, and no map, is found this full: to look takes a millisecond of CPU time. Not if every
call is an event: their ring can fill from nothing in that time."""

CELLS_FRACTION = 0.5
"""A counting map that is this full is read before the snapshot is due."""

COMMIT_S = 2.0
"""How often what was recorded is put where it outlives the recorder. At most this much, and what a snapshot takes, is
missing if it is killed."""

WAITS_S = 2.0
"""So long after the end of the command it is said who else is waited for."""

GRACE_S = 0.5
"""How long a command may take to end after the signal that ends the recording."""


@dataclass(frozen=True)
class Options:
    """What was asked for. No duration: until a signal or, with a command, until it and its descendants have ended."""

    path: Path
    force: bool = False
    duration_s: float | None = None
    max_bytes: int | None = None  # of the file
    ring: Keep | None = None  # only the last of it is kept
    rotate: Rotation | None = None  # it goes on in another file now and then
    interval_s: float = 1.0
    filters: Filters = EVERYTHING
    kinds: frozenset[str] = DEFAULT_KINDS
    every_pss: bool = False  # without the limits of the kind `pss`
    syscalls: tuple[str, ...] = ()  # the calls that are events, if the kind `syscall` is recorded; empty: all
    buffer_bytes: int | None = None  # of the first ring of such events
    max_rate: int | None = None  # events of a kind in a second
    command: tuple[str, ...] = ()
    command_line: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How a recording stands."""

    elapsed_s: float
    left_s: float | None
    rows: int
    lost: int
    bytes_written: int


class Watcher(Protocol):
    """Who wants to know how a recording goes."""

    def began(self) -> None:
        """From now on everything is recorded."""

    def goes(self, progress: Progress) -> None:
        """After each snapshot."""

    def waits(self, left: list[tuple[int, str]]) -> None:
        """The command has ended, and these processes that it started, by pid and name, have not."""


class Session:
    """A recording of loaded programs into a writer. `run` is all there is to do with it."""

    def __init__(
        self,
        options: Options,
        sizes: csource.Sizes,
        loaded: Loaded,
        writer: TraceWriter | FlightWriter | RotatingWriter,
        names: SyscallNames,
        unmeasured: dict[str, str] | None = None,
        privileges: privilege.Privileges | None = None,
        unseen: dict[str, str] | None = None,
    ) -> None:
        """`unmeasured`: columns that this kernel does not know the values of, and why; `unseen`: what we may not know.

        `privileges` are given up when all is attached; None: none are.
        """
        self._options, self._loaded, self._writer, self._names = options, loaded, writer, names
        self._ring_kinds = sizes.ring_kinds
        self._unmeasured = {**(unmeasured or {}), **(unseen or {})}
        if PSS.name in options.kinds:
            self._unmeasured |= pss.unmeasured()
        self._privileges = privileges
        self._stats = Stats()
        self._pss = pss.Pss(limited=not options.every_pss)
        self._tasks, reason = Tasks.of(loaded)
        if not self._tasks:
            self._unmeasured |= {
                "start": f"only to a tick of 10 ms: {reason}",
                PROCESS_IO.name: f"only of threads that ended: {reason}",
            }
        self._collector = Collector(
            loaded, sizes, writer,
            Decoder(clock.read().offset_ns, names, frozenset(unmeasured or ()), 1 if self._tasks else TICK_NS),
            options.kinds, options.interval_s, Overhead(loaded, self._stats, self._pss), self._tasks,
            self._pss,
        )  # fmt: skip
        self._stopped_by = ""
        self.signal = 0  # that ended it, if one did
        self._asked = False  # for a file of what is kept
        self._began = 0
        self._command: Command | None = None
        self._waits_since: float | None = None  # for others than the command; infinite once that is said
        self._probes: list[metadata.Probe] = []
        self._started = self._ended = 0
        self._moment = clock.Clocks(0, 0, 0)  # when the recording, or this part of it, began
        self._next_snapshot = self._next_commit = 0.0

    def run(self, command: Command | None, watcher: Watcher) -> metadata.Recording:
        """Records until it is time to stop, and finishes the file. Returns what the file says of itself."""
        with self._signals() as wakeup, select.epoll() as poll:
            poll.register(wakeup, select.EPOLLIN)
            # A program wakes us up when all is over, or when its ring fills faster than we look at it.
            for name in (n for kind in self._ring_kinds for n in csource.ring_names(kind)):
                poll.register(self._loaded.maps[name], select.EPOLLIN | select.EPOLLET)
            self._command = command
            began = self._begin(command)
            if self._privileges:  # not before: the command is to have all that we had
                self._privileges.drop(lambda: kernel.lookup(self._loaded.maps["alive"], ZERO_KEY, 8))
            self._writer.begin(self._recording(command))
            self._commit()
            heap.give_back()
            watcher.began()
            if command:
                command.let_go()
            self._loop(poll, began, watcher)
            self._await_command(command)
            return self._end(command)

    def _begin(self, command: Command | None) -> float:
        """Returns when the recording began, on the monotonic clock."""
        heap.give_back()
        priority.raise_own()
        filters = self._options.filters
        filters.install(self._loaded)
        alive = filters.alive()
        if alive is not None:
            filters.follow(self._loaded, alive if filters.children else filters.pids)
        self._loaded.tell_shapes(self._names)
        if self._privileges and ledger.OVERHEAD.name in self._options.kinds:
            self._stats.delegate()
        if PSS.name in self._options.kinds:
            self._pss.delegate(self._privileges.owner if self._privileges else None, self._stats.pids)
        self._probes = self._loaded.attach()
        self._collector.losses.begin()
        before = frozenset(() if self._tasks else procfs.pids())
        self._moment = clock.read()
        self._started = self._began = self._moment.boottime_ns
        self._collector.control.start(self._started, filters.flags, filters.cgroup_id)
        began = time.monotonic()
        self._next_snapshot, self._next_commit = began + self._options.interval_s, began + COMMIT_S
        self._collector.begin(self._started)
        self._collector.charge_running()
        self._collector.look_at_tasks(anyway=True)
        rows = self._standing([] if command else alive, before)
        if not command:
            inflight.mark_blocked(self._loaded, self._started, rows)
            self._collector.resident.ran((row["pid"], row["start"]) for row in rows if not row["kernel_thread"])
            self._collector.add_memory(self._started)
        else:
            held = command.start()
            inflight.mark_outside(self._loaded, held)
            filters.follow(self._loaded, [held])
        return began

    def _standing(self, alive: list[int] | None, before: frozenset[int]) -> list[dict[str, Any]]:
        """Says how things stand at the beginning, of these processes. Returns their rows."""
        rows = processes.rows("start", self._started, self._there_since(self._started, alive, before))
        self._open_with(rows)
        return rows

    def _there(self, chosen: list[int] | None) -> Iterator[procfs.Process]:
        """The processes that there are now, all or the chosen ones."""
        return self._tasks.standing(chosen) if self._tasks else procfs.processes(chosen)

    def _there_since(
        self, ts: int, chosen: list[int] | None, before: frozenset[int] = frozenset()
    ) -> Iterator[procfs.Process]:
        """Those that were there at that time [ns, CLOCK_BOOTTIME]: of the others a fork is in the trace.

        Where starts are known to the tick only, one that began in that tick counts if it is one of `before`.
        """
        latest = ts if self._tasks else ts - TICK_NS
        return (process for process in self._there(chosen) if process.start <= latest or process.pid in before)

    def _open_with(self, alive: list[dict[str, Any]]) -> None:
        if isinstance(self._writer, FlightWriter):
            self._writer.opening = True
        self._collector.add(CGROUP, cgroups.rows(self._started))
        self._collector.clock_row("start", self._moment, None)
        self._collector.add(lifecycle.PROCESS, alive)
        if isinstance(self._writer, FlightWriter):
            self._writer.opening = False

    def _turn(self, writer: FlightWriter | RotatingWriter, moment: clock.Clocks, asked: bool) -> None:
        """Goes on in another part or file, which begins where the snapshot of this moment ended all that is counted.

        `asked`: a file of what is kept is wanted now.
        """
        later: list[tuple[Kind, pa.RecordBatch]] = []
        ts = moment.boottime_ns

        def drain() -> None:
            self._collector.drain(after=(ts, later))

        drain()
        alive = processes.rows("start", ts, self._there_since(ts, self._followed()), drain)
        if isinstance(writer, RotatingWriter):
            ended = [{**row, "edge": "end"} for row in alive]
            self._collector.add(lifecycle.PROCESS, ended)
            self._ended = ts
            writer.turn({**self._recording(self._command), "stopped_by": metadata.ROTATED})
            self._ended = 0
            self._collector.losses.begin_file()
        else:
            writer.turn({**self._changes(), "ended_ns": ts + self._collector.offset_ns}, asked)
        drain()
        self._started, self._moment = ts, moment
        writer.begin(self._recording(self._command))
        self._open_with(alive)
        for kind, batch in later:
            self._collector.write(kind, batch)
        self._commit()

    def _loop(self, poll: select.epoll, began: float, watcher: Watcher) -> None:
        duration = self._options.duration_s
        deadline = began + duration if duration is not None else float("inf")
        while not self._stopped_by:
            due = min(self._next_snapshot, deadline)
            now = time.monotonic()
            fill = self._collector.drain(min(due, now + DRAIN_S), lazy=now < min(due, self._next_commit))
            self._collector.tick()
            cells = self._collector.map_fill()
            now = time.monotonic()
            full = not isinstance(self._writer, TraceWriter) and self._writer.cannot_wait
            asked, self._asked = self._asked, False
            if now >= self._next_snapshot or full or asked or cells > CELLS_FRACTION:
                moment = self._snapshot()
                if not isinstance(self._writer, TraceWriter) and (full or asked or self._writer.is_full):
                    self._turn(self._writer, moment, asked)
                if self._chosen_are_gone():
                    self._stopped_by = self._stopped_by or "command"
                watcher.goes(self._progress(now - began, deadline - now if duration is not None else None))
                self._say_who_is_left(now, watcher)
                now = time.monotonic()
            if now >= self._next_commit:
                self._commit()
                self._next_commit = max(self._next_commit + COMMIT_S, now)
            if now >= deadline:
                self._stopped_by = self._stopped_by or "duration"
            elif self._is_large_enough():
                self._stopped_by = self._stopped_by or "size"
            elif self._nobody_left():
                self._stopped_by = self._stopped_by or "command"
            if not self._stopped_by:
                pause = min(self._pause(fill, cells), self._next_snapshot - now, deadline - now)
                poll.poll(max(0.0, pause))

    def _pause(self, fill: float, cells: float) -> float:
        """How long to sleep if rings and maps were found this full."""
        if fill > BUSY_FRACTION:
            return BUSY_DRAIN_S
        quiet = max(fill, cells) < QUIET_FRACTION and SYSCALL.name not in self._options.kinds
        return QUIET_DRAIN_S if quiet else DRAIN_S

    def _await_command(self, command: Command | None) -> None:
        """After a signal the command gets a moment to end of it, so that its end is in the trace.

        A terminal sends Ctrl-C to both; what was sent to the recorder alone is passed on.
        """
        if self._stopped_by != "signal" or not command:
            return
        if self.signal != signal.SIGINT:
            command.signal(self.signal)
        until = time.monotonic() + GRACE_S
        while time.monotonic() < until and not self._nobody_left():
            self._collector.drain()
            time.sleep(0.01)

    def _end(self, command: Command | None) -> metadata.Recording:
        self._pss.end()
        self._collector.add(
            lifecycle.PROCESS, processes.rows("end", clock.boottime_ns(), self._there(self._followed()))
        )
        self._collector.look_at_tasks(anyway=True)
        self._collector.charge_running()
        epoch, moment = self._collector.control.stop()
        self._ended = moment.boottime_ns
        self._collector.losses.note_misses()
        self._collector.drain()
        self._collector.collect(epoch, self._ended)
        self._loaded.detach()  # not before: a copy that is alone takes all for skipped
        self._collector.unfinished(self._started, self._ended)
        self._collector.add(PSS, self._pss.last_rows(self._ended))
        overhead = self._collector.overhead
        self._collector.add(ledger.OVERHEAD, [*overhead.close(), overhead.recorder()])
        self._collector.clock_row("end", moment, clock.boottime_ns() - self._ended)
        return self._writer.finish(self._recording(command))

    def close(self) -> None:
        """Gives back what the recording took from the kernel."""
        self._collector.close()
        self._stats.close()
        self._pss.close()
        if self._tasks:
            self._tasks.close()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Notes SIGINT, SIGTERM and SIGHUP and makes a descriptor readable, so that the loop wakes up."""
        readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def note(number: int, _frame: object) -> None:
            self._stopped_by = self._stopped_by or "signal"
            self.signal = number

        def ask(_number: int, _frame: object) -> None:
            self._asked = True

        # What was ignored stays so: `nohup` means it.
        numbers = [n for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) != signal.SIG_IGN]
        before = {number: signal.signal(number, note) for number in numbers}
        if self._options.ring:
            before[signal.SIGUSR1] = signal.signal(signal.SIGUSR1, ask)
        old = signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(old)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(readable)
            os.close(writable)

    def _is_large_enough(self) -> bool:
        size = self._options.max_bytes
        return size is not None and isinstance(self._writer, TraceWriter) and self._writer.reaches(size)

    def _nobody_left(self) -> bool:
        """Whether all that was to be followed has ended."""
        if not (self._options.filters.by_pid or self._options.command):
            return False
        return kernel.lookup(self._loaded.maps["alive"], ZERO_KEY, 8) == bytes(8)

    def _say_who_is_left(self, now: float, watcher: Watcher) -> None:
        """Once, if the command has ended and what it started has not: else nobody knows why the recording goes on."""
        if self._command is None or self._command.status() is None:
            return
        if self._waits_since is None:
            self._waits_since = now
        elif now - self._waits_since >= WAITS_S:
            self._waits_since = float("inf")
            left = (procfs.process(pid) for pid in self._followed() or () if procfs.lives(pid))
            if named := [(process.pid, escape(process.comm)) for process in left if process]:
                watcher.waits(named)

    def _chosen_are_gone(self) -> bool:
        """Whether all chosen processes have ended, one that did so before the recording began included."""
        if not self._options.filters.by_pid:
            return False
        followed = (int.from_bytes(key, "little") for key in kernel.keys(self._loaded.maps["followed"], 4))
        return not any(procfs.lives(pid) for pid in followed)

    def _followed(self) -> list[int] | None:
        """The processes that are recorded and alive at the end."""
        if not self._options.filters.flags:
            return None
        if self._options.filters.children:
            return [int.from_bytes(key, "little") for key in kernel.keys(self._loaded.maps["followed"], 4)]
        return self._options.filters.alive()

    def _progress(self, elapsed_s: float, left_s: float | None) -> Progress:
        return Progress(
            elapsed_s, left_s, self._writer.total_rows, self._collector.losses.total, self._writer.bytes_written
        )

    def _commit(self) -> None:
        self._writer.commit(self._changes())

    def _changes(self) -> dict[str, Any]:
        """What the trace says of itself by now that it did not when it began."""
        return {"ended_ns": clock.boottime_ns() + self._collector.offset_ns, "losses": self._collector.losses.sums()}

    def _snapshot(self) -> clock.Clocks:
        """Returns when it was."""
        now = time.monotonic()
        if now >= self._next_snapshot:  # and not early because a map fills
            self._next_snapshot = max(self._next_snapshot + self._options.interval_s, now)
        return self._collector.snapshot()

    def _recording(self, command: Command | None) -> metadata.Recording:
        own = next(self._there([os.getpid()]), None)
        return metadata.Recording(
            schema_version=schema.VERSION,
            sysmon_version=version(),
            host=host.describe(),
            started_ns=self._started + self._collector.offset_ns,
            ended_ns=(self._ended or self._started) + self._collector.offset_ns,
            stopped_by=self._stopped_by or metadata.CUT_OFF,
            interval_s=self._options.interval_s,
            command_line=list(self._options.command_line),
            command=list(command.argv) if command else None,
            command_status=command.status() if command else None,
            pids=list(self._options.filters.pids) or None,
            comms=list(self._options.filters.comms) or None,
            uids=list(self._options.filters.uids) or None,
            cgroup=str(self._options.filters.cgroup) if self._options.filters.cgroup else None,
            children=self._options.filters.children,
            kinds=[k.name for k in KINDS if k.name in self._options.kinds],
            ring=self._options.ring.text if self._options.ring else None,
            max_rate=self._options.max_rate,
            rotate=self._options.rotate.text if self._options.rotate else None,
            file=self._writer.number if isinstance(self._writer, RotatingWriter) else 1,
            mount_namespace=procfs.mount_namespace(os.getpid()),
            began_ns=self._began + self._collector.offset_ns,
            syscalls=list(self._options.syscalls) if SYSCALL.name in self._options.kinds else None,
            recorder_pid=os.getpid(),
            recorder_start=own.start if own else 0,
            clock_offset_ns=self._collector.offset_ns,
            probes=self._probes,
            unmeasured=self._unmeasured,
            rows=dict(self._writer.rows),
            losses=self._collector.losses.sums(),
        )
