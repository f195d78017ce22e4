"""Thrift's compact protocol, in which Parquet writes its footer and the header of each page.

A struct is a dict by field number, a list a `List`, every other value a `Value` with its type on the wire: what was
read can be written again unchanged, including fields that are unknown here. The protocol:
thrift-compact-protocol.md of apache/thrift.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TRUE, FALSE, I8, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

MAX_DEPTH = 16
"""Parquet's own structs are less than half as deep."""


class Malformed(ValueError):
    """The bytes are not a struct."""


@dataclass
class Value:
    """A number, text or boolean with its type on the wire."""

    type: int
    value: Any


@dataclass
class List:
    """Items of one type: plain numbers, bytes or structs."""

    type: int
    items: list[Any]


Struct = dict[int, Any]


def i32(number: int) -> Value:
    return Value(I32, number)


def i64(number: int) -> Value:
    return Value(I64, number)


def binary(data: bytes) -> Value:
    return Value(BINARY, data)


class Reader:
    """Reads structs from bytes, beginning at `at`."""

    def __init__(self, data: bytes | memoryview, at: int = 0) -> None:
        self._data, self.at = data, at

    def struct(self, depth: int = 0) -> Struct:
        """The struct that begins here. Raises Malformed."""
        if depth > MAX_DEPTH:
            raise Malformed("too deep")
        found: Struct = {}
        number = 0
        try:
            while head := self._byte():
                number = number + (head >> 4) if head >> 4 else self._signed()
                found[number] = self._field(head & 15, depth)
        except IndexError:
            raise Malformed("cut off") from None
        return found

    def _field(self, kind: int, depth: int) -> Any:
        if kind in (TRUE, FALSE):
            return Value(kind, kind == TRUE)
        read = self._plain(kind, depth)
        return read if kind in (LIST, SET, STRUCT) else Value(kind, read)

    def _plain(self, kind: int, depth: int) -> Any:
        if kind in (I16, I32, I64):
            return self._signed()
        if kind == BINARY:
            return self._bytes(self._unsigned())
        if kind == STRUCT:
            return self.struct(depth + 1)
        if kind in (LIST, SET):
            return self._list(depth)
        if kind in (I8, TRUE, FALSE):  # in a list, booleans take a byte each
            return self._byte()
        if kind == DOUBLE:
            return self._bytes(8)
        raise Malformed(f"no type {kind}")

    def _list(self, depth: int) -> List:
        head = self._byte()
        count = head >> 4 if head >> 4 != 15 else self._unsigned()
        if count > len(self._data) - self.at:  # an item takes at least a byte
            raise Malformed("a list longer than the rest")
        return List(head & 15, [self._plain(head & 15, depth + 1) for _ in range(count)])

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        if count > len(self._data) - self.at:
            raise Malformed("text longer than the rest")
        self.at += count
        return bytes(self._data[self.at - count : self.at])

    def _unsigned(self) -> int:
        found = shift = 0
        while (byte := self._byte()) & 0x80:
            found |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise Malformed("a number of more than 64 bits")
        return found | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)


def dump(struct: Struct) -> bytes:
    """The struct as bytes."""
    out = bytearray()
    _struct(out, struct)
    return bytes(out)


def _struct(out: bytearray, struct: Struct) -> None:
    before = 0
    for number, value in sorted(struct.items()):
        kind = STRUCT if isinstance(value, dict) else LIST if isinstance(value, List) else value.type
        if 0 < number - before < 16:
            out.append(number - before << 4 | kind)
        else:
            out.append(kind)
            _signed(out, number)
        before = number
        if kind not in (TRUE, FALSE):
            _plain(out, kind, value.value if isinstance(value, Value) else value)
    out.append(0)


def _plain(out: bytearray, kind: int, value: Any) -> None:
    if kind in (I16, I32, I64):
        _signed(out, value)
    elif kind == BINARY:
        _unsigned(out, len(value))
        out += value
    elif kind == STRUCT:
        _struct(out, value)
    elif kind in (LIST, SET):
        _list(out, value)
    elif kind == DOUBLE:
        out += value
    else:
        out.append(value)


def _list(out: bytearray, items: List) -> None:
    count = len(items.items)
    out.append(min(count, 15) << 4 | items.type)
    if count >= 15:
        _unsigned(out, count)
    for item in items.items:
        if items.type == STRUCT and isinstance(item, bytes):  # a struct that was dumped before
            out += item
        else:
            _plain(out, items.type, item)


def unsigned(number: int) -> bytes:
    """An unsigned number as a varint."""
    out = bytearray()
    _unsigned(out, number)
    return bytes(out)


def signed(number: int) -> bytes:
    """A signed number as a zigzag varint."""
    out = bytearray()
    _signed(out, number)
    return bytes(out)


def _unsigned(out: bytearray, number: int) -> None:
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _signed(out: bytearray, number: int) -> None:
    _unsigned(out, number << 1 if number >= 0 else (-number << 1) - 1)
