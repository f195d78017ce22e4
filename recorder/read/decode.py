"""From the bytes that the kernel wrote to Arrow columns, a batch at a time.

Every value goes through numpy or Arrow as part of a whole column; Python looks at a single value only when a string
is not UTF-8, and once for each different command name. Names of which there are few are dictionaries: they wait in less
memory, and the file is written of them with less work.
"""

from __future__ import annotations

import functools
import re
import socket
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.bpf import columns, errnos
from sysmon.bpf.kind import COMM_LEN, Col, Kind
from sysmon.bpf.kinds import calls, sockets, syscalls
from sysmon.bpf.trace_file import schema
from sysmon.recorder.load.syscall_names import SyscallNames

Records = npt.NDArray[np.void]


def escape(raw: bytes) -> str:
    """The text of bytes from the kernel: those that are not UTF-8 become \\xNN."""
    return raw.decode("utf-8", "backslashreplace")


def in_order(records: Records) -> Records:
    """The records in the order of `ts`. Those of a ring are nearly: its order is that of reserving, CPU by CPU."""
    ts = records["ts"]
    if (ts[1:] >= ts[:-1]).all():
        return records
    words = records.view(np.uint64).reshape(len(records), -1)  # numpy moves rows of these ten times as fast as records
    return words.take(np.argsort(ts, kind="stable"), axis=0).view(records.dtype).ravel()


