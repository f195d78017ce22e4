"""The installed package is complete: it has every file that the program needs, and works without the checkout."""

import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
ROOMS = ("bpf", "recorder", "analyze")


def build(what: str, tree: Path, folder: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", what, "-d", str(folder)]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    return next(folder.iterdir())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def source_files() -> list[str]:
    """Every file that has to be installed, by its name in the package."""
    own = [path for path in (ROOT / "sysmon").rglob("*") if path.is_file()]  # which follows no links
    rooms = [path for room in ROOMS for path in (ROOT / room).rglob("*") if path.is_file()]
    names = [str(p.relative_to(ROOT)) for p in own] + [f"sysmon/{p.relative_to(ROOT)}" for p in rooms]
    return sorted(name for name in names if not name.endswith(".pyc"))


def test_the_checkout_has_links_that_stay_in_it() -> None:
    assert {name: os.readlink(ROOT / "sysmon" / name) for name in ROOMS} == {name: f"../{name}" for name in ROOMS}


def test_the_wheel_holds_every_file_once_under_one_name(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert sorted(names) == source_files()
    suffixes = {Path(name).suffix for name in names}
    assert {".py", ".c", ".h", ".sql"} <= suffixes
    assert any(name.startswith("sysmon/recorder/load/stub/include/asm/") for name in names)
    assert "sysmon/py.typed" in names


def test_the_source_distribution_holds_files_and_no_links(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    assert all(member.isfile() for member in members)
    names = [member.name.partition("/")[2] for member in members]
    assert sorted(name for name in names if name.startswith("sysmon/")) == source_files()
    rest = {name for name in names if not name.startswith("sysmon/")}
    assert rest == {
        "README.md", "CHANGES.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore", "script/check_links.py",
    }  # fmt: skip


def test_a_wheel_of_the_source_distribution_is_the_same(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (tree,) = tmp_path.iterdir()
    again = build("wheel", tree, tmp_path / "again")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(wheel).namelist()


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["report", "--list"], ["schema"], ["record", "--help"]]
)
def test_the_installed_package_works(wheel: Path, tmp_path: Path, arguments: list[str]) -> None:
    # Unpacked, and put before the checkout: what pip does, except for the scripts it writes.
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = "import sys, sysmon.cli as c; assert c.__file__.startswith(sys.argv.pop(1)), c.__file__; c.main()"
    run = [sys.executable, "-c", program, str(tmp_path), *arguments]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_packages_with_similar_names_do_not_interfere(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("raise ImportError('another one')")
    run = [sys.executable, "-m", "sysmon", "report", str(ROOT / "sample_traces" / "web.parquet")]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_a_checkout_without_links_says_how_to_install(tmp_path: Path) -> None:
    """As git makes it on Windows: a link becomes a file containing its target."""
    (tmp_path / "sysmon").mkdir()
    for path in (ROOT / "sysmon").iterdir():
        if path.is_symlink():
            (tmp_path / "sysmon" / path.name).write_text(os.readlink(path))
        elif path.is_file():
            (tmp_path / "sysmon" / path.name).write_bytes(path.read_bytes())
    for command, lines in (["-m", "sysmon", "report", "t.parquet"], 1), (["-c", "import sysmon"], None):
        result = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        said = result.stderr.splitlines()
        assert "this checkout has no links: `git config core.symlinks true`" in said[-1]
        assert lines is None or len(said) == lines
    (tmp_path / "script").mkdir()
    for name in ("pyproject.toml", "README.md", "script/check_links.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    result = subprocess.run(build, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "this checkout has no links" in result.stderr
    assert not list(tmp_path.glob("dist/*.whl"))


def test_importing_is_light_and_changes_nothing() -> None:
    program = """
import os, signal, sys
state = lambda: (dict(os.environ), [signal.getsignal(n) for n in signal.valid_signals()], sys.excepthook, [*sys.path])
before = state()
import sysmon
assert before == state()
assert callable(sysmon.open) and callable(sysmon.compare)
print(*{"click", "numpy", "pyarrow", "duckdb", "pandas", "matplotlib"} & set(sys.modules))
"""
    run = [sys.executable, "-c", program.replace("    ", "")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout.split() == []


def test_a_script_in_a_checkout_may_still_import_analyze() -> None:
    program = "import analyze; print(analyze.open_trace('sample_traces/web.parquet').metadata['host']['cpus'])"
    run = [sys.executable, "-W", "default", "-c", program]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "DeprecationWarning: analyze.open_trace is sysmon.open now" in done.stderr
    assert int(done.stdout) >= 1


def test_the_lock_file_names_no_host_or_directory() -> None:
    """Neither a host nor a directory: it must mean the same everywhere."""
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert " /" not in text


def test_the_lock_file_covers_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert {r.split(">=")[0] for r in wanted} <= locked
