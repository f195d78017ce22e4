"""Names of the kernel's functions, from /proc/kallsyms, which is read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sysmon.recorder.symbols.wire import Frame

KALLSYMS = Path("/proc/kallsyms")
HIDDEN = "kernel functions: hidden by kernel.kptr_restrict; needs CAP_SYSLOG"


class KernelSymbols:
    """Functions, by address. Addresses are 8 bytes each; names stay in one block of bytes."""

    def __init__(self, path: Path = KALLSYMS) -> None:
        self.missing: str | None = None
        """Why there are no names."""
        found: list[tuple[int, bytes]] = []
        try:
            with open(path, "rb") as lines:
                for line in lines:
                    words = line.split()
                    if len(words) > 2 and words[1] in b"tTwW" and words[0].strip(b"0"):
                        found.append((int(words[0], 16), b" ".join(words[2:4])))
        except OSError as error:
            self.missing = f"kernel functions: {error.strerror}"
        if not found:
            self.missing = self.missing or HIDDEN
        found.sort(key=lambda each: each[0])
        self._addresses = np.fromiter((address for address, _name in found), np.uint64, len(found))
        self._ends = np.cumsum(np.fromiter((len(name) for _address, name in found), np.uint32, len(found)))
        self._names = b"".join(name for _address, name in found)

    def of(self, address: int) -> Frame | None:
        """The function that contains or precedes an address; None if there is none."""
        at = int(np.searchsorted(self._addresses, np.uint64(address), "right")) - 1
        if at < 0:
            return None
        begin = int(self._ends[at - 1]) if at else 0
        name, _space, module = self._names[begin : int(self._ends[at])].decode("utf-8", "replace").partition(" ")
        offset = address - int(self._addresses[at])
        return Frame(name, module.strip("[]") or "kernel", None, offset, None, None)
