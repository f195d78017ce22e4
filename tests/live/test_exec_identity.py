"""Which program was executed: by name, by descriptor, through a script, in another root."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.recording import NOBODY, Trace, record_command, recording
from tests.live.test_file_identity import PRELUDE

pytestmark = pytest.mark.live

RUNS = """
def run(path, directory=-100, flags=0, argv=("run",), uid=None):
    texts = (ctypes.c_char_p * (len(argv) + 1))(*map(os.fsencode, argv), None)
    pid = os.fork()
    if pid == 0:
        if uid is not None: os.setuid(uid)
        libc.syscall(NR_EXECVEAT, directory, os.fsencode(path), texts, None, flags)
        os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 99, path
EMPTY_PATH = 0x1000
"""
NR_EXECVEAT = {"x86_64": 322, "aarch64": 281, "riscv64": 281}[os.uname().machine]


def record(tmp_path: Path, code: str) -> Trace:
    work = tmp_path / "w"
    work.mkdir(exist_ok=True)
    for name, program in (("a", "true"), ("b", "false")):
        (work / name).mkdir()
        shutil.copy(f"/bin/{program}", work / name / "configure")
        script = work / name / "script"
        script.write_text("#!/bin/sh -e\nexit 0\n")
        script.chmod(0o755)
    code = f"NR_EXECVEAT = {NR_EXECVEAT}\n{PRELUDE}{RUNS}{code}"
    trace = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", code, str(work))
    assert trace.status == 0, trace.output
    trace.assert_nothing_lost()
    return trace


def execs(trace: Trace, columns: str) -> list[tuple[Any, ...]]:
    """The execs of the test's own processes, except the first."""
    return trace.rows(f"SELECT {columns} FROM execs WHERE ts > (SELECT min(ts) FROM execs) ORDER BY ts")


def stat(path: Path | str) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def test_one_name_in_two_directories_is_two_programs(tmp_path: Path) -> None:
    code = """
for name in "ab":
    os.chdir(sys.argv[1] + "/" + name)
    run("./configure"); run("./script"); run("../" + name + "/configure")
"""
    trace = record(tmp_path, code)
    w, shell = tmp_path / "w", os.path.realpath("/bin/sh")
    found = execs(trace, "path, directory, full_path, executable, program, interpreter, device, inode")
    expected = []
    for name in "ab":
        here = f"{w}/{name}"
        own = (f"{here}/configure", f"{here}/configure", None, *stat(f"{here}/configure"))
        expected += [
            ("./configure", here, f"{here}/configure", *own),
            ("./script", here, f"{here}/script", shell, f"{here}/script", "/bin/sh", *stat(shell)),
            (f"../{name}/configure", here, f"{here}/../{name}/configure", *own),
        ]
    assert found == expected
    reported = trace.rows(f"SELECT path, count(*) FROM report.execs WHERE starts_with(path, '{w}/') GROUP BY path")
    assert sorted(reported) == [
        (f"{w}/a/configure", 2),
        (f"{w}/a/script", 1),
        (f"{w}/b/configure", 2),
        (f"{w}/b/script", 1),
    ]
    assert {p for (p,) in trace.rows(f"SELECT path FROM processes WHERE starts_with(path, '{w}/')")} == {
        path for path, _n in reported
    }


def test_a_program_of_a_descriptor(tmp_path: Path) -> None:
    code = """
memfd = os.memfd_create("payload", os.MFD_CLOEXEC); os.write(memfd, open("/bin/true", "rb").read())
run("", memfd, EMPTY_PATH)
path = os.open("b/configure", os.O_PATH | os.O_CLOEXEC); run("", path, EMPTY_PATH)
script = os.open("a/script", os.O_RDONLY); os.set_inheritable(script, True); run("", script, EMPTY_PATH)
directory = os.open("a", os.O_RDONLY); run("configure", directory)
os.set_inheritable(directory, True); run("script", directory)
"""
    trace = record(tmp_path, code)
    w, shell = tmp_path / "w", os.path.realpath("/bin/sh")
    assert execs(trace, "path, origin, full_path, executable, program, interpreter") == [
        (None, "fd", "memfd:payload", "memfd:payload", "memfd:payload", None),
        (None, "fd", f"{w}/b/configure", f"{w}/b/configure", f"{w}/b/configure", None),
        (None, "fd", f"{w}/a/script", shell, f"{w}/a/script", "/bin/sh"),
        # The descriptor is closed by the time the program runs.
        ("configure", "unresolved", None, f"{w}/a/configure", f"{w}/a/configure", None),
        ("script", "dirfd", f"{w}/a/script", shell, f"{w}/a/script", "/bin/sh"),
    ]


def test_a_script_read_by_a_shell_is_no_program(tmp_path: Path) -> None:
    trace = record(tmp_path, 'run("/bin/sh", argv=("sh", "a/script"))')
    shell = os.path.realpath("/bin/sh")
    assert execs(trace, "program, interpreter, argv") == [(shell, None, ["sh", "a/script"])]


def test_a_script_of_a_script(tmp_path: Path) -> None:
    code = """
for name, first in (("outer", "a/script"), ("long", sys.argv[1] + "/" + "d" * 100 + "/inner")):
    os.makedirs(os.path.dirname(os.path.join(sys.argv[1], first)), exist_ok=True)
    if name == "long":
        open(first, "w").write("#!/bin/sh\\n"); os.chmod(first, 0o755)
    open(name, "w").write(f"#!{os.path.join(sys.argv[1], first)}\\n"); os.chmod(name, 0o755)
    run("./" + name)
"""
    trace = record(tmp_path, code)
    w, shell = tmp_path / "w", os.path.realpath("/bin/sh")
    assert execs(trace, "program, executable, interpreter") == [
        (f"{w}/outer", shell, "/bin/sh"),
        (f"{w}/long", shell, "/bin/sh"),
    ]


