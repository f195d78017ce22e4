"""The bpf(2) system call, as far as the recorder uses it.

bcc's own wrappers are not used: its batch read fails on per-CPU maps in 0.29 and 0.31, and bcc is only there while
programs are compiled. Structures are those of include/uapi/linux/bpf.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_NR_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280, "s390x": 351, "ppc64le": 361}

MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_NEXT_KEY, PROG_LOAD = 0, 1, 2, 4, 5
PROG_TEST_RUN, OBJ_INFO, RAW_TRACEPOINT_OPEN, LOOKUP_AND_DELETE_BATCH = 10, 15, 17, 25
BTF_LOAD, LINK_CREATE, ENABLE_STATS, ITER_CREATE = 18, 28, 32, 33
MAP_TYPE_ARRAY, MAP_TYPE_ARRAY_OF_MAPS = 2, 12
PROG_TYPE_RAW_TRACEPOINT, PROG_TYPE_TRACING = 17, 26
TRACE_ITER = 28
TEST_RUN_ON_CPU = 1
NOEXIST = 1

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long


class _MapCreate(ctypes.Structure):
    _fields_ = [
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * 16),
    ]


class _ProgLoad(ctypes.Structure):
    _fields_ = [
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * 16),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_uint64),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_uint64),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
    ]


class _BtfLoad(ctypes.Structure):
    _fields_ = [
        ("btf", ctypes.c_uint64),
        ("btf_log_buf", ctypes.c_uint64),
        ("btf_size", ctypes.c_uint32),
    ]


class _LinkCreate(ctypes.Structure):
    _fields_ = [
        ("prog_fd", ctypes.c_uint32),
        ("target_fd", ctypes.c_uint32),
        ("attach_type", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
    ]


class _IterCreate(ctypes.Structure):
    _fields_ = [("link_fd", ctypes.c_uint32), ("flags", ctypes.c_uint32)]


class _Element(ctypes.Structure):
    _fields_ = [
        ("map_fd", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    ]


class _Batch(ctypes.Structure):
    _fields_ = [
        ("in_batch", ctypes.c_uint64),
        ("out_batch", ctypes.c_uint64),
        ("keys", ctypes.c_uint64),
        ("values", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("map_fd", ctypes.c_uint32),
        ("elem_flags", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    ]


class _TestRun(ctypes.Structure):
    _fields_ = [
        ("prog_fd", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("data", ctypes.c_uint32 * 2),
        ("data_in", ctypes.c_uint64),
        ("data_out", ctypes.c_uint64),
        ("repeat", ctypes.c_uint32),
        ("duration", ctypes.c_uint32),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_uint64),
        ("ctx_out", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
    ]


class _RawTracepoint(ctypes.Structure):
    _fields_ = [("name", ctypes.c_uint64), ("prog_fd", ctypes.c_uint32)]


class _Stats(ctypes.Structure):
    _fields_ = [("type", ctypes.c_uint32)]


class _Info(ctypes.Structure):
    _fields_ = [("bpf_fd", ctypes.c_uint32), ("info_len", ctypes.c_uint32), ("info", ctypes.c_uint64)]


_NAME_BYTES = 15  # BPF_OBJ_NAME_LEN less the zero
_VERIFIER_LOG_BYTES = (1 << 24) - 1  # the most that every kernel takes; pages that stay empty cost nothing

_PROG_INFO_BYTES = 232
_RUN_TIME_AT = 192  # offset of run_time_ns in struct bpf_prog_info; run_cnt and recursion_misses (5.12) follow


def _bpf(command: int, attr: ctypes.Structure) -> int:
    """Runs the command. Raises OSError."""
    number = _NR_BPF[platform.machine()]
    result = _syscall(
        ctypes.c_long(number), ctypes.c_long(command), ctypes.byref(attr), ctypes.c_long(ctypes.sizeof(attr))
    )
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def possible_cpus() -> int:
    """How many values a per-CPU map has: one more than the highest number of a CPU that may ever be."""
    with open("/sys/devices/system/cpu/possible") as f:
        return int(f.read().strip().replace("-", ",").split(",")[-1]) + 1


def online_cpus() -> list[int]:
    """The numbers of the CPUs that are on now."""
    return _cpus("online")


def present_cpus() -> list[int]:
    """The numbers of the CPUs that the machine has, those that are off line included."""
    return _cpus("present")


def ticks_may_stop() -> bool:
    """Whether there are CPUs without ticks while one thread runs there (nohz_full)."""
    try:
        with open("/sys/devices/system/cpu/nohz_full") as f:
            return f.read().strip() not in ("", "(null)")
    except OSError:
        return False


def _cpus(which: str) -> list[int]:
    with open(f"/sys/devices/system/cpu/{which}") as f:
        ranges = [part.split("-") for part in f.read().strip().split(",")]
    return [cpu for r in ranges for cpu in range(int(r[0]), int(r[-1]) + 1)]


@functools.cache
def _address(name: str) -> int | None:
    """As /proc/kallsyms shows it: 0 if it is kept secret; None if there is none of this name."""
    ending = b" " + name.encode() + b"\n"
    try:
        with open("/proc/kallsyms", "rb") as f:
            # 10 MB of lines: searched some at a time, not one by one.
            while lines := f.readlines(1 << 18):
                text = b"".join(lines)
                if (at := text.find(ending)) >= 0:
                    return int(text[text.rfind(b"\n", 0, at) + 1 :].split(None, 1)[0], 16)
    except OSError:
        pass
    return None


def symbol(name: str) -> int | None:
    """The address of a symbol of the kernel; None if it has none of this name or keeps it secret."""
    return _address(name) or None


def hides(name: str) -> bool:
    """Whether the kernel has a symbol of this name, but does not tell us its address."""
    return _address(name) == 0


@dataclass(frozen=True)
class MapShape:
    """What a map is made with."""

    name: str
    map_type: int
    key_size: int
    value_size: int
    max_entries: int
    map_flags: int = 0


def create_map(shape: MapShape, inner: int = 0) -> int:
    """Makes a map and returns its descriptor. Raises OSError."""
    s = shape
    name = s.name.encode()[:_NAME_BYTES]
    return _bpf(
        MAP_CREATE, _MapCreate(s.map_type, s.key_size, s.value_size, s.max_entries, s.map_flags, inner, 0, name)
    )


class Refused(Exception):
    """The kernel does not take a program, and why."""


_NAMES = b"\0int\0f\0"
_TYPES = (
    *(1, 1 << 24, 4, 1 << 24 | 32),  # 1: int, signed, of 32 bits
    *(0, 13 << 24, 1),  # 2: int (*)(void)
    *(5, 12 << 24, 2),  # 3: static int f(void)
)
_FUNCTION = 3


def _describe(functions: tuple[int, ...]) -> tuple[int, bytes]:
    """What the kernel wants to be told of a program that has functions: BTF that says that each is static, and where.

    What they take and return it does not look at (check_btf_func(), check_ld_imm(), kernel/bpf/verifier.c).
    """
    types = struct.pack(f"={len(_TYPES)}I", *_TYPES)
    header = struct.pack("=HBB5I", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(_NAMES))
    text = ctypes.create_string_buffer(header + types + _NAMES, len(header + types + _NAMES))
    fd = _bpf(BTF_LOAD, _BtfLoad(btf=ctypes.addressof(text), btf_size=len(text)))
    return fd, b"".join(struct.pack("=II", begin, _FUNCTION) for begin in (0, *functions))


def load_program(name: str, code: bytes, iterator: int | None = None, functions: tuple[int, ...] = ()) -> int:
    """Loads instructions as a program for raw tracepoints, and returns its descriptor. Raises Refused.

    `iterator`: it is for the iterator with this type id instead (`Btf.iterator`). `functions`: at which instructions
    those begin that the kernel calls.
    """
    if not functions:
        return _load_program(name, code, iterator)
    try:
        btf, info = _describe(functions)
    except OSError as error:
        raise Refused(f"cannot describe its functions: {error.strerror}") from None
    try:
        return _load_program(name, code, iterator, btf, info)
    finally:
        os.close(btf)


def _load_program(name: str, code: bytes, iterator: int | None, btf: int = 0, info: bytes = b"") -> int:
    license_text, instructions = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(code, len(code))
    attr = _ProgLoad(
        prog_type=PROG_TYPE_RAW_TRACEPOINT,
        insn_cnt=len(code) // 8,
        insns=ctypes.addressof(instructions),
        license=ctypes.addressof(license_text),
        prog_name=name.encode()[:_NAME_BYTES],
    )
    functions = ctypes.create_string_buffer(info, len(info))
    if info:
        attr.prog_btf_fd, attr.func_info_rec_size = btf, 8
        attr.func_info, attr.func_info_cnt = ctypes.addressof(functions), len(info) // 8
    if iterator is not None:
        attr.prog_type, attr.expected_attach_type, attr.attach_btf_id = PROG_TYPE_TRACING, TRACE_ITER, iterator
    try:
        return _bpf(PROG_LOAD, attr)
    except OSError as error:
        reason = error.strerror
    # Once more, for its reasons; the end of what it has to say is kept only by a buffer that is large enough for all.
    log = ctypes.create_string_buffer(_VERIFIER_LOG_BYTES)
    attr.log_level, attr.log_size, attr.log_buf = 1, len(log), ctypes.addressof(log)
    with contextlib.suppress(OSError):
        os.close(_bpf(PROG_LOAD, attr))
    said = [line for line in log.value.decode(errors="replace").splitlines() if not line.startswith("processed ")]
    raise Refused(f"{reason}: {said[-1]}" if said else reason)


def _create(map_type: int, value_size: int, inner: int = 0) -> int:
    return create_map(MapShape("", map_type, 4, value_size, 1), inner)


def lookup(fd: int, key: bytes, size: int) -> bytes:
    """The value of a key, `size` bytes (of all CPUs, for a per-CPU map). Raises OSError."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    _bpf(MAP_LOOKUP, _Element(fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))
    return v.raw


