"""Offsets, tracepoint arguments and constants in the BTF of five real kernels, and the effect of damage."""

import struct
from array import array
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.errors import NoBtf
from sysmon.recorder.load.btf import Btf, Member

DATA = Path(__file__).parents[2] / "data" / "btf"
KERNELS = ("5.15", "6.1", "6.8", "6.12", "6.18")


@cache
def content(kernel: str) -> bytes:
    return (DATA / f"{kernel}.btf").read_bytes()


@cache
def btf(kernel: str) -> Btf:
    return Btf.parse(content(kernel))


def swapped(data: bytes) -> bytes:
    """The same BTF in the other byte order."""
    magic, version, flags, header, *sections = struct.unpack_from("<HBB5I", data)
    types = array("I", data[header + sections[0] : header + sections[0] + sections[1]])
    types.byteswap()
    names = data[header + sections[2] :]
    return struct.pack(">HBB5I", magic, version, flags, header, *sections) + types.tobytes() + names


# (offset, size) on each of KERNELS, as pahole 1.24 shows them in the whole files: pahole -F btf -C task_struct FILE
MEMBERS = {
    ("task_struct", "__state"): [(24, 4)] * 5,  # `state` until 5.13
    ("task_struct", "state"): [None] * 5,
    ("task_struct", "mm"): [(2200, 8), (2272, 8), (2336, 8), (2304, 8), (1136, 8)],
    ("task_struct", "tgid"): [(2388, 4), (2420, 4), (2468, 4), (2436, 4), (1268, 4)],
    ("task_struct", "real_parent"): [(2400, 8), (2432, 8), (2480, 8), (2448, 8), (1280, 8)],
    ("task_struct", "start_boottime"): [(2696, 8), (2784, 8), (2816, 8), (2784, 8), (1560, 8)],
    ("task_struct", "comm"): [(2856, 16), (2976, 16), (3008, 16), (2976, 16), (1752, 16)],
    ("task_struct", "se.sum_exec_runtime"): [(264, 8), (200, 8), (216, 8), (224, 8), (232, 8)],
    ("task_struct", "in_execve"): [None] * 5,  # a bitfield
    ("task_struct", "mm.rss_stat"): [None] * 5,  # behind a pointer
    ("task_struct", "no_such_member"): [None] * 5,
    ("signal_struct", "live"): [(4, 4)] * 5,
    ("signal_struct", "live.counter"): [(4, 4)] * 5,  # in a typedef of an anonymous struct
    # In an anonymous struct. Four counters until 6.1, four percpu_counters since 6.2.
    ("mm_struct", "rss_stat"): [(728, 32), (728, 32), (824, 160), (816, 160), (960, 160)],
    ("mm_struct", "rss_stat.count"): [(728, 32), (728, 32), None, None, None],
    ("mm_struct", "hiwater_rss"): [(176, 8), (176, 8), (240, 8), (232, 8), (344, 8)],
    ("cgroup", "kn"): [(248, 8), (248, 8), (248, 8), (256, 8), (256, 8)],
    ("kernfs_node", "id"): [(104, 8), (104, 8), (104, 8), (96, 8), (96, 8)],
    ("linux_binprm", "filename"): [(96, 8)] * 5,
    ("pt_regs", "orig_ax"): [(120, 8)] * 5,
    ("sock", "__sk_common.skc_daddr"): [(0, 4)] * 5,  # through two anonymous levels
    ("no_such_struct", "x"): [None] * 5,
    ("", "x"): [None] * 5,  # not the first anonymous struct
    ("task_struct", ""): [None] * 5,
}


@pytest.mark.parametrize(("kernel", "i"), [(k, i) for i, k in enumerate(KERNELS)])
@pytest.mark.parametrize("member", MEMBERS, ids=".".join)
def test_members(kernel: str, i: int, member: tuple[str, str]) -> None:
    expected = MEMBERS[member][i]
    assert btf(kernel).member(*member) == (Member(*expected) if expected else None)


# "size:" of the same pahole output
SIZES = {
    "task_struct": [9536, 9792, 13696, 9792, 3264],
    "mm_struct": [1048, 1096, 1344, 1344, 1472],
    "signal_struct": [1096, 1112, 1112, 1104, 1144],
    "pt_regs": [168] * 5,
    "upid": [16] * 5,
    "mm_rss_stat": [32, 32, None, None, None],
}


@pytest.mark.parametrize("name", SIZES)
def test_struct_sizes(name: str) -> None:
    assert [btf(k).struct_size(name) for k in KERNELS] == SIZES[name]


