"""TCP connections that are there: found by their descriptors at the start, and made rows at the end.

Uses an iterator of the descriptors of all processes (Linux 5.8), which sees the sockets of every network namespace: the
kernel's own lists of sockets show those of one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from sysmon.bpf.programs import probes
from sysmon.recorder.load import bpf_maps, bpf_programs
from sysmon.recorder.load.loader import Loaded

AT_ONCE = 1024
"""Rows made between two times that their ring is read, which has room for many more."""


class Connections:
    """Looks at the connections that are there, until it is closed."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self.missing = ""  # which connections have no row, and why
        self._link: int | None = None
        if probes.DESCRIPTOR_PROGRAM not in loaded.programs:
            self._lacks_old(loaded.refused.get(probes.DESCRIPTOR_PROGRAM, "the kernel has no iterator of descriptors"))
            return
        try:
            self._link = bpf_programs.attach_iterator(loaded.programs[probes.DESCRIPTOR_PROGRAM])
        except OSError as error:
            self._lacks_old(f"the kernel refuses an iterator of descriptors: {error.strerror}")

    def _lacks_old(self, why: str) -> None:
        self.missing = f"of those that are older than the recording only how they ended: {why}"

    def look(self) -> None:
        """One pass over all descriptors: who has which connection."""
        if self._link is None:
            return
        try:
            for _nothing in bpf_programs.iterate(self._link):
                pass
        except OSError as error:
            self._lacks_old(f"the kernel let no more descriptors be read: {error.strerror}")

    def tell(self, ts: int, drain: Callable[[], object]) -> None:
        """Makes a row of each connection that goes on at `ts` [ns, CLOCK_BOOTTIME], and reads them with `drain`."""
        program = self._loaded.programs.get(probes.CONNECTION_PROGRAM)
        if program is None:
            return
        self.look()
        sockets = bpf_maps.keys(self._loaded.maps["connections"], 8)
        for begin in range(0, len(sockets), AT_ONCE):
            try:
                for key in sockets[begin : begin + AT_ONCE]:
                    bpf_programs.run(program, int.from_bytes(key, sys.byteorder), ts)
            except OSError as error:
                self.missing = f"only those that ended: the kernel runs no program for the others: {error.strerror}"
                return
            drain()

    def close(self) -> None:
        """Releases its kernel resources."""
        if self._link is not None:
            os.close(self._link)
            self._link = None
