"""Failing compilations, with a script of the test in place of the compiler."""

import json
import os
import struct
import sys
from pathlib import Path

import pytest

from sysmon.bpf.programs import csource
from sysmon.errors import CannotLoad, CannotRecord, NoBtf
from sysmon.recorder.load import bpf_programs, compiled, compiler, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.cache import Cache
from sysmon.recorder.own import capabilities
from sysmon.recorder.ui import checkup

ANSWERS = """
import json, socket, sys
sock = socket.socket(fileno=int(sys.argv[1]))
request = json.loads(sock.makefile("rb").read())
print("clang says this", flush=True)
sock.sendall({answer!r}.encode())
"""


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    def make(answer: str) -> loader.Loading:
        script = tmp_path / "compiler.py"
        script.write_text(ANSWERS.format(answer=answer))
        monkeypatch.setattr(loader, "COMPILER", script)
        monkeypatch.setattr(loader, "CACHE", Cache(tmp_path / "cache"))
        return loader.Loading(program.Plan(csource.Sizes(1, 4096), "int x;", (), (), {}, {}))

    return make


def test_no_bcc_says_which_package_to_install(answering) -> None:  # type: ignore[no-untyped-def]
    loading = answering(json.dumps({"error": "bcc", "reason": "not found"}))
    with pytest.raises(CannotRecord, match=r"bcc is not installed .*python3-bpfcc") as caught:
        loading.result()
    assert "\n" not in str(caught.value)


def test_a_compile_error_keeps_clangs_output(answering) -> None:  # type: ignore[no-untyped-def]
    loading = answering(json.dumps({"error": "compile", "reason": "Failed to compile\nmore"}))
    with pytest.raises(CannotLoad, match="do not compile here: Failed to compile; ") as caught:
        loading.result()
    log = Path(str(caught.value).rsplit(" ", 1)[1])
    assert log.read_text() == "clang says this\n"
    log.unlink()


def test_a_dead_compiler_is_reported(answering) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CannotLoad, match="the compiler exited with status 0") as caught:
        answering("").result()
    Path(str(caught.value).rsplit(" ", 1)[1]).unlink()


def test_an_invalid_answer_is_reported(answering) -> None:  # type: ignore[no-untyped-def]
    for answer in ("[]", "{}", '{"bcc": "0", "maps": [{}], "programs": {}}', '{"bcc": 0, "maps": [], "programs": []}'):
        with pytest.raises(CannotLoad, match="the compiler exited with status 0") as caught:
            answering(answer).result()
        Path(str(caught.value).rsplit(" ", 1)[1]).unlink()


def refuse(*_: object) -> int:
    raise bpf_programs.Refused("Operation not permitted")


def test_a_kernel_that_refuses_everything_is_an_error(answering, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(bpf_programs, "load", refuse)
    loading = answering(json.dumps({"maps": [], "programs": {"on_exit": ""}, "bcc": "0"}))
    with pytest.raises(CannotLoad, match="refuses every program: Operation not permitted; try `sysmon doctor`"):
        loading.result()


def test_an_abandoned_compilation_ends(answering) -> None:  # type: ignore[no-untyped-def]
    loading = answering("{}")
    loading.begin()
    loading.abandon()
    assert loading._child.returncode is not None
    answering("{}").abandon()


def test_a_missing_bcc_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "DIST_PACKAGES", "/nowhere")
    monkeypatch.setattr(compiler, "SITE_PACKAGES", "/nowhere/at/all")
    assert compiler.compile_programs({})["error"] == "bcc"


def test_programs_are_compiled_once(answering, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(loader, "_may_keep", lambda: True)
    monkeypatch.setattr(capabilities, "for_compiler", lambda: None)
    monkeypatch.setattr(bpf_programs, "load", lambda _name, code, *_: os.open(os.devnull, len(code)))
    plan = program.Plan(csource.Sizes(1, 4096), "int x;", (), (), {}, {})
    compiled = {"maps": [], "programs": dict.fromkeys(plan.programs, ""), "bcc": "0"}
    answering(json.dumps(compiled)).result().close()
    asked: list[bytes] = []
    monkeypatch.setattr(loader.Loading, "_ask", lambda _self, request: asked.append(request))
    again = loader.Loading(plan)
    assert again.result().bcc_version == "0"
    again.abandon()
    assert not asked
    loader.Loading(plan).begin()
    assert not asked
    loader.Loading(plan, anew=True).begin()
    loader.Loading(program.Plan(csource.Sizes(1, 4096), "int y;", (), (), {}, {})).begin()
    assert len(asked) == 2


def instruction(operation: int, registers: int, number: int) -> bytes:
    return struct.pack("=BBhi", operation, registers, 0, number)


def test_instructions_refer_to_maps_by_index() -> None:
    """Only some 64-bit loads are of maps; the second half of such a load is not an instruction."""
    of_map = 0x11  # r1, of either byte order
    plain = 0x01 if sys.byteorder == "little" else 0x10
    rest = [instruction(0x18, plain, 7), instruction(0, 0, 7), instruction(0xB7, of_map, 7)]
    code = [instruction(0x18, of_map, 7), instruction(0, 0, 0), *rest, instruction(0x18, of_map, 9)]
    places = {9: 0}
    changed = compiler.with_places(b"".join(code), places)
    assert places == {9: 0, 7: 1}
    assert changed == b"".join([instruction(0x18, of_map, 1), code[1], *rest, instruction(0x18, of_map, 0)])
    assert compiled.with_maps(changed, [9, 7]) == b"".join(code)


def test_callbacks_are_appended_to_the_program() -> None:
    """Once each, however often they are called; their addresses are relative, as the kernel expects."""
    number, address = (0x01, 0x41) if sys.byteorder == "little" else (0x10, 0x14)
    half, end = instruction(0, 0, 0), instruction(0x95, 0, 0)
    large = [instruction(0x18, number, 1), instruction(0, 0, 1)]  # 1 << 32 | 1
    first, second = instruction(0xB7, 0, 1) + end, end
    code = [*(instruction(0x18, number, n) + half for n in (1, 0, 1)), *large, end]
    linked = compiler.with_callbacks(b"".join(code), [first, second])
    addresses = [instruction(0x18, address, distance) + half for distance in (9 - 1, 10 - 3, 9 - 5)]
    assert linked == b"".join([*addresses, *large, end, second, first])
    assert compiled.functions(linked) == (9, 10)
    assert compiled.functions(b"".join(large)) == ()


def test_no_btf_says_what_kernel_it_takes() -> None:
    with pytest.raises(NoBtf) as caught:
        Btf.of_kernel(Path("/no/such/vmlinux"))
    assert "\n" not in str(caught.value)


def test_the_doctor_without_privilege_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "effective", lambda: frozenset())
    findings = list(checkup.examine())
    (bad,) = [f for f in findings if f.subject == "privilege"]
    assert bad.fatal and not bad.good and "sudo" in bad.remedy
    assert not [f for f in findings if f.subject == "programs"]


def test_the_doctor_in_a_container_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "effective", lambda: frozenset())
    monkeypatch.setattr(checkup.host, "in_initial_pid_namespace", lambda: False)
    (bad,) = [f for f in checkup.examine() if f.subject == "pids"]
    assert bad.fatal and not bad.good and "--pid=host" in bad.remedy