def _or_none(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """The mask of what is NULL; None if nothing is, which takes Arrow less."""
    return mask if mask.any() else None


def chosen(values: Sequence[str | None], index: npt.NDArray[Any]) -> pa.DictionaryArray:
    """The value that each row chooses by its number. None is NULL."""
    unknown = np.array([value is None for value in values], bool)
    place = np.cumsum(~unknown, dtype=np.int32) - np.int32(1)
    mask = unknown[index] if unknown.any() else None
    known = pa.array([value for value in values if value is not None], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(place[index], pa.int32(), mask=mask), known)


def comms(names: npt.NDArray[np.bytes_]) -> pa.Array:
    """Command names, cut at their first NUL: what follows it is not promised to be zero."""
    letters = np.ascontiguousarray(names).view(np.uint8).reshape(len(names), COMM_LEN)
    cut = np.where(np.logical_or.accumulate(letters == 0, axis=1), 0, letters).astype(np.uint8)
    distinct, index = np.unique(cut.view(f"S{COMM_LEN}").ravel(), return_inverse=True)
    return chosen([escape(d) for d in distinct.tolist()], index.ravel())


def raw_strings(buffers: npt.NDArray[np.void], lengths: npt.NDArray[np.uint32]) -> pa.BinaryArray:
    """The first `lengths` bytes of each buffer."""
    width = buffers.dtype.itemsize
    used = np.minimum(lengths, width).astype(np.int32)
    offsets = np.zeros(len(used) + 1, np.int32)
    np.cumsum(used, out=offsets[1:])
    # In pieces of 1 MiB, as the mask is as large as the buffers.
    step = max(1, (1 << 20) // width)
    pieces = []
    for at in range(0, len(used), step):
        bytes_ = np.ascontiguousarray(buffers[at : at + step]).view(np.uint8).reshape(-1, width)
        pieces.append(bytes_[np.arange(width) < used[at : at + step, None]])
    data = np.concatenate(pieces) if pieces else np.empty(0, np.uint8)
    return pa.Array.from_buffers(pa.binary(), len(used), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def text_of(raw: pa.Array) -> pa.Array:
    """Bytes as text."""
    if pa.types.is_dictionary(raw.type):
        return pa.DictionaryArray.from_arrays(raw.indices, text_of(raw.dictionary))
    try:
        return raw.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if v is None else escape(v) for v in raw.to_pylist()], pa.string())


def not_text(raw: pa.Array) -> pa.BinaryArray | None:
    """The bytes that are not UTF-8, NULL for those that are. None if all are."""
    try:
        (raw.dictionary if pa.types.is_dictionary(raw.type) else raw).cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([None if v is None or _is_utf8(v) else v for v in raw.to_pylist()], pa.binary())
    return None


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def strings(buffers: npt.NDArray[np.void], lengths: npt.NDArray[np.uint32]) -> pa.Array:
    """The first `lengths` bytes of each buffer, as text."""
    return text_of(raw_strings(buffers, lengths))


SLASHES = re.compile(rb"/(?:\.?/)+")


def path_of(names: bytes) -> bytes:
    """The absolute path of names, the innermost first, each with a NUL; the first may be a path itself.

    An empty name says that what comes after it was removed; at the end, that all this is in no directory.
    """
    parts = names[:-1].split(b"\0")
    if names.endswith(b"\0\0"):
        return b"/".join(reversed([part for part in parts if part]))
    removed = [False, *(not part for part in parts[:-1])]
    told = [part + b" (deleted)" * gone for part, gone in zip(parts, removed, strict=True) if part]
    return SLASHES.sub(b"/", b"/" + b"/".join(reversed(told)))


def directories(names: pa.BinaryArray) -> pa.DictionaryArray:
    """Absolute paths of directories from the names on the way up from them, each with a NUL after it."""
    distinct = names.dictionary_encode()
    paths = [path_of(v) for v in distinct.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(distinct.indices, pa.array(paths, pa.binary()))


def arguments(buffers: npt.NDArray[np.void], lengths: npt.NDArray[np.uint32]) -> pa.Array:
    """Lists of the NUL-terminated strings in each buffer. The last may have lost its NUL by truncation."""
    text = strings(buffers, lengths)
    lists = pc.split_pattern(pc.replace_substring_regex(text, "\x00$", ""), "\x00")
    return pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar([], lists.type), lists)


def ip_address(raw: bytes) -> str | None:
    """The text of an IPv4 or IPv6 address of 4 or 16 bytes."""
    family = {4: socket.AF_INET, 16: socket.AF_INET6}.get(len(raw))
    return None if family is None else socket.inet_ntop(family, raw)


def unix_address(raw: bytes) -> tuple[str, bytes]:
    """A unix socket's address as text, and its bytes: a path ends at a NUL, an abstract name begins with one."""
    if raw.startswith(b"\0"):
        return "@" + escape(raw[1:]), raw
    path = raw.split(b"\0")[0]
    return escape(path), path


class Names:
    """Names of numbers of 16 bits, as a dictionary that has those that were seen."""

    MOST = 1024
    """With more names it is begun anew: a process may make calls of any number."""

    _NEW, _NULL = -1, -2  # in place of the place of a number's name

    def __init__(self, look_up: Callable[[int], str | None]) -> None:
        self._look_up = look_up
        self._forget()

    def _forget(self) -> None:
        self._places = np.full(1 << 16, self._NEW, np.int32)
        self._known: dict[str, int] = {}  # name → its place
        self._dictionary = pa.array([], pa.string())

    def column(self, numbers: npt.NDArray[np.uint16]) -> pa.DictionaryArray:
        """The name of each; NULL if `look_up` has none."""
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
    what starts of processes are rounded down to, as those that are looked up elsewhere are.
    """

    def __init__(
        self, offset_ns: int, names: SyscallNames, unmeasured: frozenset[str] = frozenset(), tick_ns: int = 1
    ) -> None:
        self.offset_ns, self._tick_ns = offset_ns, tick_ns
        self._unmeasured = unmeasured
        self._by_raw_number = {
            syscalls.NR.name: self._number,
            syscalls.ABI.name: Names(names.abi).column,
            syscalls.SYSCALL.name: Names(names.name).column,
        }
        self._errors = Names(lambda number: errnos.name(-number))
        self._moving_bytes = names.numbers(calls.MOVING_BYTES)

    def starts(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """When processes began, as rows say it."""
        return values if self._tick_ns == 1 else values // self._tick_ns * self._tick_ns

    def batch(self, kind: Kind, records: Records, **derived: str) -> pa.RecordBatch:
        """The records as the columns of their kind; texts may be dictionaries.

        Left out are columns that are NULL in all of them, and derived columns that are given neither by a rule here nor
        by `derived`, one text for all rows.
        """
        arrays, fields = [], []
        by_name = {f"{c.name}_bytes": c for c in kind.cols if c.variable}

        @functools.cache
        def raw(col: Col) -> pa.Array:
            return self._raw(col, records)

        for col, field in zip(kind.cols, schema.of_kind(kind), strict=True):
            if col.type == "binary" and col.derived:
                of = by_name[col.name]
                if of.name not in (records.dtype.names or ()):
                    array = None
                else:
                    array = self._addresses(raw(of), records)[1] if of.type == "address" else not_text(raw(of))
            else:
                array = self._column(col, records, derived, raw)
            if array is not None:
                arrays.append(array)
                fields.append(field.with_type(array.type))
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _column(
        self, col: Col, records: Records, derived: dict[str, str], raw: Callable[[Col], pa.Array]
    ) -> pa.Array | None:
        if col.name in self._unmeasured:
            return None
        by_number = self._by_raw_number.get(col.name)
        if by_number is not None:
            return by_number(records["nr"])
        if col.name == syscalls.BYTES.name:
            return pa.array(records[col.name], pa.uint64(), mask=~np.isin(records["nr"], self._moving_bytes))
        if col.name == columns.ERROR.name:
            return self._error(records)
        if col.derived:
            text = derived.get(col.name)
            return None if text is None else chosen([text], np.zeros(len(records), np.int32))
        if col.type == "comm":
            return comms(records[col.name])
        if col.variable and col.name not in (records.dtype.names or ()):
            return None  # this ring's records have no room for it
        if col.type in ("bytes", "names"):
            return text_of(raw(col))
        if col.type == "binary":
            return raw(col)
        if col.type == "address":
            return self._addresses(raw(col), records)[0]
        if col.type == "choice":
            return chosen([*col.names, None], np.minimum(records[col.name], len(col.names)))
        if col.type == "argv":
            return arguments(records[col.name], records[f"{col.name}_len"])
        return self._scalar(col, np.ascontiguousarray(records[col.name]))

    def _raw(self, col: Col, records: Records) -> pa.Array:
        lengths = records[f"{col.name}_len"]
        unknown = np.zeros(len(lengths), bool) if col.null is None else lengths == col.null
        raw = raw_strings(records[col.name], np.where(unknown, 0, lengths))
        raw = pc.if_else(pa.array(unknown), None, raw) if unknown.any() else raw
        return directories(raw) if col.type == "names" else raw

    def _addresses(self, raw: pa.BinaryArray, records: Records) -> tuple[pa.StringArray, pa.BinaryArray]:
        """Addresses as text, and the bytes of those whose text is not exactly them."""
        distinct = raw.dictionary_encode()
        raws = distinct.dictionary.to_pylist()
        of_unix = pa.array(records["family"] == sockets.FAMILIES.index("AF_UNIX"))
        unix = [unix_address(raw) for raw in raws]
        inexact = [None if text.encode() == raw else raw for text, raw in unix]
        texts = pc.if_else(
            of_unix,
            pa.array([text for text, _raw in unix], pa.string()).take(distinct.indices),
            pa.array([ip_address(raw) for raw in raws], pa.string()).take(distinct.indices),
        )
        return texts, pc.if_else(of_unix, pa.array(inexact, pa.binary()).take(distinct.indices), None)

    def _scalar(self, col: Col, values: npt.NDArray[np.generic]) -> pa.Array:
        mask = None if col.null is None else _or_none(values == values.dtype.type(col.null))
        if col.type == "time":
            values = values.astype(np.int64) + self.offset_ns
        elif col.type == "start":
            values = self.starts(values)
        elif col.type == "bool":
            values = values != 0
        return pa.array(values, schema.arrow_type(col), mask=mask)

    def _number(self, raw: npt.NDArray[np.uint16]) -> pa.Array:
        number = raw & np.uint16(syscalls.UNKNOWN_NR)
        return pa.array(number, pa.uint16(), mask=_or_none(number == syscalls.UNKNOWN_NR))

    def _error(self, records: Records) -> pa.Array:
        if syscalls.ERRNO.name in (records.dtype.names or ()):
            numbers = records[syscalls.ERRNO.name]
        else:
            results = records[columns.RESULT.name]
            numbers = np.where((results < 0) & (results >= -4095), -results, 0).astype(np.uint16)
        return self._errors.column(numbers)
