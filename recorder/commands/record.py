"""`sysmon record`."""

from __future__ import annotations

import math
import re
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import click

from sysmon import streams
from sysmon.errors import BadRequest
from sysmon.recorder.own import privilege

DEFAULT_BUFFER = 64 << 20
"""What --buffer says is the default."""


class Seconds(click.FloatRange):
    """A finite number of seconds: click's own range lets `nan` and `inf` pass."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds = float(super().convert(value, param, ctx))
        if not math.isfinite(seconds):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


class Size(click.ParamType[int]):
    """A size: bytes, or with a unit K, M or G, powers of 1024."""

    name = "size"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d{1,12})([KMG]?)(?:i?B)?", str(value), re.ASCII | re.IGNORECASE)
        if not match:
            self.fail(f"{value!r} is no size; give it as 64K, 16M or 1G", param, ctx)
        size = int(match[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[match[2].upper()]
        if size < self._least:
            self.fail(f"{value} is too small: at least {self._least >> 10}K", param, ctx)
        return size


class BufferSize(Size):
    """A size of a ring."""

    def __init__(self) -> None:
        super().__init__(0)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        size = super().convert(value, param, ctx)
        if size & (size - 1) or not 1 << 16 <= size <= 1 << 30:
            self.fail(f"{value} is not a power of two from 64K to 1G, such as 16M", param, ctx)
        return size


def _names(text: str | None) -> tuple[str, ...] | None:
    """The calls that were listed; empty: all; None: none."""
    if text is None or not text:
        return None if text is None else ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in names:
        raise BadRequest(f"--syscalls: {text!r} is no list of names; give names with commas between, as openat,connect")
    return names


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  sudo sysmon record --duration 60
  sudo sysmon record --pid 1234 --pid 1240 -o web.parquet
  sudo sysmon record -o build.parquet -- make -j4
  sudo sysmon record --only cpu,memory --duration 3600
  sudo sysmon record --syscalls openat,connect --duration 10
  sudo sysmon record --syscalls -- ls -l
  sudo sysmon record --ring 5m
  sudo sysmon record --rotate 100M --rotate-keep 20
  sudo sysmon record --max-rate 1000
""",
)
@click.option(
    "--duration",
    type=Seconds(min=0, min_open=True),
    metavar="S",
    help="Stop after S seconds. Default: at Ctrl-C, or when the command and all it started have ended.",
)
@click.option(
    "--interval",
    type=Seconds(min=0.05),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between two snapshots of what is counted.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=True, path_type=Path),
    default=Path("trace.parquet"),
    show_default=True,
    metavar="FILE",
    help="Where the trace goes.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option(
    "--max-size",
    type=Size(1 << 20),
    metavar="SIZE",
    help="Stop before FILE is larger than this, such as 100M or 2G; at least 1M.",
)
@click.option(
    "--ring",
    metavar="DURATION|SIZE",
    help="Keep only the last, such as 30s, 5m or 100M, and write it at the end; on SIGUSR1 at once, too, into a file "
    "that is named after the time. At least 4s or 8M; a number alone is seconds.",
)
@click.option(
    "--rotate",
    metavar="DURATION|SIZE",
    help="Go on in another file after so long, such as 10m, or when one is so large, such as 100M; at least 1s or 1M, "
    "and no file is shorter than a second. Each is a whole trace. With -o trace.parquet they are "
    "trace-000001.parquet, trace-000002.parquet and so on.",
)
@click.option(
    "--rotate-keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep the newest N of these files, besides the one that is being written. Default: all.",
)
@click.option(
    "--max-rate",
    type=click.IntRange(1, 1_000_000_000),
    metavar="N",
    help="Record at most N events a second of each of these: files opened, files changed, sockets, and with --syscalls "
    "calls. For the rest of that second calls of the kind are only counted, and for 0.2 s if its buffer is full.",
)
@click.option(
    "--pid",
    "pids",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Record only process N, all its threads. May be repeated.",
)
@click.option(
    "--comm",
    "comms",
    multiple=True,
    metavar="NAME",
    help="Record only processes of this name, cut to 15 bytes as the kernel does. May be repeated.",
)
@click.option(
    "--uid",
    "users",
    multiple=True,
    metavar="USER",
    help="Record only processes of this real user, a name or a number. May be repeated.",
)
@click.option("--cgroup", metavar="PATH", help="Record only processes of this cgroup and those below it (version 2).")
@click.option("--follow", is_flag=True, help="And all descendants of the processes asked for.")
@click.option(
    "--only",
    multiple=True,
    metavar="KINDS",
    help="Record only these kinds of rows, separated by commas, and the lives of processes. `sysmon schema` has them.",
)
@click.option("--without", multiple=True, metavar="KINDS", help="Record all kinds but these.")
@click.option(
    "--with",
    "also",
    multiple=True,
    metavar="KINDS",
    help="Record these kinds, too, which are left out by default as they cost much: kernel_memory. With pss, that of "
    "every process, however large, and for as long as that takes.",
)
@click.option(
    "--syscalls",
    is_flag=False,
    flag_value="",
    metavar="[LIST]",
    help="Record each system call as an event, with its arguments, too: those of LIST, names with commas between, or "
    "without LIST all.",
)
@click.option(
    "--buffer",
    type=BufferSize(),
    metavar="SIZE",
    help="Room for such events until they are written, from 64K to 1G, a power of two.  [default: 64M]",
)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def record(
    context: click.Context,
    duration: float | None,
    interval: float,
    output: Path,
    force: bool,
    max_size: int | None,
    ring: str | None,
    rotate: str | None,
    rotate_keep: int | None,
    max_rate: int | None,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    users: tuple[str, ...],
    cgroup: str | None,
    follow: bool,
    only: tuple[str, ...],
    without: tuple[str, ...],
    also: tuple[str, ...],
    syscalls: str | None,
    buffer: int | None,
    command: tuple[str, ...],
) -> None:
    """Record this machine into one file.

    Without a filter or COMMAND everything that runs is recorded, until Ctrl-C or for --duration. With a COMMAND it and
    all its descendants are followed from the first instruction to the last exit, and its exit status is passed on.

    Latencies of all system calls, bytes read and written, CPU time, every file opened or changed, every socket and
    connection, and every fork, exec and exit are recorded, unless --only or --without say else. What was lost, if
    anything, is counted, stored in the trace and said at the end.
    """
    streams.never_wait()
    if not command and sys.argv[-1] == "--":
        raise BadRequest("no command follows --")
    if not all(comms):
        raise BadRequest("--comm: no process has an empty name")
    conditions = bool(comms or users or cgroup)
    if command and (pids or conditions or follow):
        raise BadRequest("a command is followed by itself: give no --pid, --comm, --uid, --cgroup or --follow with it")
    if pids and conditions:
        raise BadRequest("--pid and conditions on all processes exclude each other: give --pid alone")
    if follow and not (pids or conditions):
        raise BadRequest("--follow says whose descendants: give --pid, --comm, --uid or --cgroup with it")
    if buffer and syscalls is None:
        raise BadRequest("--buffer is the room for events of system calls: give --syscalls with it")
    if ring and max_size:
        raise BadRequest("--max-size ends a recording, --ring goes on without end: give one of them")
    if rotate is not None and (ring or max_size):
        other = "--ring keeps only the last" if ring else "--max-size ends a recording"
        raise BadRequest(f"{other}, --rotate goes on in another file: give one of them")
    if rotate_keep and rotate is None:
        raise BadRequest("--rotate-keep says how many files are kept: give --rotate with it")
    listed = _names(syscalls)
    privilege.check()
    # Here and not above: --help and refusals need not wait for numpy and pyarrow.
    from sysmon.bpf.kinds.memory import PSS
    from sysmon.bpf.kinds.syscall_events import SYSCALL
    from sysmon.bpf.kinds.throttle import STEP, STEPPED
    from sysmon.errors import CannotRecord
    from sysmon.recorder.load import prepare
    from sysmon.recorder.own import heap, limits
    from sysmon.recorder.select import kind_selection

    kinds = kind_selection.kinds(only, without, also if listed is None else (*also, SYSCALL.name))
    if max_rate:
        kinds |= {STEP.name}
    if max_rate and not kinds & set(STEPPED):
        raise BadRequest(f"--max-rate bounds the events of {', '.join(STEPPED)}: none of these kinds is recorded")
    room = 0 if listed is None else buffer or DEFAULT_BUFFER
    if too_little := limits.for_recording(limits.of_memory(), room):
        raise CannotRecord(too_little)
    privileges = privilege.Privileges.of(output, bool(command))
    privilege.end_blas_threads()
    with futures.ThreadPoolExecutor(1) as pool:  # which has ended before this process becomes another user's
        preparing = pool.submit(prepare.prepare, kinds, buffer, max_rate)
        privilege.in_thread(privileges.of_threads, heap.before_arrow)
        from sysmon.recorder import run
        from sysmon.recorder.output import flight
        from sysmon.recorder.output import rotate as rotating
        from sysmon.recorder.select.filters import Filters, cgroup_at, uid_of
        from sysmon.recorder.session import Options

    filters = Filters(
        pids=tuple(sorted(set(pids))),
        comms=tuple(c.encode("utf-8", "surrogateescape")[:15].decode("utf-8", "surrogateescape") for c in comms),
        uids=tuple(uid_of(user) for user in users),
        cgroup=cgroup_at(cgroup) if cgroup else None,
        children=follow or bool(command),
    )
    options = Options(
        path=output,
        force=force,
        duration_s=duration,
        max_bytes=max_size,
        ring=flight.keep(ring) if ring else None,
        rotate=None if rotate is None else rotating.rotation(rotate, rotate_keep),
        max_rate=max_rate,
        interval_s=interval,
        filters=filters,
        kinds=kinds,
        every_pss=kind_selection.is_asked_for(PSS, also),
        syscalls=listed or (),
        buffer_bytes=buffer,
        command=command,
        command_line=("sysmon", *sys.argv[1:]),
    )
    context.exit(run.record(options, privileges, preparing))
