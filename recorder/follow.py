"""The command behind `record -- COMMAND`: started, held until the recording runs, and let go.

Between being let go and its execve(2) the child makes no other system call, so the trace holds the command from its
first instruction and nothing of what held it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

from bpf.errors import BadRequest
from recorder import procfs

# Python ignores SIGPIPE and SIGXFSZ, and what is ignored stays so across an exec: the command must not inherit that.
_HOLD = """
import errno, os, signal, sys
gate, path, argv = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
os.set_inheritable(gate, False)
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
if not os.read(gate, 1):
    os._exit(125)
try:
    os.execv(path, argv)
except OSError as error:
    if error.errno == errno.ENOEXEC:
        os.execv("/bin/sh", ["sh", path, *argv[1:]])
    os.write(2, f"sysmon: cannot run {path}: {error.strerror}\\n".encode())
    os._exit(126)
"""


class Command:
    """A command that `start` begins and `let_go` lets run. Raises BadRequest if there is no such program."""

    def __init__(self, argv: list[str]) -> None:
        path = shutil.which(argv[0])
        if path is None:
            raise BadRequest(f"no such command: {argv[0]}; what follows -- is a program and its arguments")
        self.argv = argv
        self.pid: int | None = None
        self._path = path
        self._child: subprocess.Popen[bytes] | None = None
        self._gate = -1

    def start(self) -> int:
        """Starts the child that will become the command. Returns its pid when it sleeps at the gate."""
        gate, self._gate = os.pipe()
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HOLD, str(gate), self._path, *self.argv], pass_fds=[gate]
        )
        while self._child.poll() is None and not procfs.sleeps_on(self._child.pid, gate):
            time.sleep(0.001)
        os.close(gate)
        self.pid = self._child.pid
        return self.pid

    def let_go(self) -> None:
        """The command begins."""
        os.write(self._gate, b"!")
        os.close(self._gate)
        self._gate = -1

    def signal(self, number: int) -> None:
        """Passes a signal on."""
        if self._child:
            self._child.send_signal(number)

    def status(self) -> int | None:
        """What a shell would show: the exit code, or 128 + signal; None while it runs."""
        code = self._child.poll() if self._child else None
        return code if code is None or code >= 0 else 128 - code

    def abandon(self) -> None:
        """Ends a command that was never let go."""
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1
            if self._child:
                self._child.wait()  # which ends by itself when the gate is closed
