"""What a terminal can show is known from the locale, also where Python has made UTF-8 of C."""

from __future__ import annotations

import pytest

from sysmon.analyze.tui.glyphs import ASCII, UNICODE, Glyphs, of_locale

LOCALES = [
    ({"LANG": "C"}, ASCII),
    ({"LANG": "C", "LC_CTYPE": "C.UTF-8"}, ASCII),  # as Python changes it
    ({"LANG": "en_US.UTF-8", "LC_ALL": "POSIX"}, ASCII),
    ({"LANG": "en_US.UTF-8"}, UNICODE),
    ({"LC_CTYPE": "C.UTF-8"}, UNICODE),
    ({"LANG": "C", "LC_ALL": "C.UTF-8"}, UNICODE),
    ({}, UNICODE),
]


@pytest.mark.parametrize(("variables", "glyphs"), LOCALES)
def test_the_locale_says(variables: dict[str, str], glyphs: Glyphs, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANG", "LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("locale.getpreferredencoding", lambda _do_setlocale: "UTF-8")
    assert of_locale() is glyphs


def test_keys_have_names_without_utf_8() -> None:
    assert ASCII.key("Shift-←") == "Shift-Left"
    assert UNICODE.key("Shift-←") == "Shift-←"
