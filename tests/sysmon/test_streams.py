"""All output of commands goes through one place, where everything that acts on a terminal is escaped."""

import io
import json
import os
import pty
import select
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sysmon.cli
from sysmon import streams
from sysmon.analyze.text.screen import ALARM, Screen
from sysmon.bpf.trace_file import partial
from sysmon.bpf.trace_file.writer import TraceWriter
from sysmon.recorder.own import isolation
from sysmon.safe_text import ACTING, for_output, json_escaped
from tests import hostile, traces
from tests.bpf.trace_file.test_partial import META, cut

SYSMON = Path(sys.executable).with_name("sysmon")
ROOT = Path(sysmon.__file__).parents[1]


def acts(text: str) -> list[str]:
    """What in the text acts on a terminal, except line ends and tabs."""
    return [c for c in ACTING.findall(text) if c not in "\n\t"]


@given(st.text())
def test_everything_that_acts_is_escaped_and_nothing_else_changes(text: str) -> None:
    safe = for_output(text)
    assert not acts(safe)
    assert safe == "".join(json_escaped(c) if acts(c) else c for c in text)


@given(st.text(st.sampled_from([*"\x00\x1b\x7f\x9b\u202e\U000e0041\ud800", "a"])))
def test_escapes_are_valid_inside_json(text: str) -> None:
    assert json.loads(f'"{for_output(text)}"') == json.loads(json.dumps(text))


def test_every_control_and_format_character_is_known() -> None:
    """Except those of scripts that are shown: Arabic, Syriac, Kaithi, hieroglyphs, notes and shorthand."""
    every = map(chr, range(sys.maxunicode + 1))
    left = [c for c in every if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp", "Cf") and not ACTING.match(c)]
    assert all(unicodedata.category(c) == "Cf" for c in left)
    assert len(left) < 60


def guarded(monkeypatch: pytest.MonkeyPatch) -> io.TextIOWrapper:
    """What a process writes to either stream with the guard in place."""
    below = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, below)
    streams.guard()
    streams.guard()  # repeated calls do nothing
    return below


def written(below: io.TextIOWrapper) -> str:
    below.flush()
    assert isinstance(below.buffer, io.BytesIO)
    return below.buffer.getvalue().decode()


EVIL = "\x1b[31m\x9b2J\x07\u202e"
SAFE = "\\u001b[31m\\u009b2J\\u0007\\u202e"


@pytest.mark.parametrize(
    "write",
    [
        lambda: click.echo(EVIL, nl=False, color=True),
        lambda: click.echo(EVIL, nl=False, color=True, err=True),
        lambda: click.echo(EVIL.encode(), nl=False),
        lambda: print(EVIL, end=""),
        lambda: print(EVIL, end="", file=sys.stderr),
        lambda: sys.stdout.write(EVIL),
        lambda: sys.stdout.writelines([EVIL]),
        lambda: sys.stderr.writelines([EVIL]),
    ],
)
def test_all_ways_to_write_are_guarded(write: object, monkeypatch: pytest.MonkeyPatch) -> None:
    below = guarded(monkeypatch)
    write()  # type: ignore[operator]
    sys.stdout.flush()
    assert written(below) == SAFE


