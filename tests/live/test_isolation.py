"""The environment does not decide what a privileged sysmon loads, and a followed command gets all of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.recording import NOBODY, SYSMON

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "sample_traces" / "build.parquet"

MARKS = """
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void mark(void) { close(open(MARK, O_CREAT | O_WRONLY, 0600)); }
"""


def false_library(folder: Path, soname: str) -> Path:
    """A library of this name that creates a file when it is loaded; returns the file."""
    mark = folder / f"{soname}.loaded"
    source = folder / "mark.c"
    source.write_text(MARKS)
    command = ["gcc", "-shared", "-fPIC", f'-DMARK="{mark}"', f"-Wl,-soname,{soname}", "-o", str(folder / soname)]
    subprocess.run([*command, str(source)], check=True)
    return mark


def false_module(folder: Path, name: str) -> Path:
    """Likewise, a Python module."""
    mark = folder / f"{name}.imported"
    (folder / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')\nraise SystemExit('a false {name}')\n")
    return mark


def sysmon(*arguments: str, how: tuple[str, ...] = (str(SYSMON),), cwd: Path | str = "/", **env: str) -> str:
    """Runs it as a user does, with these variables added; returns its output."""
    environment = {**os.environ, **env}
    done = subprocess.run(
        [*how, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def loads(*command: str, **env: str) -> None:
    """The bait works on a program that does not protect itself: without that, a missing mark proves nothing."""
    subprocess.run(command, env={**os.environ, **env}, cwd="/", capture_output=True, check=False)


def test_no_false_bcc_is_loaded(tmp_path: Path) -> None:
    mark = false_library(tmp_path, "libbcc.so.0")
    loads(sys.executable, "-c", "import ctypes; ctypes.CDLL('libbcc.so.0')", LD_LIBRARY_PATH=str(tmp_path))
    assert mark.exists()
    mark.unlink()
    trace = tmp_path / "t.parquet"
    sysmon("record", "-o", str(trace), "--duration", "0.2", LD_LIBRARY_PATH=str(tmp_path))
    sysmon("doctor", LD_LIBRARY_PATH=str(tmp_path))  # it compiles the programs anew, in the same way
    assert trace.exists() and not mark.exists()


def test_no_false_arrow_is_loaded(tmp_path: Path) -> None:
    import pyarrow

    soname = next(Path(pyarrow.get_library_dirs()[0]).glob("libarrow.so.*")).name
    mark = false_library(tmp_path, soname)
    variables = {"LD_LIBRARY_PATH": str(tmp_path), "LD_PRELOAD": ""}
    loads(sys.executable, "-c", f"import ctypes; ctypes.CDLL('{soname}')", **variables)
    assert mark.exists()
    mark.unlink()
    assert "span" in sysmon("report", str(SAMPLE), **variables)
    sysmon("record", "-o", str(tmp_path / "t.parquet"), "--duration", "0.2", **variables)
    assert not mark.exists()


def test_no_false_module_is_imported(tmp_path: Path) -> None:
    marks = {
        name: false_module(tmp_path, name) for name in ("click", "numpy", "pyarrow", "duckdb", "ctypes", "analyze")
    }
    for name, mark in marks.items():
        loads(sys.executable, "-c", f"import {name}", PYTHONPATH=str(tmp_path))
        assert mark.exists(), name
        mark.unlink()
    assert "span" in sysmon("report", str(SAMPLE), PYTHONPATH=str(tmp_path))
    sysmon("record", "-o", str(tmp_path / "t.parquet"), "--duration", "0.2", PYTHONPATH=str(tmp_path))
    assert not [name for name, mark in marks.items() if mark.exists()]


def test_no_module_of_the_working_directory_is_imported(nobodys: Path) -> None:
    """`python -m` puts it first. It belongs to another user, like a home directory that root happens to be in."""
    mark = false_module(nobodys, "click")
    loads(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(nobodys)!r}); import click")
    assert mark.exists()
    mark.unlink()
    assert "span" in sysmon("report", str(SAMPLE), how=(sys.executable, "-m", "sysmon"), cwd=nobodys)
    assert not mark.exists()


def test_no_false_program_is_executed(tmp_path: Path) -> None:
    """matplotlib asks fc-list for fonts, which it finds by PATH."""
    mark = tmp_path / "executed"
    lure = tmp_path / "fc-list"
    lure.write_text(f"#!/bin/sh\n: > {mark}\n")
    lure.chmod(0o755)
    program = "from matplotlib import font_manager; font_manager._get_fontconfig_fonts()"
    path = f"{tmp_path}:{os.environ['PATH']}"
    loads(sys.executable, "-c", program, PATH=path)
    assert mark.exists()
    mark.unlink()
    code = (
        f"import sys; sys.argv[0] = 'sysmon'; from sysmon.recorder.own import isolation; isolation.begin(); {program}"
    )
    loads(sys.executable, "-c", code, PATH=path)
    assert not mark.exists()


CALLERS = {
    "script": (str(SYSMON),),
    "module": (sys.executable, "-m", "sysmon"),
    "file": (sys.executable, str(ROOT / "sysmon")),
    "isolated": (sys.executable, "-I", str(SYSMON)),
}


@pytest.mark.parametrize("how", CALLERS)
@pytest.mark.parametrize("early", [{}, {"LD_LIBRARY_PATH": "/nowhere", "PYTHONPATH": "/nowhere"}], ids=["", "early"])
def test_it_stays_the_same_python_however_it_is_called(tmp_path: Path, how: str, early: dict[str, str]) -> None:
    trace = tmp_path / "t.parquet"
    sysmon("record", "-o", str(trace), "--only", "cpu", "--", "true", "a b", how=CALLERS[how], cwd=ROOT, **early)
    assert "true 'a b'" in sysmon("info", str(trace), how=CALLERS[how], cwd=ROOT, **early)


def test_found_by_path_and_through_a_link(tmp_path: Path) -> None:
    variables = {"LD_LIBRARY_PATH": "/nowhere", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    (tmp_path / "sysmon").symlink_to(SYSMON)
    (tmp_path / "short").symlink_to(SYSMON)
    for name in ("sysmon", "short"):
        shell = ("/bin/sh", "-c", f'{name} "$@"', "sh")
        assert "span" in sysmon("report", str(SAMPLE), how=shell, cwd=tmp_path, **variables)


def test_from_a_directory_that_only_pythonpath_names(tmp_path: Path) -> None:
    """As after `pip install --target`: sysmon and its dependencies are in one directory."""
    folder = tmp_path / "target"
    folder.mkdir()
    (folder / "sysmon").symlink_to(ROOT / "sysmon")
    assert "span" in sysmon("report", str(SAMPLE), how=(sys.executable, "-m", "sysmon"), PYTHONPATH=str(folder))


ODD = [
    b"Z=last\xff\xfe",
    b"A=first",
    b"A=twice",
    b"EMPTY=",
    b"LD_LIBRARY_PATH=/nowhere",
    b"PYTHONHASHSEED=0",
    b"no name",
]


def exec_with(environment: list[bytes], *command: str) -> bytes:
    """Its output, given an environment that Python's own execve would not pass."""
    code = """
import ctypes, sys
environment, command = eval(sys.stdin.read()), [a.encode() for a in sys.argv[1:]]
array = lambda texts: (ctypes.c_char_p * (len(texts) + 1))(*texts, None)
ctypes.CDLL(None).execve(command[0], array(command), array(environment))
"""
    run, given = [sys.executable, "-c", code, *command], repr(environment).encode()
    return subprocess.run(run, input=given, stdout=subprocess.PIPE, cwd="/", check=True).stdout


