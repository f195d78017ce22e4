"""The commands as a shell runs them: one line per error, its status, no traceback, and no unnecessary imports."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import sysmon
import sysmon.cli
import sysmon.commands
from sysmon.analyze import charts
from sysmon.analyze.trace import views
from sysmon.analyze.trace.reports import reports
from tests import traces
from tests.golden import sample

pytestmark = pytest.mark.slow

ROOT = Path(sysmon.__file__).parents[1]


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "0", **env}
    command = [sys.executable, "-m", "sysmon", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("commands") / "sample.parquet"
    return str(traces.write(path, sample.rows(), probes=sample.PROBES, losses=sample.LOSSES))


def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Runs a command in this process. Returns its exit status, output and errors."""
    monkeypatch.setattr(sys, "argv", ["sysmon", *arguments])
    with pytest.raises(SystemExit) as ended:
        sysmon.cli.main()
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["repot"], 2, "did you mean"),
        (["report"], 2, "give a trace"),
        (["report", "absent.parquet"], 1, "No such file"),
        (["report", "TRACE", "syscal"], 2, "syscalls"),
        (["report", "TRACE", "'; DROP"], 2, "no report"),
        (["report", "TRACE", "--pid", "4242"], 2, "no process 4242"),
        (["report", "TRACE", "cpu", "--by", "thread", "--by", "cgroup"], 2, "--by is given twice: give it once"),
        (["report", "TRACE", "--since", "+1", "--since=+2"], 2, "--since is given twice: give it once"),
        (["sql", "TRACE", "SELECT 1", "--format", "csv", "--format", "json"], 2, "--format is given twice"),
        (["record", "--ring", "5s", "--keep-last", "9s"], 2, "--keep-last or --ring is given twice: give it once"),
        (["record", "-o", "a", "--output=b"], 2, "-o or --output is given twice: give it once"),
        (["report", "TRACE", "--pid", "x"], 2, "not a valid integer"),
        (["report", "TRACE", "--comm", "\x1b[31mnobody\n"], 2, "no process named"),
        (["report", "TRACE", "--since", "+5", "--until", "+5"], 2, "window is empty"),
        (["report", "TRACE", "--since", "noon"], 2, "not a time"),
        (["report", "TRACE", "--format", "csv"], 2, "name one"),
        (["report", "TRACE", "syscalls", "execs", "--format", "csv"], 2, "one report at a time"),
        (["report", "--format", "xml"], 2, "xml"),
        (["sql", "TRACE", "SELECT nothing FROM execs"], 2, "nothing"),
        (["sql", "TRACE", "SELECT max(ts) - min(ts) FROM execs"], 2, "use epoch_ns(ts)"),
        (["sql", "TRACE", "DROP VIEW execs"], 2, "only queries that read"),
        (["sql", "TRACE", "SELECT 1; SELECT 2"], 2, "one SQL statement"),
        (["sql", "TRACE", "SELECT * FROM read_text('/etc/passwd')"], 2, "Permission"),
        (["sql", "TRACE"], 2, "QUERY"),
        (["dump", "TRACE", "--kind", "exce"], 2, "exec"),
        (["schema", "exces"], 2, "execs"),
        (["info", __file__], 1, "not a Parquet file"),
        (["chart", "TRACE"], 2, "give a trace and the name of a chart"),
        (["chart", "TRACE", "cpus"], 2, "did you mean cpu?"),
        (["chart", "TRACE", "\x1b[31m\n"], 2, "there are cpu, wall_time, flamegraph"),
        (["chart", "absent.parquet", "cpu"], 1, "No such file"),
        (["chart", "TRACE", "cpu", "-o", "cpu.gif"], 2, "end the name with one of these"),
        (["chart", "TRACE", "cpu", "-o", "/nowhere/cpu.png"], 1, "No such file"),
        (["chart", "TRACE", "cpu", "-o", f"{ROOT}/docs/.png/../x.svg"], 1, "cannot write"),
        (["chart", "TRACE", "cpu", "--syscall", "read"], 2, "--syscall is for"),
        (["chart", "TRACE", "cpu", "--pid", "4242"], 2, "no process 4242"),
        (["chart", "TRACE", "latency", "--syscall", "\x1b[1mno", "-o", "/tmp/never.png"], 1, "no system call"),
        (["chart", "TRACE", "io", "--since", "+9999", "-o", "/tmp/never.png"], 1, "in this part of the trace"),
        (["chart", "TRACE", "cpu", "--since", "+5", "--until", "+5"], 2, "window is empty"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], status: int, said: str, trace: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    found, out, err = in_process(monkeypatch, capsys, *(trace if a == "TRACE" else a for a in arguments))
    assert (found, out) == (status, "")
    assert err.startswith("sysmon: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    assert said in err
    assert "\x1b" not in err


@pytest.mark.parametrize("command", list(sysmon.commands.COMMANDS))
def test_every_command_has_help_with_examples(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "Examples:" in done.stdout


def test_help_imports_nothing_large() -> None:
    code = (
        "import sys, sysmon.cli\n"
        "sys.argv[1:] = ['report', '--help']\n"
        "try: sysmon.cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('bcc', 'matplotlib', 'pandas', 'duckdb', 'pyarrow', 'rich') if m in sys.modules])"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_chart_is_written_where_asked_and_overwrites_nothing(trace: str, tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "MPLCONFIGDIR": "/nonexistent"}

    def chart(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sysmon", "chart", trace, *arguments]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    done = chart("errors")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("wrote sample-errors.png: Failed system calls, ")
    written = (tmp_path / "sample-errors.png").read_bytes()
    done = chart("errors")
    assert done.returncode == 1
    assert "sample-errors.png exists: choose another name with -o, or overwrite it with --force" in done.stderr
    assert chart("errors", "--force").returncode == 0
    assert (tmp_path / "sample-errors.png").read_bytes() == written
    assert [p.name for p in tmp_path.iterdir()] == ["sample-errors.png"]


def test_a_chart_goes_to_standard_output(trace: str) -> None:
    run = [sys.executable, "-m", "sysmon", "chart", trace, "cpu", "-o", "-"]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.startswith(b"\x89PNG") and done.stdout.endswith(b"IEND\xaeB`\x82") and not done.stderr


def test_the_files_of_a_rotated_recording_are_named(tmp_path: Path) -> None:
    (tmp_path / "r[1]-000001.parquet").touch()
    (tmp_path / "r[1]-000002.parquet").touch()
    done = run("report", str(tmp_path / "r[1].parquet"))
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"the files of a recording with --rotate are {tmp_path}/r[1]-000001.parquet and so on\n"
    )
    assert run("report", str(tmp_path / "q.parquet")).stderr.endswith("; check the name\n")


def test_reports_by_thread(trace: str) -> None:
    by_thread = run("report", trace, "wall_time", "--by", "thread", "--format", "csv")
    assert by_thread.returncode == 0
    assert by_thread.stdout == run("report", trace, "wall_time_by_thread", "--format", "csv").stdout
    assert by_thread.stdout.startswith("pid,tid,thread,comm,wall_s,")
    done = run("report", trace, "memory", "--by", "thread")
    known = "cpu, wall_time, waits, critical_path, wakers, wait_objects, hot_functions, off_cpu"
    assert (done.returncode, done.stderr) == (2, f"sysmon: memory is not counted by thread; {known} are\n")
    done = run("report", trace, "--by", "thread")
    assert (done.returncode, done.stderr) == (2, f"sysmon: --by thread needs a report name: {known}\n")


def test_stacks_are_exported(trace: str) -> None:
    done = run("export", trace, "--format", "speedscope", "--comm", "server")
    assert done.returncode == 0
    assert json.loads(done.stdout)["profiles"][0]["endValue"] == 340
    assert run("export", trace, "--until", "+0.5").stdout == ""


def test_a_trace_without_stacks_is_not_exported(tmp_path: Path) -> None:
    path = traces.write(tmp_path / "t.parquet", [], kinds=["clock"])
    done = run("export", str(path))
    assert (
        done.returncode and done.stderr == "sysmon: t.parquet: recorded without samples; record again --with samples\n"
    )


def test_the_list_of_charts() -> None:
    done = run("chart", "--list")
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(charts.CHARTS)


def test_a_reader_that_stops_early_is_no_error(trace: str) -> None:
    command = f"'{sys.executable}' -m sysmon dump '{trace}' | head -n 1; exit ${{PIPESTATUS[0]}}"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["bash", "-c", command], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "env",
    [{"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0"}],
)
def test_an_ascii_locale(env: dict[str, str], tmp_path: Path) -> None:
    rows = [traces.row("exec", traces.at(1), pid=7, start=traces.born(0), comm="é漢😀", argv=["é" * 200])]
    path = str(traces.write(tmp_path / "t.parquet", rows))
    for arguments in (["report", path], ["report", path, "execs"], ["dump", path], ["info", path]):
        assert run(*arguments, **env).returncode == 0
    done = run("report", path, "execs", "--format", "json", **env)
    assert json.loads(done.stdout)[0]["comm"] == "é漢😀"


def test_json_of_one_several_and_none(
    trace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def found(*arguments: str) -> object:
        status, out, _ = in_process(monkeypatch, capsys, *arguments, "--format", "json")
        assert status == 0
        return json.loads(out)

    one = found("report", trace, "execs")
    assert isinstance(one, list)
    several = found("report", trace, "execs", "losses")
    assert isinstance(several, dict)
    assert several["execs"] == one
    summary = found("report", trace)
    assert isinstance(summary, dict)
    assert summary["recording"]["host"]["name"] == "testhost"
    assert found("sql", trace, "SELECT 1 AS a") == [{"a": 1}]
    info = found("info", trace)
    assert isinstance(info, dict)
    assert info["losses"] == sample.LOSSES


def test_limits(trace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = in_process(monkeypatch, capsys, "report", trace, "processes", "--limit", "2")
    assert "(7 more; --limit" in out
    _, out, _ = in_process(monkeypatch, capsys, "report", trace, "processes", "--limit", "2", "--format", "csv")
    assert len(list(csv.reader(io.StringIO(out)))) == 3


def test_a_table_says_that_something_was_lost(
    trace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = in_process(monkeypatch, capsys, "report", trace, "execs")
    assert out.splitlines()[-1].startswith("LOST 9: ring full exec 7")
    _, out, _ = in_process(monkeypatch, capsys, "report", trace, "execs", "--since", "+3", "--until", "+8")
    assert "LOST" not in out


def test_damage_is_reported_in_every_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = [{"cause": "damaged", "place": "exec", "lost": 7}]
    path = str(traces.write(tmp_path / "damaged.parquet", [], losses=damaged))
    for window in ([], ["--since", "+3"]):
        _, out, _ = in_process(monkeypatch, capsys, "report", path, "execs", *window)
        assert out.splitlines()[-1].startswith("LOST 7: damaged exec 7")
    _, out, _ = in_process(monkeypatch, capsys, "report", path)
    assert "Nothing was lost" not in out


def test_the_summary_fits_a_screen(
    trace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = in_process(monkeypatch, capsys, "report", trace)
    assert len(out.splitlines()) <= 40
    assert max(map(len, out.splitlines())) <= 100


def test_the_summary_has_calls_that_only_wait_last(
    trace: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = in_process(monkeypatch, capsys, "report", trace)
    calls = out.split("System calls by total time")[1].splitlines()[2:]
    assert [line.split()[0] for line in calls[:2]] == ["read", "copy_file_range"]
    _, out, _ = in_process(monkeypatch, capsys, "report", trace, "--format", "json")
    found = json.loads(out)
    assert [(c["syscall"], c["waits"]) for c in found["waits_by_time"]] == [
        ("wait4", "by its name"), ("epoll_wait", "by its name")
    ]  # fmt: skip
    assert found["syscalls_by_time"][0]["waits"] is None


def test_reports_and_views_are_what_their_files_say(trace: str) -> None:
    import sysmon

    with sysmon.open(trace) as open_trace:
        for view in (*views.shown(), *reports()):
            found = open_trace.sql(f'DESCRIBE {view.schema}."{view.name}"').fetchall()
            assert [name for name, *_ in found] == [c.name for c in view.columns], view.name
        bare = open_trace.sql(
            "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_views() AS v ON v.view_name = table_name "
            "AND v.schema_name = duckdb_columns.schema_name "
            "WHERE NOT v.internal AND v.schema_name IN ('main', 'report') AND duckdb_columns.comment IS NULL"
        ).fetchall()
    assert bare == []


@pytest.mark.parametrize(
    ("view", "first"),
    [
        ("execs", ["ts", "pid", "ppid", "comm", "path", "argv"]),
        ("exits", ["ts", "pid", "comm", "exit_code", "signal", "lifetime_ns"]),
        ("forks", ["ts", "pid"]),
        ("renames", ["ts", "pid"]),
        ("processes", ["pid", "start"]),
        ("syscall_stats", ["ts", "pid"]),
        ("losses", ["ts"]),
        ("overhead", ["ts"]),
        ("clocks", ["ts"]),
        ("report.syscalls", ["syscall", "calls", "errors", "total_s", "mean_us", "p50_us", "p90_us", "p99_us",
                             "p999_us", "max_us"]),
        ("report.syscalls_by_process", ["pid", "comm", "syscall", "calls", "errors", "total_s", "mean_us", "p50_us"]),
        ("report.syscall_histogram", ["syscall", "low_ns", "high_ns", "calls"]),
        ("report.processes", ["pid", "ppid", "comm", "started", "ended", "lifetime_s", "exit_code", "signal", "cpu_s",
                              "syscalls", "command"]),
    ],
)  # fmt: skip
def test_columns_that_scripts_rely_on(trace: str, view: str, first: list[str]) -> None:
    import sysmon

    with sysmon.open(trace) as open_trace:
        assert open_trace.sql(f"SELECT * FROM {view}").columns[: len(first)] == first


def test_completion_knows_commands_and_reports_no_error() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "sysmon" in run("completion", shell).stdout
    done = run(_SYSMON_COMPLETE="bash_complete", COMP_WORDS="sysmon re", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,record", "plain,report", "plain,replay", "plain,repair"]


def test_the_reference_names_every_column(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from sysmon.bpf.kinds import KINDS

    for form in ("table", "markdown", "json"):
        _, out, _ = in_process(monkeypatch, capsys, "schema", "--format", form)
        assert all(c.name in out for k in KINDS for c in k.cols)
    _, out, _ = in_process(monkeypatch, capsys, "schema", "exec")
    assert out.startswith("exec (view execs; one row per event)")
    _, out, _ = in_process(monkeypatch, capsys, "report", "--list", "--format", "json")
    assert [r["report"] for r in json.loads(out)] == [r.name for r in reports()]


def test_a_full_disk_is_one_line(trace: str) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "sysmon", "report", trace],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "sysmon: No space left on device\n")


def test_a_window_after_the_end_says_so(trace: str) -> None:
    shown = run("report", trace, "--since", "+1h").stdout
    assert "since +3600.000 s, after the end of the recording at +" in shown


def test_the_list_of_reports_has_every_format() -> None:
    rows = list(csv.DictReader(io.StringIO(run("report", "--list", "--format", "csv").stdout)))
    assert [row["report"] for row in rows] == [r.name for r in reports()]


def test_what_is_typed_is_utf8_whatever_the_locale(trace: str) -> None:
    posix = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    done = run("sql", trace, "SELECT 'ü' AS x", "--format", "json", **posix)
    assert (done.returncode, json.loads(done.stdout)) == (0, [{"x": "ü"}])
    done = run("report", trace, "--comm", "日本", **posix)
    assert done.returncode == 2 and "no process named" in done.stderr and done.stderr.count("\n") == 1


def test_output_that_is_closed_is_no_error(trace: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "sysmon", "report", trace],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["record", "-o", "a", "--", "true", "-o", "b", "-o", "c"],
        ["record", "--pid", "1", "--pid", "2", "--force", "--force"],
        ["report", "a.parquet", "--comm", "a", "--comm", "a"],
    ],
)
def test_what_may_be_given_twice(words: list[str]) -> None:
    """Options that take several values, flags, and whatever belongs to the recorded command."""
    ctx = click.Context(sysmon.commands.cli, info_name="sysmon")
    assert sysmon.commands.cli.resolve_command(ctx, words)[2] == words[1:]
