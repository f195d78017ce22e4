"""Names of functions in real processes, by the resolver and its children."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysmon.recorder.own import capabilities
from sysmon.recorder.symbols import broker, modules, perf_map, reader, wire
from sysmon.recorder.symbols.wire import SKIPPED, Frame
from tests.live.oracles.symbols import COMPILES, C, Running, answers, compiled, names, readers_of, resolver, running
from tests.live.recording import NOBODY, python, recording, start_ticks_ns, wait_for

pytestmark = pytest.mark.live

AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

LIBC = ("puts", "_IO_puts")


@pytest.mark.parametrize("options", [("-no-pie",), ("-pie", "-fPIE"), ("-no-pie", "-static"), ("-O2", "-g")])
def test_functions_of_a_program_and_of_a_library(tmp_path: Path, options: tuple[str, ...]) -> None:
    program = compiled(tmp_path / "program", *options)
    with running(program) as of, resolver() as asked:
        shown, hidden, puts = answers(asked, of)
        inside = answers(asked, of, of.addresses[0] + 1)
    assert names([shown, hidden, *inside]) == ["shown", "hidden", "shown"] and shown.missing is None
    assert shown.frames[0].module == str(program) and names([puts])[0] in LIBC
    assert shown.frames[0].offset == int(symbol_of(program, "shown"), 16)
    assert (
        str(shown.frames[0].build_id)
        in subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout
    )


def symbol_of(program: Path, name: str) -> str:
    lines = subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout.splitlines()
    return next(line.split()[0] for line in lines if line.split()[-1] == name)


def test_what_was_stripped_is_said_and_what_is_left_is_named(tmp_path: Path) -> None:
    exports, nothing = (
        compiled(tmp_path / "exports", "-s", "-rdynamic"),
        compiled(tmp_path / "nothing", "-s", "-static"),
    )
    with resolver() as asked:
        with running(exports) as of:
            shown, hidden, _puts = answers(asked, of)
        with running(nothing) as of:
            none = answers(asked, of)
            [after] = answers(asked, of, of.addresses[0] + 4)  # `push %rbp; mov %rsp, %rbp`
    assert names([shown, hidden]) == ["shown", modules.NO_SYMBOL]
    assert hidden.frames[0].module == str(exports) and hidden.frames[0].offset and hidden.frames[0].build_id
    assert names(none) == [modules.NO_SYMBOLS] * 3
    # Where a function begins is known without symbols, and where it has a frame.
    assert (none[0].frames[1:], after.frames) == ((SKIPPED,), none[0].frames[:1])
    assert asked.failed == {modules.NO_SYMBOL: 1, modules.NO_SYMBOLS: 4}


def test_functions_in_packed_symbols(tmp_path: Path) -> None:
    """As Fedora's packages have them."""
    program, mini = compiled(tmp_path / "program"), tmp_path / "mini"
    subprocess.run(["objcopy", "--only-keep-debug", program, mini], check=True)
    subprocess.run(["xz", mini], check=True)
    packed = f".gnu_debugdata={mini}.xz"
    subprocess.run(["objcopy", "--strip-all", "--add-section", packed, program], check=True)
    with running(program) as of, resolver() as asked:
        assert names(answers(asked, of))[:2] == ["shown", "hidden"]


def test_functions_in_a_debug_file_by_build_id(tmp_path: Path) -> None:
    """As Debian's and Fedora's packages install them; in a root directory of the process's own."""
    jail = tmp_path / "jail"
    jail.mkdir()
    program = compiled(jail / "program", "-static", "-g", "-Wl,--build-id")
    build_id = subprocess.run(["readelf", "-n", program], capture_output=True, text=True).stdout.split("Build ID: ")[1]
    folder = jail / "usr/lib/debug/.build-id" / build_id[:2]
    folder.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", program, folder / f"{build_id.split()[0][2:]}.debug"], check=True)
    subprocess.run(["strip", program], check=True)
    with running(sys.executable, "-c", CHROOT.format(jail)) as of, resolver() as asked:
        shown, hidden, _puts = answers(asked, of)
    assert names([shown, hidden]) == ["shown", "hidden"]
    if importlib.util.find_spec("symbolic"):
        assert (shown.frames[0].file, shown.frames[0].line) == ("<stdin>", 5)


