"""Makes text from a trace or a user safe to show: the escaping of names.

A program may call itself anything: escape sequences that repaint the terminal, newlines that forge a row, marks that
reverse the text direction. Visible letters stay; what acts instead of showing becomes \\xNN or \\uNNNN. Formats that
keep text exactly (JSON) do not use this.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

ACTING = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible, line ends, bidi
    "\ud800-\udfff"  # lone surrogates: no encoding can write them
    "\U000e0000-\U000e007f"  # tags: invisible
    "]"
)

FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""First characters that make a spreadsheet run a cell, including full-width ones; OWASP "CSV Injection"."""

MARKUP = re.compile(r"[\\`*\[\]<>|~&]")
"""Characters that start markup inside a cell. An underscore inside a word does not, and names are full of them."""


def shown(text: str) -> str:
    """The text with everything escaped that acts on a terminal or cannot be encoded."""
    if text.isascii() and text.isprintable():
        return text  # most text is, and this takes a tenth of the time
    return ACTING.sub(lambda match: escape(match[0]), text)


LAYOUT = "\n\t"
"""Characters that act, and that our own texts contain."""

_ASCII_ACTING = bytes(c for c in range(128) if ACTING.match(chr(c)) and chr(c) not in LAYOUT)
_ASCII = bytes(range(128))


def for_output(text: str) -> str:
    """The text with everything that acts escaped as \\uNNNN, which JSON reads back; line ends and tabs stay.

    A last safeguard, for text that was already made safe. It is fast when there is nothing to do: deleting a set of
    bytes takes an eighth of the time of searching for them.
    """
    data = text.encode("utf-8", "surrogatepass")
    if len(data.translate(None, _ASCII_ACTING)) == len(data) and (
        len(data) == len(text) or not ACTING.search(data.translate(None, _ASCII).decode("utf-8", "surrogatepass"))
    ):
        return text
    return ACTING.sub(lambda match: match[0] if match[0] in LAYOUT else json_escaped(match[0]), text)


def json_escaped(text: str) -> str:
    """Each character as \\uNNNN, above 65535 as a surrogate pair."""
    units = text.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))


def one_line(text: str) -> str:
    """A message in one line: white space folded, the rest as `shown`."""
    return shown(" ".join(text.split()))


def shell_word(text: str) -> str:
    """The text as one word of a command that can be typed or pasted, whatever acts in it.

    What acts is in the quotes `$'…'` of bash, zsh and POSIX 2024, as bytes in octal.
    """
    if not ACTING.search(text):
        return shlex.quote(text)
    return "$'" + re.sub(rf"{ACTING.pattern}|[\\\\']", lambda match: _octal(match[0]), text) + "'"


def shell_command(words: Iterable[str]) -> str:
    """Words as a command that can be typed or pasted."""
    return " ".join(map(shell_word, words))


def _octal(character: str) -> str:
    is_byte = "\udc80" <= character <= "\udcff"  # Python's stand-in for a byte that is not UTF-8, see PEP 383
    encoded = character.encode("utf-8", "surrogateescape" if is_byte else "surrogatepass")
    return "".join(f"\\{byte:03o}" for byte in encoded)


def csv_cell(text: str) -> str:
    """The text as a cell that no spreadsheet runs: with an apostrophe in front if it looks like a formula."""
    safe = shown(text)
    return f"'{safe}" if FORMULA.match(safe) else safe


def markdown_cell(text: str) -> str:
    """The text as a Markdown table cell: nothing in it is markup, HTML or the end of the cell."""
    return MARKUP.sub(r"\\\g<0>", shown(text))


def escape(character: str) -> str:
    """The character as \\xNN, \\uNNNN or \\UNNNNNNNN."""
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
