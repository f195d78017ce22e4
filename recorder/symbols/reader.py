"""Reads symbols as the user whose process is asked about, with no capability, in a child of `broker.py`.

Whatever takes over this process through a file that it reads has what that user has anyway, and less: `confinement.py`
says what.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sysmon.recorder.own.delegate import received
from sysmon.recorder.symbols import modules, wire
from sysmon.recorder.symbols.confinement import begin_question, confine
from sysmon.recorder.symbols.files import Refused, Root, readable
from sysmon.recorder.symbols.mappings import DELETED, VDSO, Mapping, Maps
from sysmon.recorder.symbols.modules import Module, Modules
from sysmon.recorder.symbols.perf_map import ABSENT, CUT, UNKNOWN, PerfMap, PerfMaps
from sysmon.recorder.symbols.wire import Answer, Frame

ENDED = "the process had ended"
NO_PERF_MAP = "python: no -X perf map"

INTERPRETER = ("_PyEval_EvalFrameDefault", "PyEval_EvalFrameEx")
"""The functions of CPython that run those of a program: the second before 3.6."""

DEBUG_FILE = "/usr/lib/debug/.build-id/{}/{}.debug"
"""Where distributions install what they stripped off a file with this build id."""

_BATCH_BYTES = wire.MESSAGE_BYTES - 1


def serve(sock: socket.socket) -> None:
    """Answers questions, until the other end is closed."""
    confine()
    reader = Reader(modules.of_kernel())
    while True:
        message, fds = received(sock, wire.MESSAGE_BYTES, 3)
        if not message:
            return
        begin_question()
        try:
            answers = reader.go_on() if message == wire.GO_ON else _asked(reader, message, fds)
            _say(sock, reader, map(wire.pack, answers))
        finally:
            for fd in fds:
                os.close(fd)


def _asked(reader: Reader, message: bytes, fds: list[int]) -> Iterator[Answer]:
    uid, ns_pid = wire.TO_READER.unpack_from(message)
    return reader.answers(Asked(uid, ns_pid, *fds), wire.addresses(message[wire.TO_READER.size :]))


def _say(sock: socket.socket, reader: Reader, answers: Iterator[bytes]) -> None:
    """Few messages: the recorder takes them when it has time."""
    batch = b""
    for answer in answers:
        if len(batch) + len(answer) > _BATCH_BYTES:
            sock.sendall(wire.SAYS + batch)
            batch = b""
        batch += answer
    sock.sendall((wire.LATER if reader.has_left() else wire.DONE) + batch)


class Asked:
    """A process, by descriptors of its maps, root directory and program."""

    def __init__(self, uid: int, ns_pid: int, maps: int, root: int, program: int) -> None:
        self._uid, self._ns_pid = uid, ns_pid
        self.maps, self._root, self._program = Maps(maps), Root(root, uid), program
        self._runs = os.fsencode(os.readlink(f"/proc/self/fd/{program}"))
        self._modules: dict[tuple[bytes, int], Module | str] = {}

    def path(self, mapping: Mapping) -> str:
        """The path of a mapped file, as the process sees it."""
        return self._root.path(mapping.path).removesuffix(DELETED).decode("utf-8", "replace")

    def module(self, mapping: Mapping, modules: Modules) -> Module:
        """The module in a mapped file, which is looked up once a question. Raises Refused."""
        name = (mapping.path, mapping.inode)
        if name not in self._modules:
            self._modules[name] = self._find(mapping, modules)
        found = self._modules[name]
        if isinstance(found, str):
            raise Refused(found)
        return found

    def _find(self, mapping: Mapping, modules: Modules) -> Module | str:
        try:
            module = _in(self._open(mapping), modules)
        except Refused as error:
            return str(error)
        if module.is_stripped and module.build_id:
            with contextlib.suppress(Refused):
                path = DEBUG_FILE.format(module.build_id[:2], module.build_id[2:])
                stripped = _in(self._root.installed(path.encode()), modules)
                if stripped.build_id == module.build_id:
                    return module.with_symbols_of(stripped)
        return module

    def _open(self, mapping: Mapping) -> int:
        """Opens a mapped file. The program may be deleted: the kernel has it open for us."""
        if mapping.path == self._runs and mapping.inode == os.fstat(self._program).st_ino:
            return readable(self._program, self._uid)
        return self._root.mapped(mapping.path, mapping.inode)

    def perf_map(self, perf_maps: PerfMaps) -> PerfMap | None:
        """Its list of functions that it compiled itself."""
        return perf_maps.of(self._root, self._ns_pid)


def _in(fd: int, modules: Modules) -> Module:
    try:
        return modules.of(fd)
    finally:
        os.close(fd)


Named = tuple[tuple[Frame, ...], str | None]
"""Functions at an address, the innermost first, and what is missing and why."""


@dataclass
class _Rest:
    """Addresses in files whose debug information is not read yet."""

    asked: Asked
    compiled: _Compiled
    addresses: list[int]


class Reader:
    """Answers, and remembers the files that it has read. What takes long it leaves for later."""

    def __init__(self, of_kernel: Module | None) -> None:
        self._modules, self._perf_maps, self._of_kernel = Modules(), PerfMaps(), of_kernel
        self._later: deque[_Rest] = deque()
        self._has_left = False

    def has_left(self) -> bool:
        """Whether it left something of the last question."""
        return self._has_left

    def answers(self, asked: Asked, addresses: Iterable[int]) -> Iterator[Answer]:
        """Of a process, without what is left."""
        compiled = _Compiled(lambda: asked.perf_map(self._perf_maps))
        left = []
        for address in addresses:
            named = self._named(asked, address, compiled)
            if named:
                yield address, *named
            else:
                left.append(address)
        self._has_left = bool(left)
        if left:
            compiled.find()  # while its directory is open
            self._later.append(_Rest(asked, compiled, left))

    def go_on(self) -> Iterator[Answer]:
        """Of what it left first."""
        self._has_left = False
        rest = self._later.popleft()
        for address in rest.addresses:
            named = self._named(rest.asked, address, rest.compiled, reads=True)
            assert named
            yield address, *named

    def _named(self, asked: Asked, address: int, compiled: _Compiled, *, reads: bool = False) -> Named | None:
        """`reads`: also debug information that is not read yet; otherwise None if there is some."""
        mapping = asked.maps.of(address)
        if mapping is None:
            return (), wire.NOT_CODE if len(asked.maps) else ENDED
        if not mapping.executable:
            named = compiled.named(address)  # a runtime may take the permission away while it writes
            return named if named[0] else ((), wire.NOT_CODE)
        if mapping.path == VDSO and self._of_kernel and address >> 32:  # a process of 32 bits has another one
            return self._of_kernel.frames("[vdso]", address - mapping.begin)
        if not mapping.has_file:
            return compiled.named(address)
        try:
            module = asked.module(mapping, self._modules)
        except Refused as error:
            named = compiled.named(address)
            return named if named[0] else ((Frame("", asked.path(mapping), None, None, None, None),), str(error))
        if module.is_unread and not reads:
            return None
        module.read()
        frames, missing = module.frames(asked.path(mapping), address - mapping.begin + mapping.offset)
        if frames[0].function.startswith(INTERPRETER) and compiled.functions is None:
            missing = NO_PERF_MAP
        return frames, missing


class _Compiled:
    """Names code that a process compiled itself."""

    def __init__(self, find: Callable[[], PerfMap | None]) -> None:
        self._find = find

    @functools.cached_property
    def functions(self) -> PerfMap | None:
        """The list of them, which is looked for once a question."""
        return self._find()

    def find(self) -> None:
        """Looks for it now."""
        self.functions  # noqa: B018

    def named(self, address: int) -> Named:
        """No frame if it is not in the list."""
        if self.functions is None:
            return (), ABSENT
        name = self.functions.of(address)
        if name is None:
            return (), CUT if self.functions.is_cut else UNKNOWN
        return (Frame(name, None, None, None, None, None),), None
