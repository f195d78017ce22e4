"""Reads what programs count: the maps of a kind, one of two at a time, and the totals of what was lost.

While programs fill one map of a pair, the other is read and emptied. A snapshot swaps them, and waits until no program
can still be using the map that it reads. So counts are exact, nothing is counted twice, and a map never holds more than
one interval's entries, however many processes come and go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sysmon.bpf.kind import Kind, map_layouts
from sysmon.bpf.programs import csource, probes, structs
from sysmon.recorder.load import bpf_maps, program, symbols
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.sample import clock

ZERO_KEY = bytes(4)


class Control:
    """Starts and stops the recording in the kernel, and swaps the maps."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._grace = bpf_maps.GracePeriod()
        self.t0 = 0
        self.epoch = 0
        self._last_epoch = 0
        self._filters = self._cgroup = 0
        self._cpu_offsets = symbols.address(program.PER_CPU_OFFSETS) or 0

    def _set(self, epoch: int) -> None:
        self.epoch = epoch
        control = structs.packed(
            structs.CONTROL,
            t0=self.t0,
            epoch=epoch,
            filters=self._filters,
            cpu_offsets=self._cpu_offsets,
            cgroup=self._cgroup,
            turned=clock.boottime_ns() if self._last_epoch > 1 else self.t0,
        )
        bpf_maps.update(self._loaded.maps["controls"], ZERO_KEY, control)

    def start(self, t0: int, filters: int, cgroup: int = 0) -> None:
        """From now on programs record what passes the filters. The recording begins at `t0` [ns, CLOCK_BOOTTIME].

        `cgroup`: the id of the selected control group.
        """
        self.t0, self._filters, self._cgroup = t0, filters, cgroup
        self._turn()

    def _turn(self) -> int:
        """From now on programs fill the other maps. Returns the epoch that ended."""
        ended, self._last_epoch = self._last_epoch, self._last_epoch + 1
        self._set(self._last_epoch)
        return ended

    def turn(self) -> int:
        """Ends an epoch, waits until no program can touch its maps any more, and returns its number."""
        ended = self._turn()
        self._grace.wait()
        return ended

    def stop(self) -> tuple[int, clock.Clocks]:
        """Stops recording. Returns the last epoch, and when it ended."""
        self._set(0)
        ended = clock.read()
        self._grace.wait()
        return self._last_epoch, ended

    def close(self) -> None:
        """Frees the maps that `turn` uses."""
        self._grace.close()


class MapPair:
    """The two maps of a kind, each with another for what does not fit into it."""

    def __init__(self, kind: Kind, loaded: Loaded, cpus: int, buffers: bpf_maps.Buffers | None = None) -> None:
        self.kind = kind
        names = zip(csource.map_names(kind), csource.other_names(kind), strict=True)
        odd, even = ([loaded.maps[name] for name in of_epoch] for of_epoch in names)
        self._fds = (even, odd)
        key, value = map_layouts(kind)
        self._key, self._value, self._cpus = key.dtype, value.dtype, cpus
        self._key_fields = [f.name for f in key.fields if f.name != "pad_"]
        self._drainer = bpf_maps.Drainer(self._key.itemsize, self._value.itemsize, cpus, buffers=buffers)
        self._record = np.dtype(
            [("ts", "<u8"), *((f.name, f.np_type) for f in (*key.fields, *value.fields) if f.name != "pad_")]
        )

    def drain(self, epoch: int, ts: int) -> npt.NDArray[np.void]:
        """The counts of an epoch that has ended, one record per key, summed over CPUs. `ts` is CLOCK_BOOTTIME [ns]."""
        pieces = [
            self._summed(np.frombuffer(keys, self._key), np.frombuffer(values, self._value), ts)
            for fd in self._fds[epoch & 1]
            for keys, values in self._drainer.drain(fd)
        ]
        return np.concatenate(pieces)

    def _summed(self, keys: npt.NDArray[np.void], of_cpus: npt.NDArray[np.void], ts: int) -> npt.NDArray[np.void]:
        values = of_cpus.reshape(len(keys), self._cpus).T
        records = np.empty(len(keys), self._record)
        records["ts"] = ts
        for name in self._key_fields:
            records[name] = keys[name]
        for col in self.kind.c_cols("sum"):
            records[col.name] = _of_all(np.add, values[col.name], records.dtype[col.name])
        for col in self.kind.c_cols("max"):
            records[col.name] = _of_all(np.maximum, values[col.name], records.dtype[col.name])
        self._fill_any(records, values)
        return records

    def _fill_any(self, records: npt.NDArray[np.void], values: npt.NDArray[np.void]) -> None:
        """Fills the columns that are no counts: names from any CPU that has one, others from one that counted."""
        counted = np.logical_or.reduce([values[col.name] != 0 for col in self.kind.c_cols("sum")]).argmax(axis=0)
        of_one = values[counted, np.arange(len(records))]
        for col in self.kind.c_cols("any"):
            if col.type == "comm":
                records[col.name] = _of_any(values[col.name])
                continue
            records[col.name] = of_one[col.name]
            if col.variable:
                records[f"{col.name}_len"] = of_one[f"{col.name}_len"]