@pytest.mark.parametrize("early", [[], [b"LD_BIND_NOW=1", b"PYTHONPATH=/nowhere", b"OPENSSL_CONF=/nowhere"]])
@pytest.mark.parametrize("locale", [[], [b"LC_ALL=C"]])
def test_a_command_gets_the_exact_environment(tmp_path: Path, early: list[bytes], locale: list[bytes]) -> None:
    """Order, duplicate names, texts that are not UTF-8 or not assignments; nothing is added."""
    given = [*(text for text in ODD if early or not text.startswith(b"LD_")), *early, *locale]
    command = [
        str(SYSMON),
        "record",
        "--only",
        "cpu",
        "-o",
        str(tmp_path / "t"),
        "--",
        "/bin/cat",
        "/proc/self/environ",
    ]
    assert exec_with(given, *command) == b"".join(text + b"\0" for text in given)


def test_a_large_environment_is_handed_over(tmp_path: Path) -> None:
    given = [b"LD_LIBRARY_PATH=/nowhere", *(b"V%d=" % number + b"x" * 120_000 for number in range(8))]
    command = [
        str(SYSMON),
        "record",
        "--only",
        "cpu",
        "-o",
        str(tmp_path / "t"),
        "--",
        "/bin/cat",
        "/proc/self/environ",
    ]
    assert exec_with(given, *command) == b"".join(text + b"\0" for text in given)


