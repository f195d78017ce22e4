"""Addresses of kernel symbols, from /proc/kallsyms."""

from __future__ import annotations

import functools


@functools.cache
def _shown(name: str) -> int | None:
    """The address that /proc/kallsyms shows: 0 if it is hidden from this process; None if there is no such symbol."""
    ending = b" " + name.encode() + b"\n"
    try:
        with open("/proc/kallsyms", "rb") as f:
            # 10 MB: searched in chunks of lines, which is faster than line by line.
            while lines := f.readlines(1 << 18):
                text = b"".join(lines)
                if (at := text.find(ending)) >= 0:
                    return int(text[text.rfind(b"\n", 0, at) + 1 :].split(None, 1)[0], 16)
    except OSError:
        pass
    return None


def address(name: str) -> int | None:
    """The address of a kernel symbol; None if there is no such symbol or it is hidden."""
    return _shown(name) or None


def is_hidden(name: str) -> bool:
    """Whether the kernel has this symbol but hides its address (kptr_restrict)."""
    return _shown(name) == 0
