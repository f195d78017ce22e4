"""`sysmon record`."""

from __future__ import annotations

import sys
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sysmon import streams
from sysmon.errors import BadRequest
from sysmon.recorder.commands.types import BufferSize, Renamed, Seconds, Size
from sysmon.recorder.own import capabilities, isolation, privilege
from sysmon.recorder.select.labels import labels
from sysmon.recorder.ui.readiness import FIRST, Readiness

if TYPE_CHECKING:
    import socket

DEFAULT_BUFFER = 64 << 20
"""Shown by --help as the default of --buffer."""

DEFAULT_RATE, MOST_RATE = 99, 1000
"""As in `bpf/kinds/stacks.py`, which --help does not wait for."""


def _names(text: str | None) -> tuple[str, ...] | None:
    """The calls listed; empty: all; None: none."""
    if text is None or not text:
        return None if text is None else ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if "" in names:
        raise BadRequest(f"--syscalls: {text!r} is not a list of names; separate names by commas, as openat,connect")
    return names


def _refuse_filters(
    everything: bool,
    comms: tuple[str, ...],
    pids: tuple[int, ...],
    command: tuple[str, ...],
    conditions: bool,
    follow: bool,
) -> None:
    """Raises BadRequest for options that exclude each other; `conditions`: whether a filter is on all processes."""
    if not all(comms):
        raise BadRequest("--comm: the name is empty")
    if everything and (pids or conditions or follow):
        raise BadRequest("--all records everything: leave out --pid, --comm, --uid, --cgroup and --follow")
    if command and (pids or conditions or follow):
        raise BadRequest("COMMAND chooses what is recorded: leave out --pid, --comm, --uid, --cgroup and --follow")
    if pids and conditions:
        raise BadRequest("--pid cannot be combined with --comm, --uid or --cgroup")
    if follow and not (pids or conditions):
        raise BadRequest("--follow needs --pid, --comm, --uid or --cgroup")


def _refuse_outputs(max_size: int | None, keep_last: str | None, rotate: str | None, kept: int | None) -> None:
    """Raises BadRequest for output options that exclude each other."""
    if keep_last and max_size:
        raise BadRequest("--max-size ends a recording, --keep-last does not: give one of them")
    if rotate is not None and (keep_last or max_size):
        other = "--keep-last keeps only the last part" if keep_last else "--max-size ends a recording"
        raise BadRequest(f"{other}, --rotate starts a new file: give one of them")
    if kept and rotate is None:
        raise BadRequest("--rotate-keep needs --rotate")


def _client_at(fd: int) -> socket.socket:
    """The connection to the client that started this recorder and shows what it records. Raises BadRequest."""
    from sysmon.recorder.control import access

    return access.inherited(fd)


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
  sudo sysmon record --keep-last 5m
  sudo sysmon record --rotate 100M --rotate-keep 20
  sudo sysmon record --max-rate 1000
