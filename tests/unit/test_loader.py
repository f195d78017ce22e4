"""What becomes of a compilation that fails, with a compiler that is a script of the test."""

import json
from pathlib import Path

import pytest

from bpf import csource
from recorder import checkup, compiler, loader, privilege, program
from recorder.btf import Btf
from recorder.errors import CannotLoad, CannotRecord, NoBtf

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
        return loader.Loading(program.Plan(csource.Sizes(1, 4096), "int x;", (), (), {}))

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


def test_a_compiler_that_dies_is_said_to_have(answering) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CannotLoad, match="the compiler ended with status 0") as caught:
        answering("").result()
    Path(str(caught.value).rsplit(" ", 1)[1]).unlink()


def test_a_kernel_that_refuses_all_is_an_error(answering) -> None:  # type: ignore[no-untyped-def]
    loading = answering(
        json.dumps({"maps": {}, "programs": {"on_exit": {"error": "Operation not permitted\n"}}, "bcc": "0"})
    )
    with pytest.raises(CannotLoad, match="refuses every program: Operation not permitted; try `sysmon doctor`"):
        loading.result()


def test_an_abandoned_compilation_ends(answering) -> None:  # type: ignore[no-untyped-def]
    loading = answering("{}")
    loading.abandon()
    assert loading._child.returncode is not None


def test_a_missing_bcc_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "DIST_PACKAGES", "/nowhere")
    monkeypatch.setattr(compiler, "SITE_PACKAGES", "/nowhere/at/all")
    answer, fds = compiler.load({})
    assert answer["error"] == "bcc" and fds == []


def test_no_btf_says_what_kernel_it_takes() -> None:
    with pytest.raises(NoBtf) as caught:
        Btf.of_kernel(Path("/no/such/vmlinux"))
    assert "\n" not in str(caught.value)


def test_the_doctor_without_privilege_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "effective", lambda: frozenset())
    findings = list(checkup.examine())
    (bad,) = [f for f in findings if f.subject == "privilege"]
    assert bad.fatal and not bad.good and "sudo" in bad.remedy
    assert not [f for f in findings if f.subject == "programs"]


def test_the_doctor_in_a_container_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "effective", lambda: frozenset())
    monkeypatch.setattr(checkup.host, "in_initial_pid_namespace", lambda: False)
    (bad,) = [f for f in checkup.examine() if f.subject == "pids"]
    assert bad.fatal and not bad.good and "--pid=host" in bad.remedy
