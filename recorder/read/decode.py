"""Decodes bytes from the kernel into Arrow columns, a batch at a time.

A column is decoded by the rule in its declaration, or else by its type; `strings.py` decodes text. Names that repeat
become dictionaries, which take less memory and less work to write.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.bpf import columns, errnos
from sysmon.bpf.kind import Col, Kind, Rule
from sysmon.bpf.kinds import calls, dns, sockets, syscalls
from sysmon.bpf.trace_file import schema
from sysmon.bpf.types import ColType
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read import strings

Records = npt.NDArray[np.void]

Raw = Callable[[Col], pa.Array]
"""The bytes of a column with a length of its own, copied out of the records once."""

AF_UNIX = sockets.FAMILIES.index("AF_UNIX")


def in_order(records: Records) -> Records:
    """The records in the order of `ts`. In a ring they are nearly so, as its order is that of reservation."""
    ts = records["ts"]
    if (ts[1:] >= ts[:-1]).all():
        return records
    words = records.view(np.uint64).reshape(len(records), -1)  # numpy moves rows of bytes ten times as fast as records
    return words.take(np.argsort(ts, kind="stable"), axis=0).view(records.dtype).ravel()


def _or_none(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """The mask of NULLs; None if there are none, which is faster in Arrow."""
    return mask if np.count_nonzero(mask) else None


class Names:
    """Names of 16-bit numbers, as a dictionary of those seen so far."""

    MOST = 1024
    """With more names the dictionary starts again: a process may make calls with any number."""

    _NEW, _NULL = -1, -2  # instead of the index of a number's name

    def __init__(self, look_up: Callable[[int], str | None]) -> None:
        self._look_up = look_up
        self._forget()

    def _forget(self) -> None:
        self._places = np.full(1 << 16, self._NEW, np.int32)
        self._known: dict[str, int] = {}  # name → its index
        self._dictionary = pa.array([], pa.string())

    def column(self, numbers: npt.NDArray[np.uint16]) -> pa.DictionaryArray:
        """The name of each number; NULL if `look_up` has none."""
        if len(self._known) > self.MOST:
            self._forget()
        places = self._places[numbers]
        new = places == self._NEW
        if new.any():
            self._learn(np.unique(numbers[new]).tolist())
            places = self._places[numbers]
        return pa.DictionaryArray.from_arrays(pa.array(places, mask=_or_none(places < 0)), self._dictionary)

    def _learn(self, numbers: list[int]) -> None:
        for number in numbers:
            name = self._look_up(number)
            self._places[number] = self._NULL if name is None else self._known.setdefault(name, len(self._known))
        self._dictionary = pa.array(list(self._known), pa.string())


class Decoder:
    """Decodes the records of every kind. `offset_ns` turns CLOCK_BOOTTIME into UTC.

    `unmeasured` are columns that the programs cannot fill on this kernel: they are left out and so NULL. `tick_ns`:
    the multiple that start times of processes are rounded down to, so that they match those from /proc.
    """

    def __init__(
        self, offset_ns: int, names: SyscallNames, unmeasured: frozenset[str] = frozenset(), tick_ns: int = 1
    ) -> None:
        self.offset_ns, self._tick_ns = offset_ns, tick_ns
        self._unmeasured = unmeasured
        self._abis, self._calls = Names(names.abi), Names(names.name)
        self._errors = Names(lambda number: errnos.name(-number))
        self._moving_bytes = names.numbers(calls.MOVING_BYTES)
        self._by_rule: dict[Rule, Callable[[Records], pa.Array]] = {
            "call": self._number,
            "call table": lambda records: self._abis.column(records[syscalls.NR.name]),
            "call name": lambda records: self._calls.column(records[syscalls.NR.name]),
            "error": self._error,
            "bytes moved": self._bytes_moved,
            "domain": _domains,
        }
        self._by_type: dict[ColType, Callable[[Col, Records, Raw], pa.Array]] = {
            "comm": lambda col, records, _: strings.comms(records[col.name]),
            "choice": _choice,
            "argv": lambda col, records, _: strings.arguments(records[col.name], records[f"{col.name}_len"]),
            "bytes": lambda col, _, raw: strings.text_of(raw(col)),
            "names": lambda col, _, raw: strings.text_of(raw(col)),
            "binary": lambda col, _, raw: raw(col),
            "address": lambda col, records, raw: _addresses(raw(col), records)[0],
        }

    def starts(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Start times of processes as they are written in rows."""
        return values if self._tick_ns == 1 else values // self._tick_ns * self._tick_ns

    def batch(self, kind: Kind, records: Records, **derived: str) -> pa.RecordBatch:
        """The records as the columns of their kind; text may be dictionaries. `derived`: column → its text in all rows.

        Columns that are NULL in all rows are left out, and derived columns without a rule or a text in `derived`. The
        schema has no metadata: what is written gets it from the declarations.
        """
        arrays, names = [], []
        raw = functools.cache(functools.partial(_raw, records=records))
        for col in kind.cols:
            if col.type == "binary" and col.derived:
                array = _inexact(_column_of(kind, col), records, raw)
            else:
                array = self._column(col, records, derived, raw)
            if array is not None:
                arrays.append(array)
                names.append(col.name)
        return pa.RecordBatch.from_arrays(arrays, names)

    def _column(self, col: Col, records: Records, derived: dict[str, str], raw: Raw) -> pa.Array | None:
        if col.name in self._unmeasured:
            return None
        if col.rule:
            return self._by_rule[col.rule](records)
        if col.derived:
            text = derived.get(col.name)
            return None if text is None else strings.chosen([text], np.zeros(len(records), np.int32))
        if col.variable and not _has(records, col):
            return None  # this ring's records do not have it
        decode = self._by_type.get(col.type)
        return decode(col, records, raw) if decode else self._scalar(col, np.ascontiguousarray(records[col.name]))

    def _scalar(self, col: Col, values: npt.NDArray[np.generic]) -> pa.Array:
        mask = None if col.null is None else _or_none(values == values.dtype.type(col.null))
        if col.type == "time":
            values = values.astype(np.int64) + self.offset_ns
        elif col.type == "start":
            values = self.starts(values)
        elif col.type == "bool":
            values = values != 0
        return pa.array(values, schema.arrow_type(col), mask=mask)

    def _number(self, records: Records) -> pa.Array:
        number = records[syscalls.NR.name] & np.uint16(syscalls.UNKNOWN_NR)
        return pa.array(number, pa.uint16(), mask=_or_none(number == syscalls.UNKNOWN_NR))

    def _bytes_moved(self, records: Records) -> pa.Array:
        moves_none = ~np.isin(records[syscalls.NR.name], self._moving_bytes)
        return pa.array(records[syscalls.BYTES.name], pa.uint64(), mask=moves_none)

    def _error(self, records: Records) -> pa.Array:
        if _has(records, syscalls.ERRNO):
            numbers = records[syscalls.ERRNO.name]
        else:
            results = records[columns.RESULT.name]
            numbers = np.where((results < 0) & (results >= -4095), -results, 0).astype(np.uint16)
        return self._errors.column(numbers)


