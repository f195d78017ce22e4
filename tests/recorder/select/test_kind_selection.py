"""Which kinds are recorded, and what a report says if a trace lacks what it needs."""

import pytest

from sysmon.analyze.trace.facts import facts
from sysmon.analyze.trace.missing_kinds import OPTIONS, absent, again
from sysmon.analyze.trace.reports import find_report
from sysmon.bpf.kinds import KINDS
from sysmon.errors import BadRequest
from sysmon.recorder.commands.record import record
from sysmon.recorder.select import kind_selection


def test_all_but_opt_in_kinds_are_the_default() -> None:
    others = {
        "kernel_memory", "syscall", "step", "waits", "samples", "off_cpu", "frame", "stack", "objects", "object_name",
        "polled", "note",
    }  # fmt: skip
    assert kind_selection.kinds((), (), ()) == {k.name for k in KINDS} - others


@pytest.mark.parametrize("kind", ["samples", "off_cpu"])
def test_stacks_come_with_what_they_are(kind: str) -> None:
    more = kind_selection.kinds((), (), (kind,)) - kind_selection.kinds((), (), ())
    assert more == {kind, "frame", "stack"}


def test_only_adds_the_kinds_that_name_rows() -> None:
    lives = {"process", "fork", "exec", "exit"}
    assert kind_selection.kinds(("cpu, host",), (), ()) == {"cpu", "host", "clock", "loss", "overhead", "mark"} | lives
    without = kind_selection.kinds(("cpu",), ("fork", "exec,exit,mark"), ())
    assert without == {"cpu", "process", "clock", "loss", "overhead"}


def test_with_and_without() -> None:
    kinds = kind_selection.kinds((), ("cpu",), ("kernel_memory",))
    assert "kernel_memory" in kinds and "cpu" not in kinds


@pytest.mark.parametrize(
    ("only", "without", "said"),
    [
        ("opn", "", r"^--only: there is no kind 'opn'; did you mean open"),
        ("files", "", r"^--only: there is no kind 'files'; did you mean open and file_op\?$"),
        ("note", "", r"^--only: there is no kind 'note'"),
        ("", "xyzzy", r"^--without: there is no kind 'xyzzy'; `sysmon schema` shows them$"),
        ("", "clock", r"^--without: clock cannot be left out"),
        ("cpu", "cpu", r"^cpu: both requested and left out$"),
    ],
)
def test_invalid_selections(only: str, without: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        kind_selection.kinds((only,) if only else (), (without,) if without else (), ())


def test_a_report_says_what_was_not_recorded() -> None:
    all_ = {k.name for k in KINDS}
    for name, kind in [("syscalls", "syscall_stats"), ("cpus", "host"), ("files", "open"), ("cpu", "cpu")]:
        assert absent(find_report(name), all_) == ""
        assert absent(find_report(name), all_ - {kind}).startswith(f"recorded without {kind}:")
    # Through a view of the window that is read of everyone, too.
    for name, kind in [("wakers", "waits"), ("wait_objects", "waits"), ("polled", "polled"), ("wall_time", "cpu")]:
        assert absent(find_report(name), all_ - {kind}).startswith(f"recorded without {kind}:")
    (wait_time,) = (fact for fact in facts() if fact.name == "wait_time")
    assert absent(wait_time, all_ - {"waits"}) == "recorded without waits: record again with --with waits"
    assert absent(find_report("processes"), all_ - {"rename"}) == ""
    assert absent(find_report("remarks"), all_ - {"note"}) == ""


@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        (["cpu"], "it"),
        (["open", "file_op"], "them"),
        (["kernel_memory"], "--with kernel_memory"),
        (["syscall"], "--syscalls"),
        (["step"], "--max-rate N"),
        (["syscall", "kernel_memory", "cpu"], "--syscalls and --with kernel_memory and cpu"),
    ],
)
def test_how_to_record_what_was_not(kinds: list[str], said: str) -> None:
    assert again(kinds) == f"record again with {said}"


def test_the_options_named_are_those_that_record_it() -> None:
    opt_in = {k.name for k in KINDS if k.opt_in}
    assert kind_selection.kinds((), (), opt_in - OPTIONS.keys()) >= opt_in - OPTIONS.keys()
    known = {name for param in record.params for name in param.opts}
    assert {option.split()[0] for option in OPTIONS.values()} <= known and OPTIONS.keys() <= opt_in