CHROOT = "import os; os.chroot('{}'); os.chdir('/'); os.execv('/program', ['program'])"

INLINED = """
#include <cstdio>
#include <unistd.h>
namespace ns {
struct Shape {
    static inline __attribute__((always_inline)) int inner(int x) { return getpid() ^ x; }
    __attribute__((noinline)) int outer(int x) { return inner(x) + 1; }
};
}
int main() {
    ns::Shape shape;
    volatile int x = shape.outer(1);
    auto outer = &ns::Shape::outer;
    std::printf("%p\\n", *(void **)&outer); std::fflush(stdout);
    for (;;) pause();
}
"""


def test_inlined_functions_with_their_lines(tmp_path: Path) -> None:
    pytest.importorskip("symbolic")
    program = compiled(tmp_path / "program", "-O2", "-g", code=INLINED, compiler="g++")
    with running(program) as of, resolver() as asked:
        call = answers(asked, of, *range(of.addresses[0], of.addresses[0] + 12))
    found = [each.frames[:-1] for each in call]
    assert {each.frames[-1] for each in call} == {SKIPPED}  # optimized, it has no frame
    inlined = next(frames for frames in found if len(frames) == 2)
    assert [(frame.function, frame.line) for frame in inlined] == [
        ("ns::Shape::inner(int)", 6),
        ("ns::Shape::outer(int)", 7),
    ]
    assert {frame.module for frame in inlined} == {str(program)} and inlined[0].file
    assert not {frames[-1].function for frames in found} - {"ns::Shape::outer(int)"}


def test_names_of_cpp_without_debug_information(tmp_path: Path) -> None:
    pytest.importorskip("pycxxfilt")
    program = compiled(tmp_path / "program", "-O2", code=INLINED, compiler="g++")
    with running(program) as of, resolver() as asked:
        assert names(answers(asked, of)) == ["ns::Shape::outer(int)"]


def test_the_code_that_the_kernel_maps() -> None:
    code = (
        "import re; print(next(line for line in open('/proc/self/maps') if 'vdso' in line).split('-')[0], flush=True)"
    )
    with running(sys.executable, "-c", code + "; import time; time.sleep(60)") as of, resolver() as asked:
        names_of = {*names(answers(asked, of, *range(of.addresses[0] + 0x400, of.addresses[0] + 0x1800, 64)))}
    assert "clock_gettime" in names_of or "__vdso_clock_gettime" in names_of, names_of


# -- code without a file

COMPILED = ["first", "py::second thing:/a file.py", perf_map.UNKNOWN]


def test_functions_of_a_perf_map(nobodys: Path) -> None:
    with running(compiled(nobodys / "jit", code=COMPILES), "yes", **AS_NOBODY) as of, resolver() as asked:
        try:
            found = answers(asked, of)
        finally:
            os.unlink(f"/tmp/perf-{of.pid}.map")
    assert names(found) == COMPILED and found[0].frames == (Frame("first", None, None, None, None, None),)


def test_code_that_may_not_be_run_at_this_moment(nobodys: Path) -> None:
    """A runtime that writes code takes that permission away meanwhile."""
    source = COMPILES.replace(" | PROT_EXEC", "")
    with running(compiled(nobodys / "jit", code=source), "yes", **AS_NOBODY) as of, resolver() as asked:
        try:
            assert names(answers(asked, of)) == [*COMPILED[:2], wire.NOT_CODE]
        finally:
            os.unlink(f"/tmp/perf-{of.pid}.map")


def test_data_and_nothing_are_no_code(tmp_path: Path) -> None:
    source = C.replace("(void *)hidden, (void *)puts", "(void *)stdout, (void *)16")
    with running(compiled(tmp_path / "program", code=source)) as of, resolver() as asked:
        assert names(answers(asked, of)) == ["shown", wire.NOT_CODE, wire.NOT_CODE]


