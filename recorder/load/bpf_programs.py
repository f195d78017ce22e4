"""BPF programs through bpf(2): loading, attaching and running them, iterators, and run statistics."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from sysmon.recorder.load.bpf_syscall import NAME_BYTES, bpf

PROG_LOAD, PROG_TEST_RUN, OBJ_INFO, RAW_TRACEPOINT_OPEN, BTF_LOAD = 5, 10, 15, 17, 18
LINK_CREATE, ENABLE_STATS, ITER_CREATE = 28, 32, 33
PROG_TYPE_PERF_EVENT, PROG_TYPE_RAW_TRACEPOINT, PROG_TYPE_TRACING = 7, 17, 26
TRACE_ITER = 28
TEST_RUN_ON_CPU = 1

_VERIFIER_LOG_BYTES = (1 << 24) - 1  # the most that every kernel accepts; untouched pages cost nothing

_PROG_INFO_BYTES = 232
_RUN_TIME_AT = 192  # offset of run_time_ns in struct bpf_prog_info; run_cnt and recursion_misses (5.12) follow


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


class Refused(Exception):
    """The kernel refused a program, and why."""


_NAMES = b"\0int\0f\0"
_TYPES = (
    *(1, 1 << 24, 4, 1 << 24 | 32),  # 1: int, signed, of 32 bits
    *(0, 13 << 24, 1),  # 2: int (*)(void)
    *(5, 12 << 24, 2),  # 3: static int f(void)
)
_FUNCTION = 3


def _describe(functions: tuple[int, ...]) -> tuple[int, bytes]:
    """The BTF and function info that the kernel requires of a program with functions: each is static, and begins where.

    It ignores their arguments and results (check_btf_func(), check_ld_imm(), kernel/bpf/verifier.c).
    """
    types = struct.pack(f"={len(_TYPES)}I", *_TYPES)
    header = struct.pack("=HBB5I", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(_NAMES))
    text = ctypes.create_string_buffer(header + types + _NAMES, len(header + types + _NAMES))
    fd = bpf(BTF_LOAD, _BtfLoad(btf=ctypes.addressof(text), btf_size=len(text)))
    return fd, b"".join(struct.pack("=II", begin, _FUNCTION) for begin in (0, *functions))


def load(
    name: str,
    code: bytes,
    iterator: int | None = None,
    functions: tuple[int, ...] = (),
    program_type: int = PROG_TYPE_RAW_TRACEPOINT,
) -> int:
    """Loads instructions as a program, and returns its descriptor. Raises Refused.

    `iterator`: load it for the iterator with this type id instead (`Btf.iterator`). `functions`: the instructions at
    which callback functions begin.
    """
    if not functions:
        return _load(name, code, iterator, program_type)
    try:
        btf, info = _describe(functions)
    except OSError as error:
        raise Refused(f"cannot describe its functions: {error.strerror}") from None
    try:
        return _load(name, code, iterator, program_type, btf, info)
    finally:
        os.close(btf)


def _load(name: str, code: bytes, iterator: int | None, program_type: int, btf: int = 0, info: bytes = b"") -> int:
    license_text, instructions = ctypes.create_string_buffer(b"GPL"), ctypes.create_string_buffer(code, len(code))
    attr = _ProgLoad(
        prog_type=program_type,
        insn_cnt=len(code) // 8,
        insns=ctypes.addressof(instructions),
        license=ctypes.addressof(license_text),
        prog_name=name.encode()[:NAME_BYTES],
    )
    functions = ctypes.create_string_buffer(info, len(info))
    if info:
        attr.prog_btf_fd, attr.func_info_rec_size = btf, 8
        attr.func_info, attr.func_info_cnt = ctypes.addressof(functions), len(info) // 8
    if iterator is not None:
        attr.prog_type, attr.expected_attach_type, attr.attach_btf_id = PROG_TYPE_TRACING, TRACE_ITER, iterator
    try:
        return bpf(PROG_LOAD, attr)
    except OSError as error:
        reason = error.strerror
    # Again, for the verifier's log. Its end, which has the reason, is kept only if the buffer holds all of it.
    log = ctypes.create_string_buffer(_VERIFIER_LOG_BYTES)
    attr.log_level, attr.log_size, attr.log_buf = 1, len(log), ctypes.addressof(log)
    with contextlib.suppress(OSError):
        os.close(bpf(PROG_LOAD, attr))
    said = [line for line in log.value.decode(errors="replace").splitlines() if not line.startswith("processed ")]
    raise Refused(f"{reason}: {said[-1]}" if said else reason)


def attach_raw_tracepoint(name: str, program: int) -> int:
    """Attaches a program until the returned descriptor is closed. Raises OSError."""
    text = ctypes.create_string_buffer(name.encode())
    return bpf(RAW_TRACEPOINT_OPEN, _RawTracepoint(ctypes.addressof(text), program))


_READ_BYTES = 1 << 15  # one read returns at most 8 pages (bpf_seq_read(), kernel/bpf/bpf_iter.c)


def attach_iterator(program: int) -> int:
    """Attaches an iterator program and returns the link, from which `iterate` starts passes (5.8). Raises OSError."""
    return bpf(LINK_CREATE, _LinkCreate(program, 0, TRACE_ITER, 0))


def iterate(link: int) -> Iterator[bytes]:
    """One pass: what the program writes, in chunks of whole rows. Raises OSError."""
    fd = bpf(ITER_CREATE, _IterCreate(link, 0))
    try:
        while piece := os.read(fd, _READ_BYTES):
            yield piece
    finally:
        os.close(fd)


def run_on_cpu(program: int, cpu: int) -> None:
    """Runs a raw tracepoint program once on that CPU, in an inter-processor interrupt (5.10).

    Raises OSError: EINVAL before 5.10, ENXIO if the CPU is offline.
    """
    bpf(PROG_TEST_RUN, _TestRun(prog_fd=program, flags=TEST_RUN_ON_CPU, cpu=cpu))


def run(program: int, *arguments: int) -> None:
    """Runs a raw tracepoint program once, with these arguments (5.10). Raises OSError: EINVAL before 5.10."""
    context = (ctypes.c_uint64 * len(arguments))(*arguments)
    bpf(
        PROG_TEST_RUN,
        _TestRun(prog_fd=program, ctx_size_in=ctypes.sizeof(context), ctx_in=ctypes.addressof(context)),
    )


def enable_stats() -> int:
    """Makes the kernel measure the run time of BPF programs, until the returned descriptor is closed (5.8)."""
    return bpf(ENABLE_STATS, _Stats(0))


@dataclass(frozen=True)
class ProgramStats:
    """A program's counters in the kernel. Runs and run time [ns] are counted only while `enable_stats` is in effect."""

    run_ns: int
    runs: int
    recursion_misses: int


def stats(program: int) -> ProgramStats:
    """The program's counters so far. Raises OSError."""
    info = ctypes.create_string_buffer(_PROG_INFO_BYTES)
    bpf(OBJ_INFO, _Info(program, _PROG_INFO_BYTES, ctypes.addressof(info)))
    words = (ctypes.c_uint64 * 3).from_buffer(info, _RUN_TIME_AT)
    return ProgramStats(*words)