def test_a_program_that_was_removed(tmp_path: Path) -> None:
    code = """
gone = os.open("a/configure", os.O_PATH); os.unlink("a/configure"); run("", gone, EMPTY_PATH)
os.link("b/configure", "other"); run("other"); os.symlink("b/configure", "link"); run("link")
"""
    trace = record(tmp_path, code)
    w = tmp_path / "w"
    b = stat(w / "b" / "configure")
    found = execs(trace, "executable, (device, inode)")
    assert found[0][0] == f"{w}/a/configure (deleted)"
    assert found[1:] == [(f"{w}/other", b), (f"{w}/b/configure", b)]


def test_a_program_of_another_root(tmp_path: Path) -> None:
    """Only one program can run in the jail: a copy of one that needs no library."""
    code = """
import shutil
os.mkdir("jail")
assert os.spawnvp(os.P_WAIT, "gcc", ("gcc", "-static", "-nostdlib", "-o", "jail/true", "true.c")) == 0
def jailed():
    os.chroot("jail"); os.chdir("/"); run("/true"); run("true")
in_child(jailed)
"""
    (tmp_path / "w").mkdir()
    leave = {
        "x86_64": 'asm("mov $60, %eax; xor %edi, %edi; syscall");',
        "aarch64": 'asm("mov x8, 93; mov x0, 0; svc 0");',
        "riscv64": 'asm("li a7, 93; li a0, 0; ecall");',
    }[os.uname().machine]
    (tmp_path / "w" / "true.c").write_text(f"void _start(void) {{ {leave} }}\n")
    trace = record(tmp_path, code)
    jail = tmp_path / "w" / "jail"
    found = [row for row in execs(trace, "path, full_path, program") if row[0] in ("/true", "true")]
    assert found == [(name, f"{jail}/true", f"{jail}/true") for name in ("/true", "true")]


def test_ids_after_an_exec(tmp_path: Path) -> None:
    """Effective ids come from a file with the set-user-id and set-group-id bits."""
    code = """
os.chmod(sys.argv[1], 0o755)
run("a/configure", uid=65534)
os.chmod("a/configure", 0o6755)
run("a/configure", uid=65534)
"""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    trace = record(tmp_path, code)
    assert execs(trace, "uid, euid, gid, egid") == [(NOBODY, NOBODY, 0, 0), (NOBODY, 0, 0, 0)]


def test_programs_already_running_at_the_start(tmp_path: Path) -> None:
    """The same columns for an existing process: its program, its users and its mount namespace."""
    program = tmp_path / "program"
    shutil.copy("/bin/sleep", program)
    standing = [
        subprocess.Popen([program, "60"]),
        subprocess.Popen(["unshare", "-m", program, "60"]),
        subprocess.Popen(["setpriv", "--reuid", str(NOBODY), "--clear-groups", "/bin/sleep", "60"]),
    ]
    memfd = os.memfd_create("standing")
    os.write(memfd, Path("/bin/sleep").read_bytes())
    standing.append(subprocess.Popen(["sleep", "60"], executable=f"/proc/self/fd/{memfd}", pass_fds=(memfd,)))
    try:
        while not all(b"60" in Path(f"/proc/{p.pid}/cmdline").read_bytes().split(b"\0")[1:2] for p in standing):
            assert all(p.poll() is None for p in standing)
        identity = stat(program)
        program.unlink()
        expected = {p.pid: stat(f"/proc/{p.pid}/exe") for p in standing}
        namespaces = {p.pid: os.stat(f"/proc/{p.pid}/ns/mnt").st_ino for p in standing}
        with recording(tmp_path / "t.parquet") as r:
            pass
    finally:
        for process in standing:
            process.kill()
            process.wait()
    rows = {
        pid: rest
        for pid, *rest in r.rows("SELECT pid, path, device, inode, mount_namespace, uid, euid FROM process_states")
    }
    here, contained, nobodys, of_memory = (rows[p.pid] for p in standing)
    assert here == [f"{program} (deleted)", *identity, namespaces[standing[0].pid], 0, 0]
    assert contained[3] == namespaces[standing[1].pid] != here[3]
    assert nobodys[4:] == [NOBODY, NOBODY]
    assert of_memory[0] == "memfd:standing"
    assert all(tuple(rows[pid][1:3]) == file for pid, file in expected.items())
    named = dict(r.rows("SELECT pid, path FROM processes"))
    assert named[standing[1].pid] == f"mnt:[{contained[3]}]:{program} (deleted)"


def test_a_program_of_binfmt_misc(tmp_path: Path) -> None:
    binfmt = Path("/proc/sys/fs/binfmt_misc")
    if not (binfmt / "register").exists():
        done = subprocess.run(["mount", "-t", "binfmt_misc", "none", str(binfmt)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"this machine has no binfmt_misc: {done.stderr.strip()}")
    (binfmt / "register").write_text(":sysmon-test:E::sysmontest::/bin/cat:\n")
    try:
        code = 'open("x.sysmontest", "w").close(); os.chmod("x.sysmontest", 0o755); run("./x.sysmontest")'
        trace = record(tmp_path, code)
    finally:
        (binfmt / "sysmon-test").write_text("-1")
    program, cat = str(tmp_path / "w" / "x.sysmontest"), os.path.realpath("/bin/cat")
    assert execs(trace, "program, executable, interpreter") == [(program, cat, "/bin/cat")]