# vlen of the FUNC_PROTO behind each typedef, less one, in: bpftool btf dump file FILE
ARGUMENTS = {
    "sys_enter": [2] * 5,
    "sys_exit": [2] * 5,
    "sched_switch": [3, 4, 4, 4, 4],  # prev_state since 5.18
    "sched_process_exit": [1, 1, 1, 1, 2],  # group_dead since 6.16
    "sched_process_exec": [3] * 5,
    "sched_process_fork": [2] * 5,
    "task_rename": [2] * 5,
    "kmalloc": [5, 6, 6, 6, 6],
    "rss_stat": [3, 3, 2, 2, 2],
    "no_such_tracepoint": [None] * 5,
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_tracepoint_argument_counts(name: str) -> None:
    arguments = [btf(k).tracepoint_args(name) for k in KERNELS]
    assert [None if a is None else len(a) for a in arguments] == ARGUMENTS[name]


def test_tracepoint_argument_types() -> None:
    assert btf("6.18").tracepoint_args("sched_process_exit") == ("struct task_struct *", "bool")
    assert btf("5.15").tracepoint_args("task_rename") == ("struct task_struct *", "char *")
    assert btf("6.1").tracepoint_args("sys_enter") == ("struct pt_regs *", "long int")


def test_constants() -> None:
    for kernel in KERNELS:
        assert btf(kernel).enum_value("pid_type", "PIDTYPE_TGID") == 1
        assert btf(kernel).enum_value(None, "MM_SHMEMPAGES") == 3
        assert btf(kernel).enum_value("pid_type", "MM_SHMEMPAGES") is None
        assert btf(kernel).enum_value("no_such_enum", "PIDTYPE_TGID") is None
        assert btf(kernel).enum_value(None, "NO_SUCH_CONSTANT") is None
    # 64 bits wide, which BTF could not say before ENUM64 (6.0)
    assert btf("6.18").enum_value("perf_callchain_context", "PERF_CONTEXT_KERNEL") == 2**64 - 128
    assert btf("5.15").enum_value("perf_callchain_context", "PERF_CONTEXT_KERNEL") == 2**32 - 128


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_other_byte_order_reads_the_same(kernel: str) -> None:
    other = Btf.parse(swapped(content(kernel)))
    assert other.member("task_struct", "comm") == btf(kernel).member("task_struct", "comm")
    assert other.tracepoint_args("sched_switch") == btf(kernel).tracepoint_args("sched_switch")
    assert other.enum_value(None, "MM_SHMEMPAGES") == 3


def small(types: list[int], names: bytes) -> bytes:
    words = struct.pack(f"<{len(types)}I", *types)
    return struct.pack("<HBB5I", 0xEB9F, 1, 0, 24, 0, len(words), len(words), len(names)) + words + names


INT, STRUCT, ENUM, VOLATILE, DATASEC, FLOAT, DECL_TAG, TYPE_TAG = 1, 4, 6, 9, 15, 16, 17, 18
KIND_FLAG = 1 << 31


def test_kinds_that_the_cut_files_lack() -> None:
    data = small(
        [
            *(0, DECL_TAG << 24, 3, 2**32 - 1),  # 1: on type 3
            *(1, FLOAT << 24, 8),  # 2: double d
            *(3, STRUCT << 24 | 2, 16),  # 3: struct s { double d; volatile double tagged v; }
            *(1, 2, 0),
            *(5, 5, 64),
            *(7, TYPE_TAG << 24, 2),  # 4: double behind a tag
            *(0, VOLATILE << 24, 4),  # 5
            *(0, DATASEC << 24 | 1, 16, 3, 0, 16),  # 6
            *(0, ENUM << 24 | 1 | KIND_FLAG, 4, 7, 2**32 - 3),  # 7: enum { tag = -3 }
        ],
        b"\0d\0s\0v\0tag\0",
    )
    types = Btf.parse(data)
    assert types.member("s", "v") == Member(8, 8)
    assert types.enum_value(None, "tag") == -3


def test_cyclic_types_are_refused() -> None:
    itself = Btf.parse(small([0, VOLATILE << 24, 1, 1, STRUCT << 24 | 1, 8, 1, 1, 0], b"\0s\0"))
    with pytest.raises(NoBtf):
        itself.member("s", "s")
    nested = Btf.parse(small([1, STRUCT << 24 | 2, 8, 0, 1, 0, 0, 1, 0], b"\0s\0"))
    assert nested.member("s", "x") is None


def test_a_kind_from_the_future_is_named() -> None:
    with pytest.raises(NoBtf, match=r"unknown kind of type \(77\)"):
        Btf.parse(small([0, 77 << 24, 0], b"\0"))


@pytest.mark.parametrize("data", [b"", b"\x9f\xeb", b"PAR1" * 20, b"\x7fELF" + bytes(60)])
def test_what_is_not_btf_is_refused(data: bytes) -> None:
    with pytest.raises(NoBtf, match="not BTF"):
        Btf.parse(data)


def test_a_kernel_without_btf_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoBtf, match="CONFIG_DEBUG_INFO_BTF"):
        Btf.of_kernel(tmp_path / "vmlinux")
    (tmp_path / "vmlinux").write_bytes(b"something else")
    with pytest.raises(NoBtf, match=r"cannot use .*/vmlinux: this is not BTF"):
        Btf.of_kernel(tmp_path / "vmlinux")


def ask_everything(data: bytes) -> None:
    """The questions are answered, rightly or not, or NoBtf is raised; nothing else, and never an endless loop."""
    try:
        types = Btf.parse(data)
        for name, path in MEMBERS:
            types.member(name, path)
        for tracepoint in ARGUMENTS:
            types.tracepoint_args(tracepoint)
        types.enum_value(None, "MM_SHMEMPAGES")
        types.enum_value("pid_type", "PIDTYPE_TGID")
    except NoBtf:
        pass


LENGTH = len(content("6.18"))


@given(st.integers(0, LENGTH - 1))
def test_a_file_cut_short_is_refused(length: int) -> None:
    with pytest.raises(NoBtf):
        Btf.parse(content("6.18")[:length])


@given(st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(0, 255)), min_size=1, max_size=40))
def test_damage_never_crashes(changes: list[tuple[int, int]]) -> None:
    data = bytearray(content("6.18"))
    for at, value in changes:
        data[at] = value
    ask_everything(bytes(data))


@given(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 20).map(lambda k: k << 24 | 2) | st.integers(0, 9)))
def test_nonsense_never_crashes(words: list[int]) -> None:
    ask_everything(small(words, b"\0task_struct\0mm\0btf_trace_sys_enter\0pid_type\0PIDTYPE_TGID\0"))