def test_warnings_and_tracebacks_are_guarded() -> None:
    code = (
        "import warnings; from sysmon import streams; streams.guard()\n"
        f"warnings.warn({EVIL!r}); raise ValueError({EVIL!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"UserWarning: {SAFE}\n" in done.stderr and f"ValueError: {SAFE}\n" in done.stderr
    assert not acts(done.stderr)


def test_only_our_own_styles_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    below = guarded(monkeypatch)
    screen = Screen()
    screen.colours = True
    screen.line(EVIL, ALARM)
    assert written(below) == f"\x1b[1;31m{SAFE}\x1b[0m\n"


def test_there_is_only_one_way_to_write_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    below = guarded(monkeypatch)
    assert not hasattr(sys.stdout, "buffer")
    streams.binary(sys.stdout).write(b"\x89PNG")
    assert below.buffer.getvalue() == b"\x89PNG"  # type: ignore[attr-defined]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_command_in_any_locale(tmp_path: Path, locale: str) -> None:
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": locale}
    name = f"{EVIL}.parquet"
    traces.write(tmp_path / name, [])
    for arguments in (["info", name], ["report", name], ["report", f"no{name}"], ["repair", name], [EVIL], ["chart"]):
        done = subprocess.run([SYSMON, *arguments], env=env, cwd=tmp_path, capture_output=True, check=False)
        text = (done.stdout + done.stderr).decode()
        assert text and not acts(text), arguments


def every_command(path: Path, folder: Path) -> list[list[str]]:
    """A command line of each kind of output."""
    forms = ("table", "json", "csv", "markdown")
    return [
        *(["sql", path, "SELECT * FROM execs", "--format", form] for form in forms),
        *(["report", path, "execs", "--format", form] for form in forms),
        *(["diff", path, path, "--format", form] for form in ("table", "json", "markdown")),
        ["report", path], ["info", path], ["info", path, "--format", "json"], ["dump", path],
        ["sql", path, "SELECT chr(27) || '[31m' AS \"\x1b[31m\""], ["sql", path, "SELECT \x1b[31m"],
        ["report", path, "--comm", "\x1b[31m"], ["chart", path, "cpu", "-o", folder / "\x1b[31m.png"],
    ]  # fmt: skip


@pytest.mark.slow
def test_every_command_on_a_hostile_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process: the test before has whole processes."""
    monkeypatch.setattr(isolation, "begin", lambda: None)  # it is of a whole process
    path = hostile.trace(tmp_path / "t.parquet")
    for arguments in every_command(path, tmp_path):
        below = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(sys, name, below)
        monkeypatch.setattr(sys, "argv", ["sysmon", *map(str, arguments)])
        with pytest.raises(SystemExit):
            sysmon.cli.main()
        text = written(below)
        assert text and not acts(text), arguments


def test_repair_of_another_users_leftovers(tmp_path: Path) -> None:
    """A directory can claim anything about its losses."""
    out = TraceWriter(tmp_path / "t.parquet", force=False)
    out.begin(META)
    out.commit({"losses": [{"cause": "\x1b[2J", "place": "\x1b]0;x\x07\nforged", "lost": 5}]})
    cut(tmp_path / "t.parquet", out)
    assert partial.of(tmp_path / "t.parquet")
    done = subprocess.run([SYSMON, "repair", tmp_path / "t.parquet"], capture_output=True, text=True, check=True)
    assert not acts(done.stdout) and "\nforged" not in done.stdout
    assert "lost: 5 \\x1b[2J: \\x1b]0;x\\x07 forged\n" in done.stdout


# -- who reads standard error


def messages(fd: int, wait_s: float | None = None) -> streams.Messages:
    stream = streams.Messages(open(fd, "w", closefd=False))  # noqa: SIM115
    if wait_s is not None:
        stream.never_wait()
    return stream


def test_a_missing_reader_is_no_error() -> None:
    readable, writable = os.pipe()
    os.close(readable)
    stream = messages(writable)
    stream.write("text\n")
    stream.flush()
    os.close(writable)
    stream.write("text\n")


@pytest.mark.parametrize("blocking", [True, False])
def test_a_stuck_reader_is_not_waited_for(blocking: bool) -> None:
    readable, writable = os.pipe()
    os.set_blocking(writable, blocking)
    stream = messages(writable, 0.1)
    began = time.monotonic()
    for _ in range(3000):
        stream.write("x" * 99 + "\n")
    assert time.monotonic() - began < 20 * streams.WAIT_S
    assert os.get_blocking(writable) == blocking, "others write to it, too"
    assert 0 < len(os.read(readable, 1 << 20)) < 300_000
    stream.write("again\n")
    assert os.read(readable, 1 << 20).endswith(b"again\n"), "and heard again once it reads"
    for fd in (readable, writable):
        os.close(fd)


def test_nothing_is_dropped_if_waiting_is_allowed() -> None:
    readable, writable = os.pipe()
    os.set_blocking(writable, False)  # as a parent may have left it
    text = "".join(f"{n}\n" for n in range(50_000))
    if (child := os.fork()) == 0:
        messages(writable).write(text)
        os._exit(0)
    os.close(writable)
    with open(readable) as pipe:
        time.sleep(0.1)
        assert pipe.read() == text
    assert os.waitpid(child, 0)[1] == 0


def test_a_status_line_stays_until_the_next_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    stream = messages(theirs, 0.1)
    stream.renew(f"1 s {EVIL}", "")
    stream.renew("2 s ", "5 lost")
    stream.write("text\n")
    stream.write("more\n")
    shown = b""
    while not shown.endswith(b"more\r\n"):  # a terminal hands on what is written in pieces, when it pleases
        assert select.select([ours], [], [], 10)[0], f"after {shown!r} came nothing"
        shown += os.read(ours, 9999)
    erase = "\r\x1b[K"
    assert shown.decode() == f"{erase}1 s {SAFE}{erase}2 s \x1b[1;31m5 lost\x1b[0m{erase}text\r\nmore\r\n"
    os.close(ours)
    stream.write("after the terminal is gone\n")
    os.close(theirs)
