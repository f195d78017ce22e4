"""Loads and attaches the programs, which `compiler` compiles in a child process.

Raw tracepoints only: they are cheaper than classic ones, are not skipped while another program runs on the CPU, and
need no tracefs.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from struct import pack
from typing import Any

from sysmon.bpf.kinds import calls
from sysmon.bpf.programs.probes import Probe
from sysmon.bpf.programs.structs import SHAPE, packed
from sysmon.bpf.trace_file.atomic import copy_to_temporary
from sysmon.bpf.trace_file.metadata import Probe as ProbeStatus
from sysmon.errors import CannotLoad, CannotRecord
from sysmon.recorder.load import bpf_maps, bpf_programs, program
from sysmon.recorder.load.cache import Cache
from sysmon.recorder.load.compiled import Compiled
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.own import capabilities, isolation, limits, privilege

COMPILER = Path(__file__).with_name("compiler.py")

CACHE = Cache(Path("/var/cache/sysmon"))

LIBRARIES = ("/usr/lib/libbcc.so.0", "/usr/lib64/libbcc.so.0", "/usr/lib/*-linux-gnu*/libbcc.so.0")


@dataclass
class Loaded:
    """The programs and maps of one recording, by name, as file descriptors. Closing it removes them from the kernel."""

    maps: dict[str, int]
    programs: dict[str, int]
    bcc_version: str
    probes: tuple[Probe, ...] = ()
    hooks: dict[int, Probe] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)  # program → the kernel's reason
    links: dict[str, int] = field(default_factory=dict)

    def attach(self) -> list[ProbeStatus]:
        """Attaches all programs in the order of `probes`. Returns the outcome of each."""
        status = self._hook()
        for probe in self.probes:
            reason = self.refused.get(probe.program, "")
            if not reason:
                try:
                    self.links[probe.program] = bpf_programs.attach_raw_tracepoint(
                        probe.tracepoint, self.programs[probe.program]
                    )
                except FileNotFoundError:
                    reason = "this kernel has no such tracepoint"
                except OSError as error:
                    reason = f"cannot attach: {error.strerror}"
            status.append(
                ProbeStatus(name=probe.program, tracepoint=probe.tracepoint, attached=not reason, reason=reason)
            )
        return status

    def _hook(self) -> list[ProbeStatus]:
        """Puts the event programs into the map from which on_sys_exit tail-calls them."""
        status = []
        for place, probe in self.hooks.items():
            reason = self.refused.get(probe.program, "")
            if not reason:
                bpf_maps.update(self.maps["hooks"], pack("<I", place), pack("<I", self.programs[probe.program]))
            status.append(
                ProbeStatus(name=probe.program, tracepoint=probe.tracepoint, attached=not reason, reason=reason)
            )
        return status

    def tell_shapes(self, names: SyscallNames) -> None:
        """Tells the programs, by number, which calls they do more with than count."""
        for name, shape in calls.SHAPES.items():
            with contextlib.suppress(KeyError):  # not on this architecture
                key = pack("<I", names.number(name))
                bpf_maps.update(self.maps["shapes"], key, packed(SHAPE, **asdict(shape)))

    def detach(self) -> None:
        """Detaches every program; what is left in rings and maps can still be read."""
        for link in self.links.values():
            os.close(link)
        self.links.clear()

    def close(self) -> None:
        """Removes everything from the kernel."""
        self.detach()
        for fd in (*self.maps.values(), *self.programs.values()):
            os.close(fd)
        self.maps.clear()
        self.programs.clear()


class Loading:
    """Programs that are being loaded.

    If they are not cached, `begin` starts a child process that compiles them, and `result` waits for it: other work can
    go on in between. `anew`: compile even if they are cached.
    """

    def __init__(self, plan: program.Plan, *, anew: bool = False) -> None:
        self._plan = plan
        machine_cflags = [f"-DPAGE_SIZE={os.sysconf('SC_PAGE_SIZE')}", "-Wno-unused-value"]
        request = {
            "text": plan.text,
            "stub": str(program.STUB_DIR),
            "cflags": machine_cflags,
            "maps": plan.maps,
            "programs": plan.programs,
            "callbacks": plan.callbacks,
        }
        self._request = json.dumps(request).encode()
        self._key = _key(request)
        self._compiled = None if anew else _kept(self._key, plan)
        self._loaded: Loaded | None = None
        self._child: subprocess.Popen[bytes] | None = None

    def load_kept(self) -> None:
        """Loads cached programs at once. Raises as `result` does."""
        if self._compiled and not self._loaded:
            self._loaded = self._load(self._compiled)

    def begin(self) -> None:
        """Starts the compiler, unless it is not needed or already started. Raises CannotRecord."""
        if not self._compiled and not self._child:
            self._ask(self._request)

    def _ask(self, request: bytes) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_answer` or `abandon`
        self._sock, theirs = socket.socketpair()
        try:
            self._child = self._start(theirs)
        except OSError as error:
            self._sock.close()
            self._log.close()
            raise CannotRecord(
                f"cannot execute {sys.executable}: {error.strerror}; its user must be able to read sysmon's Python"
            ) from None
        self._sock.sendall(request)
        self._sock.shutdown(socket.SHUT_WR)

    def _start(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        with theirs:
            return subprocess.Popen(
                # -I and this environment: neither the caller's nor the working directory decides what a root process
                # loads
                [sys.executable, "-I", str(COMPILER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=isolation.FOR_CHILDREN,
                preexec_fn=capabilities.for_compiler if os.geteuid() == 0 else None,
            )

    def _answer(self) -> Compiled:
        """The child's answer, which is also cached."""
        assert self._child
        with self._sock, self._log:
            with self._sock.makefile("rb") as stream:
                text = stream.read()
            status = self._child.wait()
            try:
                compiled = Compiled.parse(text)
            except ValueError:
                raise self._error(text, status) from None
        if _may_keep():
            CACHE.keep(self._key, text)
        return compiled

    def result(self) -> Loaded:
        """Raises CannotRecord without bcc, CannotLoad if nothing could be loaded."""
        self.load_kept()
        if self._loaded:
            return self._loaded
        self.begin()
        return self._load(self._answer())

    def _load(self, compiled: Compiled) -> Loaded:
        try:
            taken = compiled.load(self._plan.iterators, self._plan.samplers)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            raise CannotLoad(
                f"the kernel cannot create the BPF maps: {error.strerror}; {limits.behind(error.errno)}"
            ) from None
        locked = privilege.READING_IS_LOCKED if privilege.reading_is_locked() else ""
        refused = {name: locked or reason for name, reason in taken.refused.items()}
        loaded = Loaded(taken.maps, taken.programs, compiled.bcc_version, self._plan.probes, self._plan.hooks, refused)
        if not loaded.programs:
            loaded.close()
            raise CannotLoad(f"the kernel refuses every program: {next(iter(refused.values()))}; try `sysmon doctor`")
        return loaded

    def abandon(self) -> None:
        """Ends the compilation and discards its result."""
        if self._loaded:
            self._loaded.close()
        if not self._child:
            return
        self._child.kill()
        self._child.wait()
        self._sock.close()
        self._log.close()

    def _error(self, text: bytes, status: int) -> CannotRecord:
        try:
            answer = json.loads(text)
            error, reason = answer["error"], answer["reason"]
        except (ValueError, KeyError, TypeError):
            error, reason = "died", f"the compiler exited with status {status}"
            if status == -signal.SIGKILL:
                reason = "the compiler was killed, probably because memory is short"
        memory = limits.of_memory()
        if error != "bcc" and (too_little := limits.for_recording(memory)):
            return CannotLoad(f"the programs do not compile here: {_first_line(reason)}; {too_little}")
        if error == "bcc":
            return CannotRecord(
                f"bcc is not installed ({reason}): install the package python3-bpfcc (Debian, Ubuntu), "
                "python3-bcc (Fedora) or python-bcc (Arch)"
            )
        kept = copy_to_temporary(self._log, "sysmon-compile.log")
        return CannotLoad(f"the programs do not compile here: {_first_line(reason)}; clang's output is in {kept}")


