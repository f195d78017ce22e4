"""The text of the programs, for the kernels whose BTF is at hand."""

import lzma
import re
from pathlib import Path

import pytest

from recorder import program
from recorder.btf import Btf
from recorder.errors import CannotLoad
from recorder.names import SyscallNames

FILES = sorted((Path(__file__).parent.parent / "data" / "btf").glob("*.btf*"))
NAMES = SyscallNames("x86_64")


def parse(path: Path) -> Btf:
    data = path.read_bytes()
    return Btf.parse(lzma.decompress(data) if path.suffix == ".xz" else data)


@pytest.fixture(autouse=True)
def _x86(monkeypatch: pytest.MonkeyPatch) -> None:
    uname = type("Uname", (), {"machine": "x86_64"})
    monkeypatch.setattr(program.os, "uname", lambda: uname)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_every_member_is_found_on_every_kernel(path: Path) -> None:
    text = program.plan(parse(path), NAMES).text
    optional = set(re.findall(r"#ifdef HAVE_(\w+)", text))
    for struct, member in program._wanted(text):
        if any(name.startswith(f"{struct}__") for name in optional):
            continue
        assert f"#define OFFSET_{struct}__{member} " in text, f"{struct}.{member}"
    assert "#define NR_execve 59\n" in text
    assert "#define OFFSET_pt_regs__nr 120\n" in text  # orig_ax


def test_who_is_the_last_thread_is_asked_only_where_the_kernel_does_not_say() -> None:
    said = {p.name: "#define EXIT_SAYS_GROUP_DEAD" in program.plan(parse(p), NAMES).text for p in FILES}
    assert len(said) == 6
    assert {name for name, says in said.items() if says} == {"6.18.btf", "7.3.btf"}


def test_a_kernel_without_a_member_is_refused() -> None:
    class Odd:
        def member(self, *_path: str) -> None:
            return None

        def tracepoint_args(self, _name: str) -> None:
            return None

        def struct_size(self, _name: str) -> None:
            return None

        def enum_value(self, *_path: str) -> None:
            return None

    with pytest.raises(CannotLoad, match=r"has no member .* in struct"):
        program.plan(Odd(), NAMES)  # type: ignore[arg-type]


def test_an_exit_is_attached_before_its_enter() -> None:
    order = [p.tracepoint for p in program.PROBES]
    assert order.index("sys_exit") < order.index("sys_enter")


def test_every_program_is_in_the_text() -> None:
    text = program.plan(parse(FILES[0]), NAMES).text
    for name in (p.program for p in (*program.PROBES, *program.HOOKS.values())):
        assert f"int {name}(struct bpf_raw_tracepoint_args *ctx)" in text


def test_only_where_programs_are_preemptible_they_have_copies() -> None:
    plans = {p.name: program.plan(parse(p), NAMES) for p in FILES}
    copied = {name: any(p.program.endswith(program.AGAIN) for p in plan.probes) for name, plan in plans.items()}
    assert {name for name, copies in copied.items() if copies} == {n for n in copied if n.startswith("7.")} != set()


def test_a_copy_is_attached_after_its_program() -> None:
    plan = next(t for t in (program.plan(parse(p), NAMES) for p in FILES) if program.PREEMPTIBLE in t.text)
    text, order = plan.text, [p.program for p in plan.probes]
    assert len(order) == sum(p.of != program.KERNEL_MEMORY for p in program.PROBES) + len(program.COPIED)
    assert order.index("on_sys_exit_again") < order.index("on_sys_enter")
    for i, name in enumerate(program.COPIED):
        assert order.index(name + program.AGAIN) == order.index(name) + 1
        assert f"AGAIN({name.removeprefix('on_')})" in text
        assert f"#define COPY_{name.removeprefix('on_')} {i}\n" in text
