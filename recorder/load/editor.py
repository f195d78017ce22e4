"""Writes what an editor needs to understand the C in bpf/: compile_commands.json, and what precedes each file.

bcc compiles all files as one text, after the declarations for the running kernel. So each file gets a header with
everything that precedes it, with all kinds enabled.
"""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

from sysmon.bpf.kinds import KINDS
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file import atomic
from sysmon.recorder.load import program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames

PROGRAMS = program.BPF_DIR.resolve()
"""Where an editor opens the files: in a checkout, not through the package's links."""

ROOT = PROGRAMS.parents[1]
FOLDER = ".clangd"
COMMAND = ("clang", "-xc", "-fsyntax-only", "-Wno-undefined-internal")  # -W…: for functions that a later file defines


def prepare(root: Path) -> list[list[str]]:
    """Writes the files under `root`, and returns the commands that check each of the program files."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    kinds = frozenset(kind.name for kind in KINDS)
    plan = program.plan(Btf.of_kernel(), SyscallNames(platform.machine()), kinds)
    functions = csource.functions(plan.sizes)
    before = (program.BPF_DIR / program.FILES[0]).read_text() + functions
    _write(folder / "declarations.h", plan.text[: plan.text.index(before)])
    _write(folder / "functions.h", functions)
    includes, commands = [program.STUB_DIR / "editor.h", folder / "declarations.h"], []
    for name in program.FILES:
        header, path = folder / f"before-{name}.h", PROGRAMS / name
        _write(header, "#pragma once\n" + "".join(f'#include "{file}"\n' for file in includes))
        commands.append([*COMMAND, "-include", str(header), str(path)])
        includes += [path, folder / "functions.h"] if len(commands) == 1 else [path]
    entries = [{"directory": str(root), "file": command[-1], "arguments": command} for command in commands]
    _write(root / "compile_commands.json", json.dumps(entries, indent=1) + "\n")
    return commands


def _write(path: Path, text: str) -> None:
    with atomic.new_file(path, force=True) as file:
        file.write(text.encode())


if __name__ == "__main__":
    prepare(Path(sys.argv[1]) if sys.argv[1:] else ROOT)
