"""The text of the programs, for the kernels whose BTF is available."""

import copy
import lzma
from pathlib import Path

import pytest

from sysmon.bpf.programs import members, probes
from sysmon.errors import CannotLoad
from sysmon.recorder.load import program
from sysmon.recorder.load.btf import Btf, Member
from sysmon.recorder.load.syscall_names import SyscallNames

FILES = sorted((Path(__file__).parents[2] / "data" / "btf").glob("*.btf*"))
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
    for (struct, member), optional in members.declared().items():
        if not optional and not struct.startswith(tuple(members.MODULES)):
            name = members.in_c(struct, member)
            assert f"#define OFFSET_{name} " in text, name
    assert "#define NR_execve 59\n" in text
    assert "#define OFFSET_pt_regs__nr 120\n" in text  # orig_ax


def test_the_last_thread_is_determined_only_if_the_kernel_does_not_say() -> None:
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

        def cast(self) -> None:
            return None

        def with_module(self, _name: str) -> "Odd":
            return self

    with pytest.raises(CannotLoad, match=r"has no member .* in struct"):
        program.plan(Odd(), NAMES)  # type: ignore[arg-type]


STRUCTS = {
    "btrfs_inode": ("root", "vfs_inode"),
    "btrfs_root": ("anon_dev",),
    "ovl_entry": (),
    "ovl_fs": ("xino_mode",),
    "ovl_inode": ("__upperdentry", "vfs_inode"),
}


@pytest.mark.parametrize("built_in", [True, False])
def test_file_systems_may_be_modules(built_in: bool) -> None:
    """A file system counts as known only if all its members exist: this overlay lacks most."""

    class WithFileSystems(Btf):
        loaded = built_in

        def member(self, struct: str, path: str) -> Member | None:
            if self.loaded and path in STRUCTS.get(struct, ()):
                return Member(8, 8)
            return super().member(struct, path)

        def struct_size(self, struct: str) -> int | None:
            return 64 if self.loaded and struct in STRUCTS else super().struct_size(struct)

        def with_module(self, name: str, folder: Path = Path()) -> Btf:
            assert not self.loaded and name in ("btrfs", "overlay")
            found = copy.copy(self)
            found.loaded = True
            return found

    kernel = parse(FILES[0])
    kernel.__class__ = WithFileSystems
    text = program.plan(kernel, NAMES).text
    assert "#define KNOWS_btrfs 1\n" in text
    assert "#define OFFSET_btrfs_root__anon_dev 8\n" in text
    assert "#define HAVE_ovl_inode____upperdentry 1\n" in text
    assert "#define KNOWS_overlay 1\n" not in text


def test_a_kernel_without_those_file_systems(tmp_path: Path) -> None:
    kernel = parse(FILES[0])
    assert kernel.with_module("btrfs", tmp_path) is kernel
    text = program.plan(kernel, NAMES).text
    assert "#define HAVE_btrfs" not in text and "#define KNOWS_btrfs 1" not in text


def test_callbacks_need_kernel_support_and_a_recorded_kind() -> None:
    class Newer(Btf):
        def enum_value(self, enum: str | None, constant: str) -> int | None:
            return 181 if constant == "BPF_FUNC_loop" else super().enum_value(enum, constant)

    kernel = parse(FILES[-1])
    plan = program.plan(kernel, NAMES)
    assert not plan.callbacks and program.LOOP_HELPER not in plan.text
    kernel.__class__ = Newer
    for kinds in (frozenset({"peer"}), frozenset({"open"})):
        plan = program.plan(kernel, NAMES, kinds)
        expected = {f"call_{name}" for name, of in probes.CALLBACKS.items() if not of or kinds & set(of)}
        assert set(plan.callbacks) == expected
    for i, name in enumerate(probes.CALLBACKS):
        assert f"#define CALLBACK_{name} {i}\n" in plan.text
        assert f"CALLBACK({name}, " in plan.text


def test_connections_are_recorded_where_the_kernel_has_all_members() -> None:
    known = {p.name for p in FILES if "connection" in program.plan(parse(p), NAMES).sizes.kinds}
    assert known == {p.name for p in FILES} - {"7.3.btf"}, "of which only some types are at hand"
    (other,) = (parse(p) for p in FILES if p.name == "7.3.btf")
    plan = program.plan(other, NAMES)
    assert not {"connection", "retransmit"} & plan.sizes.kinds and "on_tcp_state" not in plan.programs
    assert {"connection", "retransmit"} <= program.unmeasured(other).keys()


def test_an_exit_is_attached_before_its_enter() -> None:
    order = [p.tracepoint for p in probes.PROBES]
    assert order.index("sys_exit") < order.index("sys_enter")


def test_every_program_is_in_the_text() -> None:
    text = program.plan(parse(FILES[0]), NAMES).text
    for name in (p.program for p in (*probes.PROBES, *probes.HOOKS.values())):
        what = name.removeprefix("on_")
        interrupt = what.rpartition("_")[0]
        ways = (f"PROGRAM({what})", f"int {name}(struct bpf_raw_tracepoint_args *ctx)", f"INTERRUPT({interrupt}, ")
        assert any(way in text for way in ways), name


def test_only_preemptible_programs_have_copies() -> None:
    plans = {p.name: program.plan(parse(p), NAMES) for p in FILES}
    copied = {name: any(p.program.endswith(probes.AGAIN) for p in plan.probes) for name, plan in plans.items()}
    assert {name for name, copies in copied.items() if copies} == {n for n in copied if n.startswith("7.")} != set()


def test_a_copy_is_attached_after_its_program() -> None:
    plan = next(t for t in (program.plan(parse(p), NAMES) for p in FILES) if program.PREEMPTIBLE in t.text)
    text, order = plan.text, [p.program for p in plan.probes]
    recorded = [p for p in probes.PROBES if not p.of or plan.sizes.kinds & set(p.of)]
    recorded = [p for p in recorded if not p.optional]  # 7.3.btf has no block layer
    left_out = {p.program for p in probes.PROBES if p not in recorded}
    assert len(order) == len(recorded) + sum(p.copied for p in recorded)
    assert order.index("on_sys_exit_again") < order.index("on_sys_enter")
    for i, name in enumerate(probes.COPIED):
        if name in left_out:
            continue
        assert name in order, name
        assert order.index(name + probes.AGAIN) == order.index(name) + 1
        assert f"AGAIN({name.removeprefix('on_')})" in text
        assert f"#define COPY_{name.removeprefix('on_')} {i}\n" in text


def test_who_makes_a_request_is_seen_in_one_place() -> None:
    programs = [p.program for p in program.plan(parse(FILES[0]), NAMES).probes]
    assert "on_block_insert" in programs and "on_block_start" not in programs, "the file has no block_io_start"
    with_it = [p for p in probes.PROBES if p.instead_of]
    assert {p.instead_of for p in with_it} == {probes.MAKES_REQUEST} <= {p.tracepoint for p in probes.PROBES}