def _key(request: dict[str, Any]) -> str:
    """Digest of everything that the compilation depends on: the request, and headers, compiler and kernel."""
    digest = hashlib.sha256(json.dumps({**request, "stub": ""}).encode())
    files = [COMPILER, *sorted(path for path in program.STUB_DIR.rglob("*") if path.is_file())]
    for path in files:
        digest.update(path.read_bytes())
    for library in sorted(file for pattern in LIBRARIES for file in glob.glob(pattern)):
        found = os.stat(library)
        digest.update(f"{library} {found.st_size} {found.st_mtime_ns}".encode())
    uname = os.uname()
    digest.update(f"{uname.release} {uname.version} {uname.machine}".encode())
    return digest.hexdigest()


def _may_keep() -> bool:
    """Only root caches: whoever can write to the cache decides what is loaded into the kernel.

    With capabilities alone each recording compiles, as other processes of that user have none.
    """
    return os.geteuid() == 0


def _kept(key: str, plan: program.Plan) -> Compiled | None:
    text = CACHE.find(key) if _may_keep() else None
    if text is None:
        return None
    try:
        compiled = Compiled.parse(text)
    except ValueError:
        return None
    is_of_plan = compiled.programs.keys() == set(plan.programs) and {m.name for m in compiled.maps} >= set(plan.maps)
    return compiled if is_of_plan else None


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
