"""Reads BTF, the kernel's description of its types: offsets of struct members, arguments of tracepoints.

Needs no privilege and compares no kernel versions: a struct, member, tracepoint or constant that this kernel lacks is
None. Format: Documentation/bpf/btf.rst of the kernel.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import unpack_from

from sysmon.errors import NoBtf

VMLINUX = Path("/sys/kernel/btf/vmlinux")

_POINTER_SIZE = 8  # BTF does not say; sysmon supports 64-bit kernels only

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO = range(1, 14)
VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(14, 20)

_HEADER_WORDS = 3  # at the start of each type: name, info, and size or type id

# Kind → number of 32-bit words after the header: fixed, and per element of the type.
_FIXED = {INT: 1, ARRAY: 3, VAR: 1, DECL_TAG: 1}
_PER_ELEMENT = {STRUCT: 3, UNION: 3, ENUM: 2, FUNC_PROTO: 2, DATASEC: 3, ENUM64: 3}
_EXTRA = {kind: (_FIXED.get(kind, 0), _PER_ELEMENT.get(kind, 0)) for kind in range(INT, ENUM64 + 1)}

_NAMES_OF = {TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG}  # the same type under another name or with a qualifier
_SIZED = {INT, STRUCT, UNION, ENUM, FLOAT, DATASEC, ENUM64}
_SPELLED = {STRUCT: "struct ", UNION: "union ", ENUM: "enum ", ENUM64: "enum ", FWD: "struct "}

_MAX_DEPTH = 32  # of types that refer to types; the kernel checks the same (MAX_RESOLVE_DEPTH of kernel/bpf/btf.c)

_ITERATOR = "bpf_iter_"  # prefix of the functions that represent iterators (DEFINE_BPF_ITER_FUNC)
_CAST = "bpf_rdonly_cast"

_DAMAGED = "the BTF is damaged"


@dataclass(frozen=True)
class Member:
    """Offset and size of a struct member [bytes]."""

    offset: int
    size: int


@dataclass(frozen=True)
class Bit:
    """Place of a one-bit bit-field: the offset of its byte, and a mask of the bit in it."""

    offset: int
    mask: int


class Btf:
    """The types of one kernel, from `parse` or `of_kernel`.

    Every method raises NoBtf if the BTF is damaged.
    """

    def __init__(self, words: array[int], names: bytes, below: Btf | None = None) -> None:
        """`words` is the type section in this machine's byte order, `names` the string section.

        A module's BTF continues the kernel's, `below`: type ids and string offsets start where those end.
        """
        self._words: array[int] = below._words + words if below else words
        self._names: bytes = below._names + names if below else names
        self._at: array[int] = below._at[:] if below else array("I", [0])  # type id → its first word; void has none
        self._by_name: dict[tuple[int, int], int] = dict(below._by_name) if below else {}  # (kind, name's offset) → id
        self._enums: list[int] = below._enums[:] if below else []
        self._functions: dict[int, int] = dict(below._functions) if below else {}  # name's offset → id, of some
        self._index(len(below._words) if below else 0)

    @classmethod
    def parse(cls, data: bytes, below: Btf | None = None) -> Btf:
        """Parses a BTF file of either byte order; a module's is based on the kernel's, `below`."""
        order = {b"\x9f\xeb": "<", b"\xeb\x9f": ">"}.get(data[:2])
        if order is None or len(data) < 24:
            raise NoBtf("this is not BTF")
        header, types_at, types_len, names_at, names_len = unpack_from(order + "5I", data, 4)
        types_at, names_at = types_at + header, names_at + header
        if max(types_at + types_len, names_at + names_len) > len(data) or types_len % 4:
            raise NoBtf("the BTF is truncated")
        words = array("I", data[types_at : types_at + types_len])
        if (order == "<") != (sys.byteorder == "little"):
            words.byteswap()
        return cls(words, data[names_at : names_at + names_len], below)

    @classmethod
    def of_kernel(cls, path: Path = VMLINUX) -> Btf:
        """Reads the running kernel's BTF, or a file with another kernel's."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise NoBtf(
                f"cannot read {path} ({error.strerror}): recording needs a kernel built with CONFIG_DEBUG_INFO_BTF, "
                "as distributions do since about 5.8"
            ) from None
        try:
            return cls.parse(data)
        except NoBtf as error:
            raise NoBtf(f"cannot use {path}: {error}") from None

    def with_module(self, name: str, folder: Path = VMLINUX.parent) -> Btf:
        """The kernel's types plus a module's; only the kernel's if the module is built in or not loaded."""
        try:
            return self.parse((folder / name).read_bytes(), self)
        except OSError:
            return self

    def member(self, struct: str, path: str) -> Member | None:
        """Offset and size of a member, which may be in a nested struct: `"signal.live"`.

        Looks through anonymous structs and unions. None if there is no such struct or member, or if it is a bitfield.
        """
        bits, type_id = 0, self._struct(struct)
        for name in path.split("."):
            found = self._find(type_id, name)
            if found is None or found[2] or found[0] % 8:
                return None
            bits, type_id = bits + found[0], found[1]
        return Member(bits // 8, self._size(type_id))

    def bit(self, struct: str, name: str) -> Bit | None:
        """Place of a one-bit bit-field. None if there is no such struct or member, or it is wider."""
        found = self._find(self._struct(struct), name)
        if found is None or found[2] != 1:
            return None
        offset, bit = divmod(found[0], 8)
        return Bit(offset, 1 << bit if sys.byteorder == "little" else 0x80 >> bit)

    def struct_size(self, struct: str) -> int | None:
        """Size of a struct or union in bytes."""
        type_id = self._struct(struct)
        return self._size(type_id) if type_id else None

    def tracepoint_args(self, tracepoint: str) -> tuple[str, ...] | None:
        """The C types of the arguments that a raw tracepoint passes to its programs."""
        type_id = self._named(f"btf_trace_{tracepoint}", TYPEDEF)
        if not type_id:
            return None
        kind, _n, pointed, _at = self._type(self._resolve(type_id))
        kind, n, _return, at = self._type(pointed)
        if kind != FUNC_PROTO or not n:
            raise NoBtf(_DAMAGED)
        # The first parameter is the registrant's `void *__data`, which programs do not get.
        return tuple(self._spell(self._word(at + 2 * i + 1)) for i in range(1, n))

    def enum_value(self, enum: str | None, constant: str) -> int | None:
        """Value of a constant of this enum; of any enum, if `enum` is None."""
        names = set(self._places(constant))
        for type_id in self._enums if enum is None else [self._named(enum, ENUM, ENUM64)]:
            kind, n, _size, at = self._type(type_id)
            step = _PER_ELEMENT.get(kind, 1)
            for i in range(at, at + n * step, step):
                if self._word(i) in names:
                    bits = 32 * (step - 1)
                    value = self._word(i + 1) | (self._word(i + 2) << 32 if kind == ENUM64 else 0)
                    signed = self._word(at - 2) >> 31
                    return value - (1 << bits) if signed and value >> (bits - 1) else value
        return None

    def iterator(self, of: str) -> int | None:
        """Type id with which to load a program that iterates over each `task`, `tcp` socket or the like."""
        return next((self._functions[at] for at in self._places(_ITERATOR + of) if at in self._functions), None)

    def cast(self) -> int | None:
        """Type id of bpf_rdonly_cast, which tells the verifier what a pointer points to (Linux 6.2)."""
        return next((self._functions[at] for at in self._places(_CAST) if at in self._functions), None)

    def type_id(self, struct: str) -> int | None:
        """Type id of a struct or union."""
        return self._struct(struct) or None

    def _index(self, where: int) -> None:
        """Walks all types from there once, as they vary in size: about 120,000 in 50 ms."""
        words, at, by_name = self._words, self._at, self._by_name
        end = len(words)
        functions = frozenset((*self._beginning(_ITERATOR), *self._places(_CAST)))
        try:
            while where < end:
                info = words[where + 1]
                kind = info >> 24 & 0x7F
                if kind in (STRUCT, UNION, TYPEDEF, ENUM, ENUM64):
                    # The first of each name counts: pahole emits a type several times if source files define it
                    # differently.
                    by_name.setdefault((kind, words[where]), len(at))
                    if kind in (ENUM, ENUM64):
                        self._enums.append(len(at))
                elif kind == FUNC and words[where] in functions:
                    self._functions[words[where]] = len(at)
                at.append(where)
                fixed, per_element = _EXTRA[kind]
                where += _HEADER_WORDS + fixed + per_element * (info & 0xFFFFFF)
        except KeyError:
            raise NoBtf(f"the BTF has an unknown kind of type ({kind})") from None
        except IndexError:
            where = -1
        if where != end:
            raise NoBtf(_DAMAGED)

    def _word(self, at: int) -> int:
        try:
            return self._words[at]
        except IndexError:
            raise NoBtf(_DAMAGED) from None

    def _type(self, type_id: int) -> tuple[int, int, int, int]:
        """Kind, number of elements, size or type id, and the offset after the header. Void is kind 0."""
        if not type_id:
            return 0, 0, 0, 0
        if type_id >= len(self._at):
            raise NoBtf(_DAMAGED)
        at = self._at[type_id]
        info = self._word(at + 1)
        return info >> 24 & 0x7F, info & 0xFFFFFF, self._word(at + 2), at + _HEADER_WORDS

    def _places(self, name: str) -> Iterator[int]:
        """All offsets of the name in the string section, including as the end of a longer string."""
        return self._finds(name.encode() + b"\0")

    def _beginning(self, name: str) -> Iterator[int]:
        """All offsets of strings in the string section that begin with this."""
        return (at + 1 for at in self._finds(b"\0" + name.encode()))

    def _finds(self, text: bytes) -> Iterator[int]:
        at = self._names.find(text)
        while at >= 0:
            yield at
            at = self._names.find(text, at + 1)

    def _named(self, name: str, *kinds: int) -> int:
        """Id of the first type of this name; 0 if there is none."""
        return next((self._by_name[k, at] for at in self._places(name) for k in kinds if (k, at) in self._by_name), 0)

    def _struct(self, name: str) -> int:
        return self._named(name, STRUCT, UNION) if name else 0

    def _resolve(self, type_id: int) -> int:
        """The type without typedefs and qualifiers."""
        for _ in range(_MAX_DEPTH):
            kind, _n, behind, _at = self._type(type_id)
            if kind not in _NAMES_OF:
                return type_id
            type_id = behind
        raise NoBtf(_DAMAGED)

    def _find(self, type_id: int, name: str) -> tuple[int, int, int] | None:
        """Offset in bits, type, and width in bits of a struct's member; the width is 0 if it is not a bit-field."""
        text = name.encode() + b"\0"
        todo, seen = [(0, self._resolve(type_id))], set()
        while todo:
            base, type_id = todo.pop()
            kind, n, _size, at = self._type(type_id)
            if kind not in (STRUCT, UNION) or type_id in seen:
                continue
            seen.add(type_id)
            with_widths = self._word(at - 2) >> 31
            for i in range(at, at + 3 * n, 3):
                offset = self._word(i + 2)
                width, offset = (offset >> 24, offset & 0xFFFFFF) if with_widths else (0, offset)
                if not self._word(i):
                    todo.append((base + offset, self._resolve(self._word(i + 1))))
                elif self._names.startswith(text, self._word(i)):
                    return base + offset, self._word(i + 1), width
        return None

    def _size(self, type_id: int) -> int:
        times = 1
        for _ in range(_MAX_DEPTH):
            kind, _n, size, at = self._type(self._resolve(type_id))
            if kind == PTR:
                return times * _POINTER_SIZE
            if kind in _SIZED:
                return times * size
            if kind != ARRAY:
                break
            type_id, times = self._word(at), times * self._word(at + 2)
        raise NoBtf(_DAMAGED)

    def _spell(self, type_id: int) -> str:
        """The type in C, without qualifiers."""
        stars = ""
        for _ in range(_MAX_DEPTH):
            kind, _n, behind, _at = self._type(type_id)
            if kind == PTR:
                stars = "*" + stars
            elif kind not in _NAMES_OF - {TYPEDEF}:
                return f"{_SPELLED.get(kind, '')}{self._name(type_id)} {stars}".rstrip()
            type_id = behind
        raise NoBtf(_DAMAGED)

    def _name(self, type_id: int) -> str:
        if not type_id:
            return "void"
        at = self._word(self._at[type_id])
        return self._names[at : self._names.find(b"\0", at)].decode(errors="replace") or "(unnamed)"
