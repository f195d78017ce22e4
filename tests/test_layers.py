"""Who may import whom: recorder → bpf ← analyze, and bcc in one module only."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FORBIDDEN = {
    "bpf": {"recorder", "analyze", "sysmon", "bcc", "duckdb", "click", "rich"},
    "recorder": {"analyze", "sysmon", "bcc", "duckdb", "pandas", "matplotlib", "rich"},
    "analyze": {"recorder", "sysmon", "bcc"},
}


def imports(path: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            yield node.module or ""
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "__import__"):
            yield ast.literal_eval(node.args[0])


@pytest.mark.parametrize("package", FORBIDDEN)
def test_imports_point_one_way(package: str) -> None:
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        found = {module.split(".")[0] for module in imports(path)}
        assert not found & FORBIDDEN[package], path


def test_one_module_loads_bcc_and_it_stands_alone() -> None:
    """It is run as a script by a process of its own; see docs/architecture.md."""
    loaders = [p for p in ROOT.glob("*/*.py") if "importlib.util" in imports(p)]
    assert loaders == [ROOT / "recorder" / "compiler.py"]
    assert {module.split(".")[0] for module in imports(loaders[0])} <= sys.stdlib_module_names


def modules_after(*arguments: str) -> set[str]:
    """Top-level modules that are there when the command has ended."""
    program = """
import sys, sysmon
try:
    sysmon.main()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""
    run = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return {module.split(".")[0] for module in {*result.stderr.split()} - BEFORE_ALL}


HEAVY = {"bcc", "duckdb", "matplotlib", "pandas", "pyarrow", "recorder"}

BEFORE_ALL = {"recorder", "recorder.isolation", "recorder.limits"}
"""What every command imports first."""


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("report", "--help"), ("record", "--help")])
def test_help_imports_next_to_nothing(arguments: tuple[str, ...]) -> None:
    allowed = {"recorder"} if arguments[0] == "record" else set()
    assert sorted(modules_after(*arguments) & HEAVY - allowed) == []


def test_charts_alone_import_matplotlib() -> None:
    """And none of them pyplot, whose state is the user's."""
    drawing = ROOT / "analyze" / "charts"
    for path in [p for package in FORBIDDEN for p in (ROOT / package).rglob("*.py")]:
        found = set(imports(path))
        assert "matplotlib.pyplot" not in found, path
        if drawing not in path.parents:
            assert "matplotlib" not in {module.split(".")[0] for module in found}, path


def test_listing_charts_draws_none() -> None:
    assert sorted(modules_after("chart", "--list") & HEAVY) == []
    assert sorted(modules_after("chart", "--help") & HEAVY) == []


def test_listing_reports_needs_no_charts_and_no_bcc() -> None:
    assert sorted(modules_after("report", "--list") & {"bcc", "matplotlib", "pandas", "recorder"}) == []