def _has(records: Records, col: Col) -> bool:
    return col.name in (records.dtype.names or ())


@functools.cache
def _column_of(kind: Kind, exact: Col) -> Col:
    """The column X whose bytes a derived column X_bytes has."""
    return next(c for c in kind.cols if f"{c.name}_bytes" == exact.name)


def _raw(col: Col, records: Records) -> pa.Array:
    lengths = records[f"{col.name}_len"]
    unknown = np.zeros(len(lengths), bool) if col.null is None else lengths == col.null
    raw = strings.raw_strings(records[col.name], np.where(unknown, 0, lengths))
    raw = pc.if_else(pa.array(unknown), None, raw) if unknown.any() else raw
    return strings.directories(raw) if col.type == "names" else raw


def _inexact(col: Col, records: Records, raw: Raw) -> pa.BinaryArray | None:
    """The bytes of values that their text does not represent exactly; None if there are none."""
    if not _has(records, col):
        return None
    return _addresses(raw(col), records)[1] if col.type == "address" else strings.not_text(raw(col))


def _domains(records: Records) -> pa.DictionaryArray:
    return strings.domains(_raw(dns.DOMAIN, records))


def _choice(col: Col, records: Records, _: Raw) -> pa.DictionaryArray:
    return strings.chosen([*col.names, None], np.minimum(records[col.name], len(col.names)))


def _addresses(raw: pa.BinaryArray, records: Records) -> tuple[pa.StringArray, pa.BinaryArray]:
    return strings.addresses(raw, records["family"] == AF_UNIX)
