"""Decodes bytes from the kernel into columns of text: names, paths, arguments and addresses.

Numpy and Arrow process whole columns. Python handles a single value only if it is not UTF-8, and once for each distinct
command name, directory and address.
"""

from __future__ import annotations

import functools
import re
import socket
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sysmon.bpf.types import COMM_LEN


def escape(raw: bytes) -> str:
    """Bytes from the kernel as text: bytes that are not UTF-8 become \\xNN."""
    return raw.decode("utf-8", "backslashreplace")


def chosen(values: Sequence[str | None], index: npt.NDArray[Any]) -> pa.DictionaryArray:
    """The value that each row selects by index. None is NULL."""
    unknown, place, known = _places(tuple(values))
    mask = None if unknown is None else unknown[index]
    return pa.DictionaryArray.from_arrays(pa.array(place[index], pa.int32(), mask=mask), known)


@functools.lru_cache(maxsize=256)
def _places(
    values: tuple[str | None, ...],
) -> tuple[npt.NDArray[np.bool_] | None, npt.NDArray[np.int32], pa.StringArray]:
    """Which values are NULL, if any are; the place of each other among them; and these."""
    unknown = np.array([value is None for value in values], bool)
    place = np.cumsum(~unknown, dtype=np.int32) - np.int32(1)
    known = pa.array([value for value in values if value is not None], pa.string())
    return unknown if unknown.any() else None, place, known


def comms(names: npt.NDArray[np.bytes_]) -> pa.Array:
    """Command names, cut at their first NUL: the bytes after it may be anything."""
    letters = np.ascontiguousarray(names).view(np.uint8).reshape(len(names), COMM_LEN)
    cut = np.where(np.logical_or.accumulate(letters == 0, axis=1), 0, letters).astype(np.uint8)
    distinct, index = np.unique(cut.view(f"S{COMM_LEN}").ravel(), return_inverse=True)
    known = pa.array([escape(name) for name in distinct.tolist()], pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(index.ravel().astype(np.int32)), known)


def raw_strings(buffers: npt.NDArray[np.void], lengths: npt.NDArray[np.uint32]) -> pa.BinaryArray:
    """The first `lengths` bytes of each buffer."""
    width = buffers.dtype.itemsize
    used = np.minimum(lengths, width).astype(np.int32)
    offsets = np.zeros(len(used) + 1, np.int32)
    np.cumsum(used, out=offsets[1:])
    # In chunks of 1 MiB, as the mask is as large as the buffers.
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
    """The values that are not UTF-8; NULL for those that are. None if all are."""
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
    """The absolute path made of NUL-terminated names, innermost first; the first may be a path itself.

    An empty name says that the next one was removed or, at the end, that the file is in no directory.
    """
    parts = names[:-1].split(b"\0")
    if names.endswith(b"\0\0"):
        return b"/".join(reversed([part for part in parts if part]))
    removed = [False, *(not part for part in parts[:-1])]
    told = [part + b" (deleted)" * gone for part, gone in zip(parts, removed, strict=True) if part]
    return SLASHES.sub(b"/", b"/" + b"/".join(reversed(told)))


def directories(names: pa.BinaryArray) -> pa.DictionaryArray:
    """Absolute paths of directories from the NUL-terminated names on the way up from each."""
    distinct = names.dictionary_encode()
    paths = [path_of(v) for v in distinct.dictionary.to_pylist()]
    return pa.DictionaryArray.from_arrays(distinct.indices, pa.array(paths, pa.binary()))


def arguments(buffers: npt.NDArray[np.void], lengths: npt.NDArray[np.uint32]) -> pa.Array:
    """Lists of the NUL-terminated strings in each buffer. Truncation may have removed the last NUL."""
    text = strings(buffers, lengths)
    lists = pc.split_pattern(pc.replace_substring_regex(text, "\x00$", ""), "\x00")
    return pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar([], lists.type), lists)


def domain(raw: bytes) -> str:
    """A name as DNS sends it, labels with their lengths in front and without the root, as text (RFC 1035, 5.1)."""
    labels = []
    while raw:
        label, raw = raw[1 : 1 + raw[0]], raw[1 + raw[0] :]
        labels.append("".join(_escaped_in_domain(byte) for byte in label))
    return ".".join(labels) or "."


def _escaped_in_domain(byte: int) -> str:
    if byte in b".\\":
        return "\\" + chr(byte)
    return chr(byte) if 0x21 <= byte <= 0x7E else f"\\{byte:03}"


def domains(raw: pa.BinaryArray) -> pa.DictionaryArray:
    """Names as DNS sends them, as text."""
    distinct = raw.dictionary_encode()
    texts = pa.array([domain(name) for name in distinct.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(distinct.indices, texts)


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


def addresses(raw: pa.BinaryArray, are_unix: npt.NDArray[np.bool_]) -> tuple[pa.StringArray, pa.BinaryArray]:
    """Addresses as text, and the bytes of those that their text does not represent exactly."""
    distinct = raw.dictionary_encode()
    raws = distinct.dictionary.to_pylist()
    of_unix = pa.array(are_unix)
    unix = [unix_address(raw) for raw in raws]
    inexact = [None if text.encode() == raw else raw for text, raw in unix]
    texts = pc.if_else(
        of_unix,
        pa.array([text for text, _raw in unix], pa.string()).take(distinct.indices),
        pa.array([ip_address(raw) for raw in raws], pa.string()).take(distinct.indices),
    )
    return texts, pc.if_else(of_unix, pa.array(inexact, pa.binary()).take(distinct.indices), None)
