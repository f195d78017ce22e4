"""The command behind `record -- COMMAND`: started, held until the recording runs, and released.

Between its release and its execve(2) the child makes no other system call, so the trace has the command from its first
instruction and nothing of what held it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import signal
import sys
import time
from typing import NoReturn

from sysmon.errors import BadRequest
from sysmon.recorder.own import isolation, priority
from sysmon.recorder.sample import procfs

_execve = ctypes.PyDLL(None, use_errno=True).execve  # not CDLL: it releases Python's lock, which may be a system call
_execve.restype = ctypes.c_int


def _strings(texts: list[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*texts, None)


class Execution:
    """An execve(2) that is ready to run, with exactly the environment that sysmon was given.

    os.execve passes each name only once and no text without "=", and uses an environment that sysmon may have changed.
    """

    def __init__(self, path: str, argv: list[str]) -> None:
        self._path = os.fsencode(path)
        self._argv = _strings([os.fsencode(text) for text in argv])
        self._environment = _strings(list(isolation.environment()))

    def make(self) -> None:
        """Raises OSError, or never returns."""
        _execve(self._path, self._argv, self._environment)
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class CannotRun(BadRequest):
    """What follows `--` is not a program. The exit status is a shell's: 126 or, if it does not exist, 127."""

    def __init__(self, name: str) -> None:
        exists = os.path.exists(name)
        self.exit_status = 126 if exists else 127
        what = f"{name} is not an executable program" if exists else f"no such command: {name}"
        super().__init__(f"{what}; after -- give a program and its arguments")


class Command:
    """A command that `start` creates and `let_go` releases. Raises CannotRun if there is no such program."""

    def __init__(self, argv: list[str]) -> None:
        folders = isolation.variable(b"PATH")
        path = shutil.which(argv[0], path=None if folders is None else os.fsdecode(folders))
        if path is None:
            raise CannotRun(argv[0])
        self.argv = argv
        self._execution = Execution(path, argv)
        self._as_script = Execution("/bin/sh", ["sh", path, *argv[1:]])
        self.pid: int | None = None
        self._path = path
        self._status: int | None = None
        self._gate = -1

    def start(self) -> int:
        """Starts the child that will become the command. Returns its pid once it sleeps at the gate."""
        gate, self._gate = os.pipe()
        ready, almost = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ready)
            self._become(gate, almost)
        os.close(almost)
        os.read(ready, 1)  # until the child closes its end: after that it only sleeps at the gate
        os.close(ready)
        while procfs.lives(self.pid) and not procfs.sleeps(self.pid):
            time.sleep(0.0005)
        os.close(gate)
        return self.pid

    def _become(self, gate: int, almost: int) -> NoReturn:
        """Runs in the child: waits and becomes the command. The execve closes all other descriptors."""
        try:
            os.close(self._gate)
            priority.restore()
            # Python ignores these two, and ignored signals stay ignored across an execve.
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.close(almost)
            os.read(gate, 1)
            self._execution.make()
        except OSError as error:
            if error.errno == errno.ENOEXEC:  # a script without an interpreter line: do as shells do
                self._as_script.make()
            script = " (or the interpreter it names)" if error.errno == errno.ENOENT else ""
            sys.stderr.write(f"sysmon: cannot run {self._path}: {error.strerror}{script}\n")
        finally:
            os._exit(126)

    def let_go(self) -> None:
        """Releases the command."""
        os.close(self._gate)
        self._gate = -1

    def signal(self, number: int) -> None:
        """Passes a signal on."""
        if self.pid and self.status() is None:
            os.kill(self.pid, number)

    def status(self) -> int | None:
        """A shell's status: the exit code, or 128 + signal; None while it runs."""
        if self._status is None and self.pid:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                self._status = code if code >= 0 else 128 - code
        return self._status

    def wait(self, seconds: float) -> None:
        """Waits until it has ended, at most this long."""
        until = time.monotonic() + seconds
        while self.pid and self.status() is None and time.monotonic() < until:
            time.sleep(0.001)

    @property
    def runs(self) -> bool:
        """Whether it was released and has not ended."""
        return self.pid is not None and self._gate < 0 and self.status() is None

    def abandon(self) -> None:
        """Ends a command that was never released."""
        if self._gate >= 0:
            if self.pid:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
            os.close(self._gate)
            self._gate = -1