def test_compiled_code_without_a_perf_map(tmp_path: Path) -> None:
    with running(compiled(tmp_path / "jit", code=COMPILES)) as of, resolver() as asked:
        assert names(answers(asked, of)) == [perf_map.ABSENT] * 3


def test_python_without_a_perf_map_is_said() -> None:
    code = (
        "import ctypes, time; print(hex(ctypes.cast(ctypes.pythonapi._PyEval_EvalFrameDefault, ctypes.c_void_p).value)"
    )
    with running(sys.executable, "-c", code + ", flush=True); time.sleep(60)") as of, resolver() as asked:
        [found] = answers(asked, of)
    assert (found.frames[0].function, found.missing) == ("_PyEval_EvalFrameDefault", reader.NO_PERF_MAP)
    assert asked.failed == {reader.NO_PERF_MAP: 1}


# -- other users, roots and namespaces


def test_a_setuid_program_is_read_as_the_user_who_started_it(tmp_path: Path) -> None:
    program = compiled(Path(os.path.realpath("/var/tmp")) / f"setuid-{os.getpid()}")
    try:
        program.chmod(0o4755)
        with running(program, **AS_NOBODY) as of, resolver() as asked:
            assert of.uid == NOBODY and os.stat(f"/proc/{of.pid}").st_uid == 0
            assert names(answers(asked, of))[:2] == ["shown", "hidden"]
            assert set(readers_of(asked)) == {NOBODY}
    finally:
        program.unlink()


def test_a_process_in_a_chroot(tmp_path: Path) -> None:
    """Its maps have the path as we see it, and its root is another."""
    jail = tmp_path / "jail"
    jail.mkdir()
    compiled(jail / "program", "-static")
    with running(sys.executable, "-c", CHROOT.format(jail)) as of, resolver() as asked:
        shown, hidden, _puts = answers(asked, of)
    assert names([shown, hidden]) == ["shown", "hidden"] and shown.frames[0].module == "/program"


def test_a_process_in_a_mount_namespace_of_its_own(tmp_path: Path) -> None:
    """Its program is on a file system that nobody else sees."""
    (tmp_path / "at").mkdir()
    program = compiled(tmp_path / "program", "-static")
    inside = f"mount -t tmpfs none {tmp_path}/at && cp {program} {tmp_path}/at && exec {tmp_path}/at/program"
    with running("unshare", "--mount", "sh", "-c", inside) as of, resolver() as asked:
        assert not (tmp_path / "at" / "program").exists()
        shown, _hidden, _puts = answers(asked, of)
    assert shown.frames[0].function == "shown" and shown.frames[0].module == str(tmp_path / "at" / "program")


def test_the_perf_map_of_a_process_with_another_pid_inside(tmp_path: Path) -> None:
    jit = compiled(Path("/var/tmp") / f"jit-{os.getpid()}", "-static", code=COMPILES)
    command = (
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        f"mount -t tmpfs none /tmp && exec {jit} yes",
    )
    try:
        with running(*command) as outer, resolver() as asked:
            [pid] = map(int, Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split())
            of = Running(pid, start_ticks_ns(pid), 0, outer.addresses)
            assert names(answers(asked, of)) == COMPILED
    finally:
        jit.unlink()


def test_a_program_that_was_removed_is_still_read(tmp_path: Path) -> None:
    program = compiled(tmp_path / "program", "-static")
    with running(program) as of, resolver() as asked:
        program.unlink()
        [shown, *_] = answers(asked, of)
    assert shown.frames[0].function == "shown" and shown.frames[0].module == str(program)


# -- the processes that do it