def executions(*arguments: str, **env: str) -> int:
    """How often Python is executed for a command."""
    traced = ["strace", "-f", "-e", "trace=execve", "-e", "signal=none", str(SYSMON), *arguments]
    done = subprocess.run(traced, env={**os.environ, **env}, capture_output=True, text=True, check=True)
    return sum("execve(" in line and " = 0" in line for line in done.stderr.splitlines())


@pytest.fixture
def harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes this shell's variables that would make sysmon execute itself again."""
    for name in list(os.environ):
        if name.startswith(("PYTHON", "LD_")):
            monkeypatch.delenv(name)


def test_it_executes_itself_again_only_if_needed(strace: str, harmless: None) -> None:
    assert executions("--version") == 1
    assert executions("--version", PYTHONUNBUFFERED="1", PYTHON_VERSION="3.11", LANG="C", TMPDIR="/tmp") == 1
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONPYCACHEPREFIX", "GLIBC_TUNABLES", "GCONV_PATH"):
        assert executions("--version", **{name: ""}) == 2, name


def test_closed_streams_stay_closed(tmp_path: Path) -> None:
    """What is passed on takes none of their numbers."""
    trace = tmp_path / "t.parquet"
    command = f"exec {SYSMON} record --only cpu -o {trace} -- /bin/ls -l /proc/self/fd <&- >&- 2>&-"
    subprocess.run(["/bin/sh", "-c", command], env={**os.environ, "LD_LIBRARY_PATH": "/nowhere"}, check=False)
    assert trace.exists()
    shown = sysmon("record", "--only", "cpu", "-o", str(tmp_path / "u"), "--", "/bin/ls", "/proc/self/fd", LD_DEBUG="")
    assert shown.split() == ["0", "1", "2", "3"]


def test_a_user_without_privilege_keeps_the_environment(nobodys: Path) -> None:
    """It is the user's own: a module from PYTHONPATH is imported, as by every Python program."""
    mark = false_module(nobodys, "click")
    user = [
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--inh-caps=-all",
        "--bounding-set=-all",
    ]
    part = Path("sysmon", "recorder", "own")
    (nobodys / part).mkdir(parents=True)
    shutil.copy(ROOT / part / "isolation.py", nobodys / part)  # this checkout may be readable only by root
    code = (
        "import sys; sys.argv[0] = 'sysmon'; from sysmon.recorder.own import isolation; isolation.begin(); import click"
    )
    environment = {"PYTHONPATH": str(nobodys)}
    subprocess.run([*user, "/usr/bin/python3", "-c", code], env=environment, capture_output=True, check=False, cwd="/")
    assert mark.exists()


def test_temporary_files_are_where_nobody_else_can_replace_them(nobodys: Path, tmp_path: Path) -> None:
    """Neither in another user's directory nor below one, but in root's; with sudo -E the user may choose."""
    code = "import sys; sys.argv[0] = 'sysmon'; from sysmon.recorder.own import isolation; isolation.begin()"
    program = f"{code}; import tempfile; print(tempfile.gettempdir())"
    (nobodys / "roots").mkdir()
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    for folder, counts in ((tmp_path, True), (nobodys, False), (nobodys / "roots", False), (open_to_all, False)):
        run = [sys.executable, "-c", program]
        done = subprocess.run(
            run, env={**os.environ, "TMPDIR": str(folder)}, cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert (done.stdout.strip() == str(folder)) == counts, folder
