"""Gets the programs into the kernel: asks `compiler` in a child process, attaches what it hands back.

Raw tracepoints only: they are cheaper than classic ones, are not skipped while another program runs on the CPU, and
need no tracefs.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import astuple, dataclass, field
from pathlib import Path
from struct import pack
from typing import Any

from bpf import calls
from bpf.metadata import Probe as ProbeStatus
from recorder import kernel, privilege, program
from recorder.errors import CannotLoad, CannotRecord
from recorder.names import SyscallNames

COMPILER = Path(__file__).with_name("compiler.py")
MAX_FDS = 250  # SCM_MAX_FD is 253


@dataclass
class Loaded:
    """The programs and maps of one recording, by name, as file descriptors. Closing it takes them off the kernel."""

    maps: dict[str, int]
    programs: dict[str, int]
    bcc_version: str
    probes: tuple[program.Probe, ...] = ()
    hooks: dict[int, program.Probe] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # program → the kernel's reason
    links: dict[str, int] = field(default_factory=dict)

    def attach(self) -> list[ProbeStatus]:
        """Attaches every program in the order of `probes`. Says of each what became of it."""
        status = self._hook()
        for probe in self.probes:
            reason = self.refused.get(probe.program, "")
            if not reason:
                try:
                    self.links[probe.program] = kernel.attach_raw_tracepoint(
                        probe.tracepoint, self.programs[probe.program]
                    )
                except OSError as error:
                    reason = f"cannot attach: {error.strerror}"
            status.append(
                ProbeStatus(name=probe.program, tracepoint=probe.tracepoint, attached=not reason, reason=reason)
            )
        return status

    def _hook(self) -> list[ProbeStatus]:
        """Puts the programs that make events of calls where on_sys_exit finds them."""
        status = []
        for place, probe in self.hooks.items():
            reason = self.refused.get(probe.program, "")
            if not reason:
                kernel.update(self.maps["hooks"], pack("<I", place), pack("<I", self.programs[probe.program]))
            status.append(
                ProbeStatus(name=probe.program, tracepoint=probe.tracepoint, attached=not reason, reason=reason)
            )
        return status

    def tell_shapes(self, names: SyscallNames) -> None:
        """Tells the programs, by number, which calls are more than counted."""
        for name, shape in calls.SHAPES.items():
            with contextlib.suppress(KeyError):  # not on this architecture
                key = pack("<I", names.number(name))
                kernel.update(self.maps["shapes"], key, pack("<16B", *astuple(shape), *(0,) * 4))

    def detach(self) -> None:
        """Detaches every program; what they have left in rings and maps can still be read."""
        for link in self.links.values():
            os.close(link)
        self.links.clear()

    def close(self) -> None:
        """Leaves nothing of it in the kernel."""
        self.detach()
        for fd in (*self.maps.values(), *self.programs.values()):
            os.close(fd)
        self.maps.clear()
        self.programs.clear()


class Loading:
    """A compilation under way in a child process. `result` waits for it, so that other work can go on meanwhile."""

    def __init__(self, plan: program.Plan) -> None:
        self._plan = plan
        machine_cflags = [f"-DPAGE_SIZE={os.sysconf('SC_PAGE_SIZE')}", "-Wno-unused-value"]
        request = {
            "text": plan.text,
            "stub": str(program.STUB_DIR),
            "cflags": machine_cflags,
            "maps": plan.maps,
            "programs": plan.programs,
        }
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `result` or `abandon`
        self._sock, theirs = socket.socketpair()
        try:
            self._child = self._start(theirs)
        except OSError as error:
            self._sock.close()
            self._log.close()
            raise CannotRecord(
                f"cannot execute {sys.executable}: {error.strerror}; who records must be able to read sysmon's Python"
            ) from None
        self._sock.sendall(json.dumps(request).encode())
        self._sock.shutdown(socket.SHUT_WR)

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        with theirs:
            return subprocess.Popen(
                # -I: neither the working directory nor the environment decides what a root process imports
                [sys.executable, "-I", str(COMPILER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                preexec_fn=privilege.for_compiler if os.geteuid() == 0 else None,
            )

    def result(self) -> Loaded:
        """Raises CannotRecord without bcc, CannotLoad if nothing could be loaded."""
        with self._sock, self._log:
            data, fds, _flags, _address = socket.recv_fds(self._sock, 1 << 20, MAX_FDS)
            for fd in fds:  # Python 3.11 passes no MSG_CMSG_CLOEXEC on
                os.set_inheritable(fd, False)
            while more := self._sock.recv(1 << 20):
                data += more
            status = self._child.wait()
            died = {"error": "died", "reason": f"the compiler ended with status {status}"}
            answer: dict[str, Any] = json.loads(data) if data else died
            if "error" in answer:
                raise self._error(answer)
        programs = {n: fds[p["fd"]] for n, p in answer["programs"].items() if "fd" in p}
        locked = privilege.READING_IS_LOCKED if privilege.reading_is_locked() else ""
        refused = {n: locked or _first_line(p["error"]) for n, p in answer["programs"].items() if "error" in p}
        if not programs:
            for fd in fds:
                os.close(fd)
            raise CannotLoad(f"the kernel refuses every program: {next(iter(refused.values()))}; try `sysmon doctor`")
        maps = {n: fds[i] for n, i in answer["maps"].items()}
        return Loaded(maps, programs, answer["bcc"], self._plan.probes, self._plan.hooks, refused)

    def abandon(self) -> None:
        """Ends the compilation without its result."""
        self._child.kill()
        self._child.wait()
        self._sock.close()
        self._log.close()

    def _error(self, answer: dict[str, Any]) -> CannotRecord:
        if answer["error"] == "bcc":
            return CannotRecord(
                f"bcc is not installed ({answer['reason']}): install the package python3-bpfcc (Debian, Ubuntu), "
                "python3-bcc (Fedora) or python-bcc (Arch)"
            )
        self._log.seek(0)
        log = self._log.read().decode(errors="replace")
        with tempfile.NamedTemporaryFile("w", prefix="sysmon-compile-", suffix=".log", delete=False) as kept:
            kept.write(log)
        return CannotLoad(
            f"the programs do not compile here: {_first_line(answer['reason'])}; clang's output is in {kept.name}"
        )


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
