"""What the terminal's encoding can show: bars, marks and names."""

from __future__ import annotations

import locale
import os
from collections.abc import Mapping
from dataclasses import dataclass

from sysmon.safe_text import shown


@dataclass(frozen=True)
class Glyphs:
    """`bars` from nothing to full; `cursor`, `window` and `cut` are single characters, `path` stands between places."""

    bars: str
    cursor: str
    window: str
    path: str
    cut: str
    down: str
    up: str
    play: str
    ascii_only: bool = False

    def safe(self, text: str) -> str:
        """The text with everything escaped that acts on a terminal or that it cannot show."""
        safe = shown(text)
        return safe.encode("ascii", "backslashreplace").decode() if self.ascii_only else safe

    def key(self, name: str) -> str:
        """What to call a key."""
        return name.replace("←", "Left").replace("→", "Right") if self.ascii_only else name


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "┃", "─", " › ", "…", "▼", "▲", "▶")
ASCII = Glyphs(" ..::||##", "|", "-", " > ", ">", "v", "^", ">", ascii_only=True)

COERCED = "C.UTF-8"
"""What Python sets LC_CTYPE to if the locale is C."""


def of_locale() -> Glyphs:
    """Those of the locale's encoding. Where no locale is said, Python and we take the terminal for one of UTF-8."""
    if _is_plain(os.environ):
        return ASCII
    encoding = locale.getpreferredencoding(False)
    try:
        "".join(text for text in vars(UNICODE).values() if isinstance(text, str)).encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def _is_plain(variables: Mapping[str, str]) -> bool:
    """Whether somebody has said that it is C, which Python makes UTF-8 of, by LC_CTYPE if it may."""
    said = [variables.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if said[1] == COERCED and said[2]:
        said.remove(COERCED)
    return next(filter(None, said), "") in ("C", "POSIX")
