"""How machines and boots are distinguished."""

from pathlib import Path

import pytest

from sysmon.recorder.sample import host


def with_id(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> str | None:
    (folder / "machine-id").write_text(text)
    monkeypatch.setattr(host, "MACHINE_ID", folder / "machine-id")
    return host.machine_id()


def test_the_id_of_a_machine_is_made_as_systemd_makes_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """HMAC-SHA256 of the application's id with the machine's as key, as a version 4 UUID: computed with openssl."""
    made = with_id(monkeypatch, tmp_path, "0123456789abcdef0123456789abcdef\n")
    assert made == "466ee0cc-40bc-49d9-9f0e-4fd0c6a5b721"


def test_the_machine_id_itself_is_not_disclosed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ids = {with_id(monkeypatch, tmp_path, f"{n:032x}\n") for n in range(1, 8)}
    own = [f"{n:032x}"[-12:] for n in range(1, 8)]
    assert len(ids) == 7 and not any(end in str(made) for end in own for made in ids)


@pytest.mark.parametrize("text", ["", "uninitialized\n", "not an id\n"])
def test_a_machine_without_an_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str) -> None:
    assert with_id(monkeypatch, tmp_path, text) is None
    monkeypatch.setattr(host, "MACHINE_ID", tmp_path / "nothing")
    monkeypatch.setattr(host, "BOOT_ID", tmp_path / "nothing")
    assert host.machine_id() is None and host.boot_id() is None


def test_a_boot_is_that_of_the_kernel() -> None:
    assert host.boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
