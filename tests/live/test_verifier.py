"""What the verifier requires of the programs, on this kernel and by other kernels' rules."""

import platform
import time

import numpy as np
import pytest

from sysmon.bpf.kinds import DEFAULT_KINDS, KINDS
from sysmon.recorder.load import compiled, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.select import kind_selection
from tests.lengths import some

pytestmark = pytest.mark.live

ALL = frozenset(kind.name for kind in KINDS)
STACK_BYTES = 512
FRAME = 10  # the register that points to the stack
MOVE, ADD, STORE = 0xBF, 0x07, 0x63
ACCESSES = {1, 2, 3}  # instruction classes that access memory


def plan_of(btf: Btf, kinds: frozenset[str] = DEFAULT_KINDS) -> program.Plan:
    return program.plan(btf, SyscallNames(platform.machine()), kinds)


def compiled_of(plan: program.Plan) -> compiled.Compiled:
    loading = loader.Loading(plan)
    loading.begin()
    return loading._compiled or loading._answer()


def frame_bytes(code: np.ndarray) -> int:  # type: ignore[type-arg]
    """How far down the stack a function reaches, by an access or by an address that it computes."""
    deepest = 0
    for i, instruction in enumerate(code):
        low, high = int(instruction["registers"]) & 15, int(instruction["registers"]) >> 4
        operation = int(instruction["operation"])
        if operation & 7 in ACCESSES and FRAME in ((high,) if operation & 7 == 1 else (low,)):
            deepest = min(deepest, int(instruction["offset"]))
        if operation == MOVE and high == FRAME and int(code[i + 1]["operation"]) == ADD:
            deepest = min(deepest, int(code[i + 1]["number"]))
    return -deepest


@pytest.mark.parametrize("kinds", [DEFAULT_KINDS, ALL], ids=["default", "all"])
def test_no_program_takes_more_stack_than_older_kernels_allow(live_kernel: None, kinds: frozenset[str]) -> None:
    """Before Linux 6.13 a program shares 512 bytes with its callbacks, each rounded up to 32."""
    for name, code in compiled_of(plan_of(Btf.of_kernel(), kinds)).programs.items():
        begins = (0, *compiled.functions(code))
        instructions = np.frombuffer(code, compiled.INSTRUCTION)
        own, *others = (-(-frame_bytes(part) // 32) * 32 for part in np.split(instructions, begins[1:]))
        assert 0 < own + max(others, default=0) <= STACK_BYTES, name


class WithoutLoops(Btf):
    """Like kernels before 5.17."""

    def enum_value(self, enum: str | None, constant: str) -> int | None:
        return None if constant == "BPF_FUNC_loop" else super().enum_value(enum, constant)


class Preemptible(Btf):
    """Like kernels since 7.0."""

    def member(self, struct: str, path: str) -> object:  # type: ignore[override]
        other = ("task_struct", "pid") if struct == "tp_transition_snapshot" else (struct, path)
        return super().member(*other)


MORE = [(), ("samples",), ("off_cpu",), ("samples", "off_cpu", "waits", "objects")]


@pytest.mark.parametrize("like", [Btf, WithoutLoops, Preemptible])
@pytest.mark.parametrize("more", some(MORE, -1), ids="+".join)
def test_programs_are_accepted(live_kernel: None, like: type[Btf], more: tuple[str, ...]) -> None:
    """By this kernel, in the form for it and for others."""
    btf = Btf.of_kernel()
    btf.__class__ = like
    loading = loader.Loading(plan_of(btf, kind_selection.kinds((), (), more)))
    try:
        assert loading.result().refused == {}
    finally:
        loading.abandon()


@pytest.mark.alone
def test_the_verifier_is_fast(live_kernel: None) -> None:
    """All programs must pass it before a recording begins: 0.75 s of CPU time, a seventh of it DNS."""
    plan = plan_of(Btf.of_kernel())
    programs = compiled_of(plan)
    begin = time.process_time()
    taken = programs.load(plan.iterators, plan.samplers)
    took_s = time.process_time() - begin
    loader.Loaded(taken.maps, taken.programs, "").close()
    assert not taken.refused
    assert took_s < 1.2