def update(fd: int, key: bytes, value: bytes, flags: int = 0) -> None:
    """Sets the value of a key. Raises OSError; FileExistsError with NOEXIST."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    _bpf(MAP_UPDATE, _Element(fd, 0, ctypes.addressof(k), ctypes.addressof(v), flags))


def keys(fd: int, size: int) -> list[bytes]:
    """All keys of a map that is not large."""
    found: list[bytes] = []
    after = ctypes.create_string_buffer(size)
    attr = _Element(fd, 0, 0, ctypes.addressof(after), 0)
    key = ctypes.create_string_buffer(size)
    while True:
        try:
            _bpf(MAP_NEXT_KEY, attr)
        except FileNotFoundError:
            return found
        found.append(after.raw)
        key.raw = after.raw
        attr.key = ctypes.addressof(key)


class Drainer:
    """Reads a hash map that no program writes any more, and empties it, through buffers that are used again.

    `value_size` is the size of one CPU's value and a multiple of 8.
    """

    def __init__(self, key_size: int, value_size: int, cpus: int, batch: int = 4096) -> None:
        self.key_size, self.value_size, self.batch = key_size, value_size * cpus, batch
        self._keys = ctypes.create_string_buffer(self.key_size * batch)
        self._values = ctypes.create_string_buffer(self.value_size * batch)
        self._token = ctypes.create_string_buffer(max(8, key_size))

    def drain(self, fd: int) -> Iterator[tuple[memoryview, memoryview]]:
        """Keys and values, in pieces of at most `batch` entries. A piece is there until the next is asked for."""
        keys, values = memoryview(self._keys).cast("B"), memoryview(self._values).cast("B")
        attr = _Batch(
            out_batch=ctypes.addressof(self._token),
            keys=ctypes.addressof(self._keys),
            values=ctypes.addressof(self._values),
            map_fd=fd,
        )
        more = True
        while more:
            attr.count = self.batch
            try:
                _bpf(LOOKUP_AND_DELETE_BATCH, attr)
            except FileNotFoundError:  # the end of the map
                more = False
            n = attr.count
            yield keys[: n * self.key_size], values[: n * self.value_size]
            attr.in_batch = attr.out_batch


class GracePeriod:
    """Waits until every BPF program that runs now has ended.

    The kernel does that when a map of maps is updated, so that user space may rely on no program using the old
    inner map any more (maybe_wait_bpf_programs(), kernel/bpf/syscall.c, since 5.0). Nothing uses these maps.
    """

    def __init__(self) -> None:
        self.inner = _create(MAP_TYPE_ARRAY, 8)
        self.outer = _create(MAP_TYPE_ARRAY_OF_MAPS, 4, self.inner)

    def wait(self) -> None:
        update(self.outer, bytes(4), self.inner.to_bytes(4, "little"))

    def close(self) -> None:
        os.close(self.outer)
        os.close(self.inner)


def attach_raw_tracepoint(name: str, program: int) -> int:
    """Attaches a program; it stays so until the returned descriptor is closed. Raises OSError."""
    text = ctypes.create_string_buffer(name.encode())
    return _bpf(RAW_TRACEPOINT_OPEN, _RawTracepoint(ctypes.addressof(text), program))


_READ_BYTES = 1 << 15  # a pass gives at most 8 pages at a time (bpf_seq_read(), kernel/bpf/bpf_iter.c)


def attach_iterator(program: int) -> int:
    """A link from which passes begin, until the returned descriptor is closed (5.8). Raises OSError."""
    return _bpf(LINK_CREATE, _LinkCreate(program, 0, TRACE_ITER, 0))


def iterate(link: int) -> Iterator[bytes]:
    """A pass over all that there is: what the program writes, some at a time, in whole rows. Raises OSError."""
    fd = _bpf(ITER_CREATE, _IterCreate(link, 0))
    try:
        while piece := os.read(fd, _READ_BYTES):
            yield piece
    finally:
        os.close(fd)


def run_on_cpu(program: int, cpu: int) -> None:
    """Runs a raw tracepoint program once on that CPU, in an interrupt of whatever runs there (5.10).

    Raises OSError: EINVAL before 5.10, ENXIO if the CPU is off.
    """
    _bpf(PROG_TEST_RUN, _TestRun(prog_fd=program, flags=TEST_RUN_ON_CPU, cpu=cpu))


def enable_stats() -> int:
    """Makes the kernel measure the run time of BPF programs, until the returned descriptor is closed (5.8)."""
    return _bpf(ENABLE_STATS, _Stats(0))


@dataclass(frozen=True)
class ProgramStats:
    """What the kernel knows of a program's runs. Runs and their time [ns] are counted under `enable_stats` only."""

    run_ns: int
    runs: int
    recursion_misses: int


def program_stats(program: int) -> ProgramStats:
    """Raises OSError."""
    info = ctypes.create_string_buffer(_PROG_INFO_BYTES)
    _bpf(OBJ_INFO, _Info(program, _PROG_INFO_BYTES, ctypes.addressof(info)))
    words = (ctypes.c_uint64 * 3).from_buffer(info, _RUN_TIME_AT)
    return ProgramStats(*words)


def raise_memlock_limit() -> None:
    """Before 5.11 maps count against RLIMIT_MEMLOCK."""
    import resource

    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError) as error:
        if getattr(error, "errno", errno.EPERM) != errno.EPERM:
            raise
