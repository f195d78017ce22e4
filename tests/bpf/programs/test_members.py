"""The declared members of kernel structs are those that the programs read."""

import re
from pathlib import Path

import pytest

from sysmon.bpf.programs import members
from sysmon.recorder.load import program

FOLDER = Path(members.__file__).parent

READ = re.compile(r"\b[CKT]?READ\([^;]*?,[^;]*?,\s*(\w+),\s*(\w+)\)")
MACRO = re.compile(r"\b(?:SIZE|OFFSET|HAVE)_([a-z]\w*?__\w+)")
ASKED = re.compile(r"#ifdef HAVE_([a-z]\w*)")


def read_in(text: str) -> set[str]:
    """The members that a text reads or asks for, as its macros call them."""
    return {f"{struct}__{member}" for struct, member in READ.findall(text) if struct != "type"} | {
        name for name in MACRO.findall(text) if not name.startswith("BIT_")
    }


@pytest.mark.parametrize("file", program.FILES)
def test_declared_members_are_those_that_a_file_reads(file: str) -> None:
    structs = members.MEMBERS.get(file, {})
    declared = {members.in_c(s, member.rstrip("?")) for s, names in structs.items() for member in names.split()}
    assert declared == read_in((FOLDER / file).read_text())


def test_members_that_a_program_checks_for_are_optional() -> None:
    """In every file that reads them, as one declaration could hide another."""
    asked = {name for file in program.FILES for name in ASKED.findall((FOLDER / file).read_text())}
    optional = {members.in_c(*key) for key, may_lack in members.declared().items() if may_lack}
    assert asked <= optional
    marks: dict[tuple[str, str], set[bool]] = {}
    for structs in members.MEMBERS.values():
        for struct, names in structs.items():
            for name in names.split():
                marks.setdefault((struct, name.rstrip("?")), set()).add(name.endswith("?"))
    assert [key for key, said in marks.items() if len(said) > 1] == []


def test_files_are_those_of_the_programs() -> None:
    assert set(members.MEMBERS) <= set(program.FILES)
