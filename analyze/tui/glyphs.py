"""What the terminal's encoding can show: bars, marks and names."""

from __future__ import annotations

import locale
from dataclasses import dataclass

from sysmon.safe_text import shown


@dataclass(frozen=True)
class Glyphs:
    """`bars` from nothing to full; `cursor`, `path` and `cut` are single characters, `path` stands between places."""

    bars: str
    cursor: str
    path: str
    cut: str
    down: str
    up: str
    play: str
    pause: str
    ascii_only: bool = False

    def safe(self, text: str) -> str:
        """The text with everything escaped that acts on a terminal or that it cannot show."""
        safe = shown(text)
        return safe.encode("ascii", "backslashreplace").decode() if self.ascii_only else safe


UNICODE = Glyphs(" ▁▂▃▄▅▆▇█", "┃", " › ", "…", "▼", "▲", "▶", "⏸")
ASCII = Glyphs(" ..::||##", "|", " > ", ">", "v", "^", ">", "=", ascii_only=True)


def of_locale() -> Glyphs:
    """Those of the locale's encoding."""
    encoding = locale.getpreferredencoding(False)
    try:
        "".join(vars(UNICODE)[name] for name in ("bars", "cursor", "path", "cut", "down", "up", "play")).encode(
            encoding
        )
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE
