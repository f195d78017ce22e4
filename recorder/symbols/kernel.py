"""Names of the kernel's functions, from /proc/kallsyms, which is read once."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sysmon.recorder.symbols.demangle import demangled
from sysmon.recorder.symbols.wire import Frame

KALLSYMS = Path("/proc/kallsyms")
KERNEL = "kernel"
"""In place of a file, for functions that are in no module."""

RESTRICTION = Path("/proc/sys/kernel/kptr_restrict")

HIDDEN_FROM_ALL = "kernel functions: hidden from everyone; set kernel.kptr_restrict to 1, and sysmon needs CAP_SYSLOG"
HIDDEN = "kernel functions: hidden; needs CAP_SYSLOG or, with kernel.kptr_restrict 0, kernel.perf_event_paranoid 1"
"""As kallsyms_show_value() decides (kernel/ksyms_common.c)."""

DIGITS = 16
"""Of an address, at the beginning of a line: then come its type and its name, and the name of its module."""

CODE = b"tTwW"

LONGEST = 1 << 16
"""Of a function. The list has no ends; farther from the last name is code that was loaded later: a module, a program.
Of the 120,000 functions of a Linux 6.18 the longest has 21 KB.
"""


class KernelSymbols:
    """Functions, by address. Names stay in the text: parsing its 200,000 lines one by one would take half a second."""

    def __init__(self, path: Path = KALLSYMS) -> None:
        self.missing: str | None = None
        """Why there are no names."""
        try:
            self._text = path.read_bytes()
        except OSError as error:
            self._text, self.missing = b"", f"kernel functions: {error.strerror}"
        addresses, names = _functions(np.frombuffer(self._text, np.uint8))
        order = np.argsort(addresses, kind="stable")
        self._addresses, self._names = addresses[order], names[order]
        if not len(addresses):
            self.missing = self.missing or _why_hidden()

    def of(self, address: int) -> Frame | None:
        """The function that contains an address, or precedes it by less than LONGEST; None if there is none."""
        at = int(np.searchsorted(self._addresses, np.uint64(address), "right")) - 1
        if at < 0 or address - int(self._addresses[at]) >= LONGEST:
            return None
        begin = int(self._names[at])
        line = self._text[begin : self._text.find(b"\n", begin)].decode("utf-8", "replace")
        name, _space, module = line.partition("\t")
        # No offset: `names.py` says why no address of the kernel gets into a trace.
        return Frame(demangled(name.strip()), module.strip("[] ") or KERNEL, None, None, None, None)


def _why_hidden() -> str:
    with contextlib.suppress(OSError):
        if RESTRICTION.read_text().strip() == "2":
            return HIDDEN_FROM_ALL
    return HIDDEN


def _functions(text: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Addresses that are not hidden, and where in the text their names begin."""
    ends = np.flatnonzero(text == ord("\n"))
    begins = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    begins = begins[ends - begins > DIGITS + 3]
    begins = begins[np.isin(text[begins + DIGITS + 1], np.frombuffer(CODE, np.uint8))]
    addresses = np.zeros(len(begins), np.uint64)
    for place in range(DIGITS):
        digit = text[begins + place]
        addresses = addresses << np.uint64(4) | np.where(digit > ord("9"), digit - ord("a") + 10, digit - ord("0"))
    shown = addresses > 0
    return addresses[shown], begins[shown] + DIGITS + 3
