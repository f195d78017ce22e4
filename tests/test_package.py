"""What is installed is whole: the wheel holds every file that the program needs, and works without the checkout."""

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PARTS = ("sysmon.py", "bpf", "recorder", "analyze")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def source_files() -> set[str]:
    """Every file of the parts that are installed."""
    paths = [path for part in PARTS for path in ((ROOT / part).rglob("*") if "." not in part else [ROOT / part])]
    return {str(p.relative_to(ROOT)) for p in paths if p.is_file() and p.suffix != ".pyc"}


def test_the_wheel_holds_every_file_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == source_files()
    suffixes = {Path(name).suffix for name in names}
    assert {".py", ".c", ".h", ".sql"} <= suffixes
    assert any(name.startswith("recorder/stub/include/asm/") for name in names)


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["report", "--list"], ["schema"], ["record", "--help"]]
)
def test_the_installed_package_works(wheel: Path, tmp_path: Path, arguments: list[str]) -> None:
    # Unpacked, and put before the checkout: what pip does, but for the scripts it writes.
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = "import sys, sysmon; assert sysmon.__file__.startswith(sys.argv.pop(1)), sysmon.__file__; sysmon.main()"
    run = [sys.executable, "-c", program, str(tmp_path), *arguments]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = subprocess.run(run, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_the_lock_file_names_no_place() -> None:
    """Neither a host nor a directory: it must mean the same wherever it is used."""
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    assert "--index" not in text
    assert " /" not in text


def test_the_lock_file_covers_every_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    assert {r.split(">=")[0] for r in wanted} <= locked
