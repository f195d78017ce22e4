"""Who may import whom: sysmon → {recorder, analyze} → bpf, without cycles, and bcc in one module only."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = ("bpf", "recorder", "analyze")

LEAVES = {"sysmon.errors", "sysmon.version", "sysmon.streams", "sysmon.safe_text"}
"""Modules of the package itself that all may import, and that import only each other."""

FORBIDDEN = {
    "bpf": {"recorder", "analyze", "bcc", "duckdb", "click", "rich"},
    "recorder": {"analyze", "bcc", "duckdb", "pandas", "matplotlib", "rich"},
    "analyze": {"recorder", "bcc"},
}


def name_of(path: Path) -> str:
    """The name of a module of the package."""
    inside = path.relative_to(ROOT)
    parts = inside.with_suffix("").parts if inside.parts[0] == "sysmon" else ("sysmon", *inside.with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


MODULES = {
    name_of(path): path for top in ("sysmon", *ROOMS) for path in (ROOT / top).rglob("*.py") if "stub" not in path.parts
}


@cache
def imports(path: Path) -> frozenset[str]:
    """The modules that a file imports, anywhere in it."""
    return frozenset(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            module = node.module or ""
            names = {f"{module}.{alias.name}" for alias in node.names}
            yield from names & set(MODULES)
            if not names <= set(MODULES):
                yield module
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) in ("importlib.import_module", "__import__")
            and isinstance(node.args[0], ast.Constant)
        ):
            yield str(node.args[0].value)


def top(module: str) -> str:
    """Our folder, or another package."""
    parts = module.split(".")
    return parts[1] if parts[0] == "sysmon" and len(parts) > 1 else parts[0]


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    files = [path for name, path in MODULES.items() if name.startswith(f"sysmon.{room}.")]
    assert files
    for path in files:
        ours = {module for module in imports(path) if module.split(".")[0] == "sysmon"}
        assert not {top(module) for module in imports(path)} & FORBIDDEN[room], path
        assert not {m for m in ours if top(m) not in ROOMS} - LEAVES, path


def test_leaves_import_nothing_of_ours() -> None:
    for leaf in LEAVES:
        assert {m for m in imports(MODULES[leaf]) if m.startswith("sysmon")} <= LEAVES


def test_no_import_uses_a_bare_folder_name() -> None:
    """The folders are at the top of a checkout, where such an import works, and nowhere else."""
    ours = [path for top in ("tests", "benchmarks", "docs") for path in (ROOT / top).rglob("*.py")]
    for path in (*MODULES.values(), *ours):
        assert not {module.split(".")[0] for module in imports(path)} & set(ROOMS), path


def test_there_are_no_import_cycles_even_lazy_ones() -> None:
    graph = {name: imports(path) & set(MODULES) - {name} for name, path in MODULES.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError


def test_one_module_imports_bcc_and_nothing_of_sysmon() -> None:
    """A process of its own runs it as a script; see docs/architecture.md."""
    loaders = [path for path in MODULES.values() if "importlib.util" in imports(path)]
    assert loaders == [ROOT / "recorder" / "load" / "compiler.py"]
    assert {module.split(".")[0] for module in imports(loaders[0])} <= sys.stdlib_module_names


def modules_after(*arguments: str) -> set[str]:
    """Other packages, and our folders, that are imported when the command has ended."""
    program = """
import sys, sysmon.cli
try:
    sysmon.cli.main()
except SystemExit as end:
    assert not end.code, end.code
print(*sys.modules, file=sys.stderr)
"""
    run = [sys.executable, "-c", program, *arguments]
    result = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True)
    return {top(module) for module in {*result.stderr.split()} - BEFORE_ALL}


HEAVY = {"bcc", "duckdb", "matplotlib", "pandas", "pyarrow", "recorder"}

BEFORE_ALL = {f"sysmon.recorder{room}" for room in ("", ".own", ".own.isolation", ".own.limits")}
"""What every command imports first."""


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("report", "--help"), ("record", "--help")])
def test_help_imports_next_to_nothing(arguments: tuple[str, ...]) -> None:
    allowed = {"recorder"} if arguments[0] == "record" else set()
    assert sorted(modules_after(*arguments) & HEAVY - allowed) == []


def test_only_charts_import_matplotlib() -> None:
    """None of them imports pyplot, whose state is the user's."""
    drawing = ROOT / "analyze" / "charts"
    for path in MODULES.values():
        found = set(imports(path))
        assert "matplotlib.pyplot" not in found, path
        if drawing not in path.parents:
            assert "matplotlib" not in {module.split(".")[0] for module in found}, path


def test_listing_charts_draws_none() -> None:
    assert sorted(modules_after("chart", "--list") & HEAVY) == []
    assert sorted(modules_after("chart", "--help") & HEAVY) == []


def test_listing_reports_needs_no_charts_and_no_bcc() -> None:
    assert sorted(modules_after("report", "--list") & {"bcc", "matplotlib", "pandas", "recorder"}) == []


def test_the_file_format_imports_no_program() -> None:
    for name, path in MODULES.items():
        if name.startswith("sysmon.bpf.trace_file"):
            assert not {module for module in imports(path) if module.startswith("sysmon.bpf.programs")}, path


MAKES_FILES = {"mkstemp", "mkdtemp", "NamedTemporaryFile", "write_text", "write_bytes", "os.O_CREAT", "os.O_TMPFILE"}

MAY_MAKE_FILES = {
    ROOT / "bpf" / "trace_file" / "directory.py",  # where all others have them created
    ROOT / "recorder" / "own" / "isolation.py",  # writes to a memfd
}


def making(path: Path) -> Iterator[str]:
    """What in a module creates a file, or may."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and {node.attr, ast.unparse(node)} & MAKES_FILES:
            yield ast.unparse(node)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("open", "fdopen"):
            modes = [a.value for a in [*node.args, *(k.value for k in node.keywords)] if isinstance(a, ast.Constant)]
            if any(isinstance(mode, str) and set(mode) <= set("rwxabt+") and set(mode) & set("wxa") for mode in modes):
                yield ast.unparse(node)


def test_files_are_made_in_one_place() -> None:
    """That place ensures that they are private to their owner, replace no other file and follow no link."""
    assert set(making(ROOT / "bpf" / "trace_file" / "directory.py")) > {"os.O_CREAT", "os.O_TMPFILE"}
    for path in set(MODULES.values()) - MAY_MAKE_FILES:
        assert not list(making(path)), path