def _of_any(of_cpus: npt.NDArray[np.bytes_]) -> npt.NDArray[np.bytes_]:
    """For each row the text of the first CPU that has one."""
    out: npt.NDArray[np.bytes_] = of_cpus[0].copy()
    for of_cpu in of_cpus[1:]:
        np.copyto(out, of_cpu, where=out == b"")
    return out


def _of_all(combine: np.ufunc, of_cpus: npt.NDArray[np.generic], dtype: np.dtype[Any]) -> npt.NDArray[np.generic]:
    """The values combined over CPUs, one CPU at a time: numpy takes five times as long along the short axis."""
    out: npt.NDArray[np.generic] = of_cpus[0].astype(dtype)
    for of_cpu in of_cpus[1:]:
        combine(out, of_cpu, out=out, casting="same_kind")
    return out


@dataclass(frozen=True)
class Totals:
    """Totals since the recording began: events lost by cause, and entries created in each kind's maps.

    `recovered`: program → times that its copy ran because it was skipped itself.
    """

    lost: npt.NDArray[np.uint64]
    cells: npt.NDArray[np.uint64]
    recovered: dict[str, int]

    def skipped(self, misses: dict[str, int]) -> dict[str, int]:
        """Events that neither a program nor its copy saw. `misses`: program → times that the kernel skipped it.

        A skipped copy alone loses nothing.
        """
        copies = {name + probes.AGAIN for name in self.recovered}
        return {name: n - self.recovered.get(name, 0) for name, n in misses.items() if name not in copies}


class TotalsMap:
    """The programs' totals, one `csource.totals` for each CPU."""

    def __init__(self, loaded: Loaded, cpus: int) -> None:
        self._fd, self._cpus = loaded.maps["totals"], cpus
        self._of_cpu = csource.totals().dtype

    def cells(self) -> npt.NDArray[np.uint64]:
        """The entries created in each kind's maps alone."""
        created: npt.NDArray[np.uint64] = self._of_cpus()["cells"].sum(axis=0)
        return created

    def _of_cpus(self) -> npt.NDArray[np.void]:
        return np.frombuffer(bpf_maps.lookup(self._fd, ZERO_KEY, self._of_cpu.itemsize * self._cpus), self._of_cpu)

    def read(self) -> Totals:
        """The sums over all CPUs."""
        of_cpus = self._of_cpus()
        lost, cells, recovered = (of_cpus[name].sum(axis=0) for name in ("lost", "cells", "recovered"))
        return Totals(lost, cells, dict(zip(probes.COPIED, recovered.tolist(), strict=True)))
