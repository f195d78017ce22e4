"""Messages about missing privileges, and ownership of traces."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sysmon.errors import CannotRecord
from sysmon.recorder.own import capabilities, ownership, privilege
from sysmon.recorder.ui import checkup

ALL = frozenset(capabilities.CAPABILITIES)


@pytest.fixture
def holding(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Simulates holding exactly these capabilities, given as names separated by spaces."""
    return lambda names: monkeypatch.setattr(capabilities, "effective", lambda: frozenset(names.split()))


@pytest.mark.parametrize(
    ("text", "mode", "locked"),
    [
        ("[none] integrity confidentiality\n", "none", False),
        ("none [integrity] confidentiality\n", "integrity", False),
        ("none integrity [confidentiality]\n", "confidentiality", True),
        ("", "none", False),
    ],
)
def test_lockdown(tmp_path: Path, text: str, mode: str, locked: bool) -> None:
    path = tmp_path / "lockdown"
    path.write_text(text)
    assert (privilege.lockdown(path), privilege.reading_is_locked(path)) == (mode, locked)
    finding = checkup._lockdown(path)
    assert finding.good is not locked
    if locked:
        assert "may not read its memory" in finding.text
        assert "lockdown=integrity" in finding.remedy


def test_a_kernel_without_lockdown(tmp_path: Path) -> None:
    assert privilege.lockdown(tmp_path / "none") == "none"


@pytest.mark.parametrize(
    ("options", "hides"),
    [("rw,relatime", False), ("rw,hidepid=invisible", True), ("rw,hidepid=2,gid=4", True), ("rw,hidepid=0", False)],
)
def test_hidepid(tmp_path: Path, options: str, hides: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"none /sys sysfs rw 0 0\nproc /proc proc {options} 0 0\nproc /x/proc proc rw,hidepid=2 0 0\n")
    assert privilege.hides_processes(mounts) is hides


def test_stats_that_are_on_anyway(tmp_path: Path) -> None:
    switch = tmp_path / "bpf_stats_enabled"
    assert not privilege.stats_are_on(switch)
    switch.write_text("0\n")
    assert not privilege.stats_are_on(switch)
    switch.write_text("1\n")
    assert privilege.stats_are_on(switch)


def test_with_all_capabilities_everything_is_measured() -> None:
    assert privilege.unmeasured(ALL) == {}


def test_unmeasured_columns_name_the_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "hides_processes", lambda: False)
    monkeypatch.setattr(privilege, "stats_are_on", lambda: False)
    for lacking, what in [
        ("CAP_SYS_PTRACE", ["process.path", "syscall_inflight", "pss"]),
        ("CAP_SYS_ADMIN", ["overhead"]),
    ]:
        lacks = privilege.unmeasured(ALL - {lacking})
        assert list(lacks) == what
        assert all(lacking in why for why in lacks.values())
    assert "CAP_SYSLOG" in privilege.unmeasured(ALL, peaks_are_hidden=True)["exit.peak_rss_bytes"]
    monkeypatch.setattr(privilege, "hides_processes", lambda: True)
    assert "hidepid" in privilege.unmeasured(ALL - {"CAP_SYS_PTRACE"})["process"]
    monkeypatch.setattr(privilege, "stats_are_on", lambda: True)
    assert privilege.unmeasured(ALL - {"CAP_SYS_ADMIN"}) == {}


@pytest.mark.parametrize(
    ("held", "words"),
    [("", "CAP_BPF and CAP_PERFMON are missing"), ("CAP_BPF", "CAP_PERFMON is missing"), ("CAP_PERFMON", "CAP_BPF is")],
)
def test_missing_capabilities(
    holding: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, held: str, words: str
) -> None:
    holding(held)
    monkeypatch.setattr(sys, "argv", ["/opt/a b/sysmon", "doctor"])
    with pytest.raises(CannotRecord, match=words):
        privilege.check()
    finding = checkup._privilege()
    assert words in finding.text
    assert f"sudo setpriv --reuid {os.getuid()}" in finding.remedy
    assert "--ambient-caps=+bpf,+perfmon -- '/opt/a b/sysmon' record" in finding.remedy


@pytest.mark.parametrize("held", ["CAP_SYS_ADMIN", "CAP_BPF CAP_PERFMON"])
def test_sufficient_capabilities(holding: Callable[[str], None], held: str) -> None:
    holding(held)
    privilege.check()
    assert checkup._privilege().good
    assert not any(finding.fatal for finding in checkup._not_known())


def as_sudo(monkeypatch: pytest.MonkeyPatch, uid: str, gid: str) -> None:
    monkeypatch.setenv("SUDO_UID", uid)
    monkeypatch.setenv("SUDO_GID", gid)
    monkeypatch.setattr(capabilities, "effective", lambda: ALL)


@pytest.mark.parametrize("uid", ["", "0", "-1", "x", "4294967295", "1 2", "²", "99999999999"])
def test_invalid_sudo_users(monkeypatch: pytest.MonkeyPatch, uid: str) -> None:
    monkeypatch.setattr(os, "getresuid", lambda: (0, 0, 0))
    as_sudo(monkeypatch, uid, "100")
    assert ownership.sudo_user() is None


def test_only_root_trusts_the_sudo_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    as_sudo(monkeypatch, "54321", "54322")
    for ids in ((1000, 1000, 1000), (1000, 0, 0)):
        monkeypatch.setattr(os, "getresuid", lambda ids=ids: ids)
        assert ownership.sudo_user() is None
    monkeypatch.setattr(os, "getresuid", lambda: (0, 0, 0))
    assert ownership.sudo_user() == ownership.User(54321, 54322, (54322,))
    monkeypatch.setattr(capabilities, "effective", frozenset)
    assert ownership.sudo_user() is None


@pytest.mark.parametrize(("mode", "there", "may"), [(0o777, 1, True), (0o1777, 1, False), (0o1777, 0, True)])
def test_another_users_file_in_a_sticky_directory(tmp_path: Path, mode: int, there: int, may: bool) -> None:
    """It cannot be replaced there, though files can be created: better to know before the recording."""
    stranger = os.getuid() + 1
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(mode)
    if there:
        (folder / "t").touch()
    assert ownership.may_write(folder / "t", stranger) is may


def test_no_directory(tmp_path: Path) -> None:
    assert ownership.may_write(tmp_path / "none" / "t", os.getuid()) is False
