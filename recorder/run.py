"""From the options of a recording to its end: checks before it, and cleanup after it."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

from sysmon.bpf.kinds import syscall_events
from sysmon.bpf.trace_file import partial, rotated
from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import BadRequest, CannotRecord, CannotWrite
from sysmon.recorder.control import access
from sysmon.recorder.load import program, symbols
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.load.prepare import Prepared
from sysmon.recorder.options import Options
from sysmon.recorder.output.factory import chosen
from sysmon.recorder.own import capabilities, ownership, privilege
from sysmon.recorder.recording import Recorder
from sysmon.recorder.sample import host, procfs
from sysmon.recorder.select import syscall_selection
from sysmon.recorder.select.command import Command
from sysmon.recorder.ui.readiness import Readiness
from sysmon.recorder.ui.status import Status
from sysmon.safe_text import shell_word


def record(
    options: Options,
    privileges: privilege.Privileges,
    preparing: Future[Prepared],
    readiness: Readiness,
    client: socket.socket | None = None,
) -> int:
    """Runs the prepared recording, with a `client` that is connected to it. Returns the exit status: the command's, if
    there is one and it has ended.

    Raises SysmonError, and then leaves nothing behind.
    """
    _refuse(options)
    command = Command(list(options.command)) if options.command else None
    if options.keep_last:  # SIGUSR1 asks for a file: before there is one to write it does no harm
        signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    with contextlib.ExitStack() as undo, _interruptible():
        ends = undo.enter_context(_CleanEnds())
        status = Status(options, readiness)
        # Held back: one could come when the file exists and nobody would remove it yet.
        with ends.held(), ownership.acting_as(privileges.owner):
            before = _cut_off(options.path)
            output = chosen(options)
            undo.callback(output.abandon)
        for left in before:
            status.say(f"an earlier recording was interrupted: `sysmon repair {shell_word(str(left))}` finishes it")
        entrance = access.of(privileges.owner, client)
        undo.callback(entrance.close)
        prepared = preparing.result()
        loaded = _loaded(prepared, options, undo)
        recorder = Recorder(
            options, prepared.plan.sizes, loaded, output, prepared.names,
            prepared.unmeasured, privileges, _unseen(options), entrance,
        )  # fmt: skip
        undo.callback(recorder.close)
        if command:
            undo.callback(command.abandon)
        with status, _fate_of(command):
            recording = recorder.run(command, status)  # from here on Ctrl-C ends the recording
    status.finished(recording, command, output.files)
    return _exit_status(command, recorder.signal)


def _refuse(options: Options) -> None:
    """Raises CannotRecord where the programs would not see this machine's processes, BadRequest if a pid does not
    exist.
    """
    if not host.in_initial_pid_namespace():
        raise CannotRecord(
            "this is a container with its own pid namespace, whose pids BPF programs do not see: record on the host, "
            "or start the container in the host's pid namespace (docker run --pid=host)"
        )
    if not host.in_initial_user_namespace():
        raise CannotRecord(f"{host.USER_NAMESPACE}: record outside of it")
    if not host.in_initial_time_namespace():
        raise CannotRecord("this is a time namespace, whose clocks differ from the kernel's: record outside of it")
    for pid in options.filters.pids:
        if not procfs.lives(pid) or procfs.process_of_thread(pid) != pid:
            raise BadRequest(f"there is no process with pid {pid}")


def _loaded(prepared: Prepared, options: Options, undo: contextlib.ExitStack) -> Loaded:
    """The programs, which know the calls that are to be events. Raises CannotLoad, BadRequest."""
    undo.callback(prepared.loading.abandon)
    prepared.loading.begin()
    every_call = syscall_events.SYSCALL.name in options.kinds
    calls = syscall_selection.calls_of(prepared.names, options.syscalls) if every_call else None
    loaded = prepared.loading.result()
    undo.callback(loaded.close)
    if calls is not None:
        syscall_selection.tell(loaded, calls)
    return loaded


def _unseen(options: Options) -> dict[str, str]:
    """What of the recording we lack permission for, and why."""
    hidden = symbols.is_hidden(program.PER_CPU_OFFSETS)
    return _of_interest(privilege.unmeasured(capabilities.effective(), hidden), options)


def _exit_status(command: Command | None, ended_by: int) -> int:
    """The command's status or, if it is still running, that of a process ended by the signal."""
    if not command:
        return 0
    ended = command.status()
    if ended is not None:
        return ended
    return 128 + ended_by if ended_by else 0


def _cut_off(path: Path) -> list[Path]:
    """Interrupted recordings into this file. Those with nothing left to recover are removed."""
    left = []
    with contextlib.suppress(OSError), Directory.hold(path.parent) as parent:  # not readable, or no such directory
        partial.sweep(parent, path.name)
        for name in (path.name, *rotated.cut_off_in(parent, path)):
            for parts in partial.names_of(parent, name):
                with contextlib.suppress(OSError), parent.subdirectory(parts[-1]) as last:  # removed meanwhile
                    if not partial.is_running(last):
                        left.append(path.with_name(parts[0]))
    return left


def _of_interest(unseen: dict[str, str], options: Options) -> dict[str, str]:
    """Only of recorded kinds; and a followed command belongs to no other user."""
    others = not options.only_command
    return {
        what: why
        for what, why in unseen.items()
        if what.split(".")[0] in options.kinds and (others or "other users" not in why)
    }


@contextlib.contextmanager
def _fate_of(command: Command | None) -> Iterator[None]:
    """Says what happens to the command if the trace cannot be written; a failure of the command is its exit status."""
    try:
        yield
    except CannotWrite as error:
        told = CannotWrite(f"{error}. The command still runs: pid {command.pid}" if command and command.runs else error)
        told.exit_status = (command.status() if command else None) or error.exit_status
        raise told from None


class Interrupted(CannotRecord):
    """Ctrl-C while the programs were being loaded."""

    exit_status = 128 + signal.SIGINT


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("stopped before recording began: nothing was recorded") from None


class _CleanEnds:
    """Until the recording itself handles signals: has those that would kill the process undo what was done."""

    def __init__(self) -> None:
        self._held = False
        self._pending = 0
        self._numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) == signal.SIG_DFL]

    def __enter__(self) -> _CleanEnds:
        for number in self._numbers:
            signal.signal(number, self._leave)
        return self

    def __exit__(self, *_error: object) -> None:
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)

    def _leave(self, number: int, _frame: object) -> None:
        if not self._held:
            raise SystemExit(128 + number)
        self._pending = number

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Context in which a signal waits. Blocking it would not do: another thread would get it."""
        self._held = True
        yield
        self._held = False
        if self._pending:
            raise SystemExit(128 + self._pending)