""",
)
@click.option(
    "--duration",
    type=Seconds(min=0, min_open=True),
    metavar="S",
    help="Stop after S seconds. Default: at Ctrl-C, or when the command and all its descendants have ended.",
)
@click.option(
    "--interval",
    type=Seconds(min=0.05),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds between two snapshots of the counters.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=True, path_type=Path),
    default=Path("trace.parquet"),
    show_default=True,
    metavar="FILE",
    help="File to write the trace to.",
)
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.option(
    "--max-size",
    type=Size(1 << 20),
    metavar="SIZE",
    help="Stop before FILE grows beyond SIZE, such as 100M or 2G; at least 1M.",
)
@click.option(
    "--keep-last",
    "--ring",
    "keep_last",
    cls=Renamed,
    metavar="DURATION|SIZE",
    help="Keep only the last part, such as 30s, 5m or 100M, and write it at the end. SIGUSR1 also writes it at once, "
    "to a file named after the time. At least 4s or 8M; a plain number is in seconds.",
)
@click.option(
    "--rotate",
    metavar="DURATION|SIZE",
    help="Start a new file after a time, such as 10m, or at a size, such as 100M; at least 1s or 1M, and never less "
    "than a second per file. Each file is a whole trace. With -o trace.parquet they are named "
    "trace-000001.parquet, trace-000002.parquet and so on.",
)
@click.option(
    "--rotate-keep",
    type=click.IntRange(min=1),
    metavar="N",
    help="Keep only the newest N of these files, besides the one being written. Default: keep all.",
)
@click.option(
    "--max-rate",
    type=click.IntRange(1, 1_000_000_000),
    metavar="N",
    help="Record at most N events per second of each of these kinds: files opened, files changed, sockets and, with "
    "--syscalls, calls. Beyond N, further calls are only counted until the second ends; if the kind's buffer is full, "
    "for 0.2 s.",
)
@click.option(
    "-a",
    "--all",
    "everything",
    is_flag=True,
    help="With a COMMAND: record the whole machine for as long as the command runs, and mark its processes.",
)
@click.option(
    "--pid",
    "pids",
    type=click.IntRange(min=1),
    multiple=True,
    metavar="N",
    help="Record only process N, with all its threads. May be repeated.",
)
@click.option(
    "--comm",
    "comms",
    multiple=True,
    metavar="NAME",
    help="Record only processes with this command name, cut to 15 bytes as in the kernel. May be repeated.",
)
@click.option(
    "--uid",
    "users",
    multiple=True,
    metavar="USER",
    help="Record only processes of this real user, by name or number. May be repeated.",
)
@click.option("--cgroup", metavar="PATH", help="Record only processes in this cgroup or below it (version 2).")
@click.option("--follow", is_flag=True, help="Also record all descendants of the selected processes.")
@click.option(
    "--only",
    multiple=True,
    metavar="KINDS",
    help="Record only these kinds of rows, separated by commas, and process lifecycles. See `sysmon schema`.",
)
@click.option("--without", multiple=True, metavar="KINDS", help="Record all kinds except these.")
@click.option(
    "--with",
    "also",
    multiple=True,
    metavar="KINDS",
    help="Also record kinds that are off by default because they are expensive: waits, objects (reads and writes by "
    "file and connection), samples (stacks of running threads), off_cpu (stacks of waiting threads) and kernel_memory. "
    "With pss, read the PSS of every process, however long that takes.",
)
@click.option(
    "--sample-rate",
    type=click.IntRange(1, MOST_RATE),
    metavar="N",
    help=f"With --with samples, take N samples of each CPU per second.  [default: {DEFAULT_RATE}]",
)
@click.option(
    "--syscalls",
    is_flag=False,
    flag_value="",
    metavar="[LIST]",
    help="Also record each system call as an event with its arguments: those in LIST, names separated by commas, or "
    "all without LIST.",
)
@click.option(
    "--buffer",
    type=BufferSize(),
    metavar="SIZE",
    help="Size of the buffer for these events, a power of two from 64K to 1G.  [default: 64M]",
)
@click.option(
    "--label",
    "labelled",
    multiple=True,
    metavar="KEY=VALUE",
    help="Say something of the recording, such as version=1.2; reports show it. May be repeated.",
)
@click.option(
    "--ready-fd",
    type=click.IntRange(min=FIRST),
    metavar="N",
    help="Write the line `ready` to descriptor N when recording has begun, and close it. A service of systemd with "
    "Type=notify is told without this option.",
)
@click.option(
    "--control-fd",
    type=click.IntRange(min=FIRST),
    hidden=True,
    help="A socket that is connected to whoever shows this recording. It ends with the process that started it.",
)
@click.option("--discard", is_flag=True, hidden=True, help="With --keep-last, write no file in the end.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def record(
    context: click.Context,
    duration: float | None,
    interval: float,
    output: Path,
    force: bool,
    max_size: int | None,
    keep_last: str | None,
    rotate: str | None,
    rotate_keep: int | None,
    max_rate: int | None,
    everything: bool,
    pids: tuple[int, ...],
    comms: tuple[str, ...],
    users: tuple[str, ...],
    cgroup: str | None,
    follow: bool,
    only: tuple[str, ...],
    without: tuple[str, ...],
    also: tuple[str, ...],
    sample_rate: int | None,
    syscalls: str | None,
    buffer: int | None,
    labelled: tuple[str, ...],
    ready_fd: int | None,
    control_fd: int | None,
    discard: bool,
    command: tuple[str, ...],
) -> None:
    """Record this machine into one file.

    Without a filter or COMMAND sysmon records everything that runs, until Ctrl-C or for --duration. With a COMMAND it
    records the command and all its descendants, from the first instruction to the last exit, and exits with the
    command's status; with -a it records everything until the command has ended.

    A recording has the latencies of all system calls, bytes read and written, CPU time, every file opened or changed,
    every socket and connection, and every fork, exec and exit, unless --only or --without choose otherwise. Losses are
    counted, stored in the trace and reported at the end.
    """
    readiness = Readiness(ready_fd, isolation.variable(b"NOTIFY_SOCKET"))  # before we open a descriptor of this number
    client = None if control_fd is None else _client_at(control_fd)
    streams.never_wait()
    if not command and sys.argv[-1] == "--":
        raise BadRequest("-- must be followed by a command")
    _refuse_filters(everything, comms, pids, command, bool(comms or users or cgroup), follow)
    _refuse_outputs(max_size, keep_last, rotate, rotate_keep)
    if buffer and syscalls is None:
        raise BadRequest("--buffer is for system calls as events: give --syscalls with it")
    listed, said = _names(syscalls), labels(labelled)
    privilege.check()
    # Imported here, so that --help and refusals do not wait for numpy and pyarrow.
    from sysmon.bpf.kinds.memory import PSS
    from sysmon.bpf.kinds.stacks import SAMPLES
    from sysmon.bpf.kinds.syscall_events import SYSCALL
    from sysmon.bpf.kinds.throttle import STEP, THROTTLED
    from sysmon.errors import CannotRecord
    from sysmon.recorder.load import prepare
    from sysmon.recorder.own import limits, startup_memory
    from sysmon.recorder.select import kind_selection

    kinds = kind_selection.kinds(only, without, also if listed is None else (*also, SYSCALL.name))
    if max_rate:
        kinds |= {STEP.name}
    if max_rate and not kinds & set(THROTTLED):
        raise BadRequest(f"--max-rate limits the kinds {', '.join(THROTTLED)}, and none of them is recorded")
    if sample_rate and SAMPLES.name not in kinds:
        raise BadRequest("--sample-rate is for samples: give --with samples with it")
    room = 0 if listed is None else buffer or DEFAULT_BUFFER
    if too_little := limits.for_recording(limits.of_memory(), room):
        raise CannotRecord(too_little)
    privileges = privilege.Privileges.of(output, bool(command))
    privilege.end_blas_threads()
    with futures.ThreadPoolExecutor(1) as pool:  # it has ended before this process becomes another user's
        preparing = pool.submit(prepare.prepare, kinds, buffer, max_rate)
        capabilities.in_thread(privileges.of_threads, startup_memory.before_arrow)
        from sysmon.recorder import run
        from sysmon.recorder.options import Options
        from sysmon.recorder.output import flight
        from sysmon.recorder.output import rotate as rotating
        from sysmon.recorder.select.filters import Filters, cgroup_at, uid_of

    filters = Filters(
        pids=tuple(sorted(set(pids))),
        comms=tuple(c.encode("utf-8", "surrogateescape")[:15].decode("utf-8", "surrogateescape") for c in comms),
        uids=tuple(uid_of(user) for user in users),
        cgroup=cgroup_at(cgroup) if cgroup else None,
        children=follow or bool(command and not everything),
    )
    options = Options(
        path=output,
        force=force,
        duration_s=duration,
        max_bytes=max_size,
        keep_last=flight.keep(keep_last) if keep_last else None,
        discard=discard,
        rotate=None if rotate is None else rotating.rotation(rotate, rotate_keep),
        max_rate=max_rate,
        sample_rate=sample_rate or DEFAULT_RATE,
        interval_s=interval,
        filters=filters,
        kinds=kinds,
        every_pss=kind_selection.is_asked_for(PSS, also),
        syscalls=listed or (),
        buffer_bytes=buffer,
        labels=said,
        command=command,
        command_line=("sysmon", *sys.argv[1:]),
    )
    context.exit(run.record(options, privileges, preparing, readiness, client))