def test_what_its_children_are_permitted(nobodys: Path) -> None:
    program = compiled(nobodys / "program")
    opened = os.open("/dev/null", os.O_RDONLY)  # whatever else is open here
    with running(program, **AS_NOBODY) as of, resolver() as asked:
        assert names(answers(asked, of))[0] == "shown"
        [(uid, pid)] = readers_of(asked).items()
        kept, none = permitted(asked.pid), permitted(pid)
        assert uid == NOBODY and none == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0}
        assert kept["CapPrm"] == kept["CapEff"] == sum(1 << capabilities.CAPABILITIES[name] for name in broker.KEPT)
        text = Path(f"/proc/{pid}/status").read_text()
        lines = dict(line.split(":", 1) for line in text.splitlines())
        assert lines["Uid"].split() == lines["Gid"].split() == [str(NOBODY)] * 4 and not lines["Groups"].split()
        assert lines["NoNewPrivs"].split() == ["1"] and lines["Seccomp"].split() == ["2"]  # SECCOMP_MODE_FILTER
        wait_for(lambda: [len(os.listdir(f"/proc/{each}/fd")) for each in (pid, asked.pid)] == [1, 2], 5)
        for child in (pid, asked.pid):
            assert not [m for m in Path(f"/proc/{child}/maps").read_text().splitlines() if m.split()[1].endswith("s")]
        limits = Path(f"/proc/{pid}/limits").read_text()
        for limit in ("Max file size", "Max processes", "Max core file size"):
            assert limits.split(limit)[1].split()[:2] == ["0", "0"], limit
        assert limits.split("Max address space")[1].split()[0] != "unlimited"
    os.close(opened)
    wait_for(lambda: not any(Path(f"/proc/{each}").exists() for each in (pid, asked.pid)), 5)


def permitted(pid: int) -> dict[str, int]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {name: int(bits, 16) for name, bits in ((words[0].rstrip(":"), words[-1]) for words in lines) if
            name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}  # fmt: skip


def test_more_users_than_readers(nobodys: Path) -> None:
    program = compiled(nobodys / "program")
    nobodys.chmod(0o755)
    with resolver() as asked:
        for uid in range(50_001, 50_001 + broker.READERS + 3):
            with running(program, user=uid, group=uid, extra_groups=[]) as of:
                assert names(answers(asked, of))[:2] == ["shown", "hidden"]
            assert len(readers_of(asked)) <= broker.READERS


def test_its_cost_includes_the_readers(tmp_path: Path) -> None:
    with running(compiled(tmp_path / "program")) as of, resolver() as asked:
        answers(asked, of)
        [pid] = readers_of(asked).values()
        wait_for(lambda: (asked.poll(), asked.cpu_ns())[1] > 0.9 * (cpu_ns(pid) + cpu_ns(asked.pid)))


def cpu_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def test_a_process_that_has_ended_and_one_that_has_its_pid() -> None:
    ended = python("")
    gone = Running(ended.pid, 10_000_000, 0, [0x401000])
    ended.wait()
    other = Running(os.getpid(), 10_000_000, os.getuid(), [0x401000])
    with resolver() as asked:
        assert names(answers(asked, gone)) == names(answers(asked, other)) == [reader.ENDED]
        many = answers(asked, gone, *range(0x401000, 0x401000 + 3 * wire.ASKED))
        assert {each.missing for each in many} == {reader.ENDED}


# -- in a recording

BURNS = """
#include <time.h>
static volatile unsigned sink;
__attribute__((noinline)) static void burns(void) { for (int i = 0; i < 100000; i++) sink = sink * 3 + i; }
int main(void) { while (clock() < 2 * CLOCKS_PER_SEC) burns(); }
"""


def test_a_recording_has_the_names(nobodys: Path) -> None:
    """Of a process of another user that has ended when its rows are written."""
    program = compiled(nobodys / "program", "-O0", code=BURNS)  # with frames, also of leaf functions
    with recording(nobodys / "t.parquet", "--with", "samples") as r:
        process = subprocess.Popen([program], **AS_NOBODY)  # type: ignore[call-overload]
        assert process.wait() == 0
    rows = r.rows(f"SELECT function, module, self_pct FROM report.hot_functions WHERE pid = {process.pid}")
    assert rows[0][:2] == ("burns", str(program)) and rows[0][2] > 80
    assert {"main", "burns"} <= {function for function, _module, _pct in rows}
