"""The C files, each by itself as an editor sees it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sysmon.recorder.load import editor, program
from sysmon.recorder.load.btf import VMLINUX

COMPILERS = ("clang", "gcc")
"""The first one installed: bcc brings clang only as a library, without the command."""


@pytest.mark.skipif(not VMLINUX.exists(), reason="this kernel has no BTF")
def test_an_editor_finds_no_fault_in_any_file(tmp_path: Path) -> None:
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if not compiler:
        pytest.skip(f"none of {COMPILERS} is installed")
    commands = editor.prepare(tmp_path)
    assert [Path(command[-1]).name for command in commands] == list(program.FILES)
    assert all(Path(command[-1]) == Path(command[-1]).resolve() for command in commands), "as an editor opens them"
    for _name, *arguments in commands:
        done = subprocess.run([compiler, *arguments], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert done.returncode == 0, done.stderr


def test_editor_files_are_at_the_top_of_the_checkout() -> None:
    assert (editor.ROOT / "pyproject.toml").exists()
