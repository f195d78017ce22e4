"""From the options of a recording to its end: what must be there first, and what is given back after."""

from __future__ import annotations

import contextlib
import os

import pyarrow as pa

from bpf.errors import BadRequest
from recorder import host, kernel, loader, procfs, program
from recorder.btf import Btf
from recorder.errors import CannotRecord
from recorder.follow import Command
from recorder.names import SyscallNames
from recorder.session import Options, Session
from recorder.status import Status
from recorder.writer import TraceWriter


def record(options: Options) -> int:
    """Makes the recording. Returns the exit status: the command's, if there is one that has ended.

    Raises SysmonError, and then nothing is left behind.
    """
    if not host.in_initial_pid_namespace():
        raise CannotRecord(
            "this is a container with pids of its own, which the kernel's programs do not see: record on the host, or "
            "start the container in the host's pid namespace (docker run --pid=host)"
        )
    for pid in options.filters.pids:
        if not os.path.isdir(f"/proc/{pid}") or procfs.process_of_thread(pid) != pid:
            raise BadRequest(f"no process has the pid {pid}")
    command = Command(list(options.command)) if options.command else None
    kernel.raise_memlock_limit()
    pa.set_memory_pool(pa.system_memory_pool())  # unlike the others it gives back what is free
    with contextlib.ExitStack() as undo:
        writer = TraceWriter(options.path, options.force)
        undo.callback(writer.abandon)
        status = Status(options)
        names = SyscallNames()
        loading = loader.Loading(program.text(Btf.of_kernel(), names))
        undo.callback(loading.abandon)
        loaded = loading.result()
        undo.callback(loaded.close)
        session = Session(options, loaded, writer, names)
        undo.callback(session.close)
        if command:
            undo.callback(command.abandon)
        with status:
            recording = session.run(command, status)
    status.finished(recording, command)
    ended = command.status() if command else None
    return ended or 0
