"""Functions of an ELF file: its tables of symbols, build id and segments. No size or offset in the file is believed."""

from __future__ import annotations

import lzma
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

TABLE_BYTES = 256 << 20
"""Maximum size of a table of symbols or of their names: Chromium's are 30 and 120 MB."""

NOTE_BYTES, SECTIONS, SEGMENTS = 1 << 16, 1 << 14, 1 << 10
"""Maximum size of a segment of notes, and numbers of sections and of segments."""

MINI_BYTES = 64 << 20
"""Maximum size of an unpacked .gnu_debugdata."""

NEAR = 16
"""How many symbols before an address are looked at for one that contains it: an inner one may have ended."""

_LOAD, _NOTE, _EXECUTABLE, _BUILD_ID = 1, 4, 1, 3  # PT_LOAD, PT_NOTE, PF_X, NT_GNU_BUILD_ID: elf.h
_UNWIND = 0x6474E550  # PT_GNU_EH_FRAME
_SYMTAB, _DYNSYM, _EXECINSTR = 2, 11, 4  # SHT_SYMTAB, SHT_DYNSYM, SHF_EXECINSTR
_FUNC, _IFUNC, _NOTYPE, _UNDEFINED, _ABSOLUTE = 2, 10, 0, 0, 0xFFF1  # STT_FUNC, STT_GNU_IFUNC, SHN_UNDEF, SHN_ABS
_PAGE = 4096  # a segment is mapped in whole pages of at least this size


class Damaged(Exception):
    """Not an ELF file, or one that contradicts itself."""


def _dtypes(word: str) -> dict[str, np.dtype[np.void]]:
    """The structs of elf.h, for words of this type."""
    w, h, x = "<u4", "<u2", word
    head = f"ident:S16 type:{h} machine:{h} version:{w} entry:{x} phoff:{x} shoff:{x} flags:{w} ehsize:{h} "
    head += f"phentsize:{h} phnum:{h} shentsize:{h} shnum:{h} shstrndx:{h}"
    section = f"name:{w} type:{w} flags:{x} addr:{x} offset:{x} size:{x} link:{w} info:{w} align:{x} entsize:{x}"
    if word == "<u8":
        segment = f"type:{w} flags:{w} offset:{x} vaddr:{x} paddr:{x} filesz:{x} memsz:{x} align:{x}"
        symbol = f"name:{w} info:u1 other:u1 shndx:{h} value:{x} size:{x}"
    else:
        segment = f"type:{w} offset:{x} vaddr:{x} paddr:{x} filesz:{x} memsz:{x} flags:{w} align:{x}"
        symbol = f"name:{w} value:{x} size:{x} info:u1 other:u1 shndx:{h}"
    texts = {"head": head, "section": section, "segment": segment, "symbol": symbol}
    return {
        name: np.dtype([(field, kind) for field, _, kind in (each.partition(":") for each in text.split())])
        for name, text in texts.items()
    }


_CLASSES = {1: _dtypes("<u4"), 2: _dtypes("<u8")}  # ELFCLASS32, ELFCLASS64

Read = Callable[[int, int], bytes]
"""Bytes of a file: of this offset and size; fewer at its end."""


class Symbols:
    """A table of functions, by address."""

    def __init__(self, symbols: npt.NDArray[np.void], names: bytes) -> None:
        symbols = symbols[np.argsort(symbols["value"], kind="stable")]
        self._starts = symbols["value"].astype(np.uint64)
        room = np.uint64(2**64 - 1) - self._starts
        self._ends = self._starts + np.minimum(symbols["size"].astype(np.uint64), room)
        self._at, self._names = symbols["name"].astype(np.uint32), names

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return int(self._starts.nbytes + self._ends.nbytes + self._at.nbytes) + len(self._names)

    def of(self, address: int) -> str | None:
        """The name of the function that contains this address."""
        last = int(np.searchsorted(self._starts, np.uint64(address), "right")) - 1
        if last < 0:
            return None
        near = range(last, max(last - NEAR, -1), -1)
        inside = [i for i in near if address < int(self._ends[i])]
        begin = self._starts[inside[0] if inside else last]
        same = [i for i in inside or near if self._starts[i] == begin]
        # One that is written in assembly may have no size: then it reaches up to the next.
        return self._best(same) if inside or all(self._ends[i] == begin for i in same) else None

    def _best(self, same: list[int]) -> str:
        """Of the names that a function has, `write` rather than `__write` or `__GI___write`."""
        return min(
            map(self._text, same), key=lambda name: (not name, len(name) - len(name.lstrip("_")), len(name), name)
        )

    def _text(self, i: int) -> str:
        at = int(self._at[i])
        end = self._names.find(b"\0", at, at + 4096)
        return self._names[at : end if end >= 0 else at + 4096].decode("utf-8", "replace")


class Elf:
    """What a file says. Raises Damaged."""

    def __init__(self, read: Read) -> None:
        self._read = read
        ident = read(0, 64)
        if ident[:4] != b"\x7fELF":
            raise Damaged("not an ELF file")
        if len(ident) < 52 or ident[4] not in _CLASSES or ident[5] != 1:  # ELFDATA2LSB
            raise Damaged("an ELF file of another kind of machine")
        self._dtypes, self.word_bytes = _CLASSES[ident[4]], 4 * ident[4]
        self._head = self._table("head", 0, 1, 1)[0]
        self._segments = self._table("segment", int(self._head["phoff"]), int(self._head["phnum"]), SEGMENTS)
        self._sections = self._table("section", int(self._head["shoff"]), int(self._head["shnum"]), SECTIONS)

    def _table(self, kind: str, offset: int, number: int, most: int) -> npt.NDArray[np.void]:
        dtype = self._dtypes[kind]
        if not offset and kind != "head":
            number = 0
        if number > most:
            raise Damaged("damaged: too many parts")
        return np.frombuffer(self._exactly(offset, number * dtype.itemsize), dtype)

    def _exactly(self, offset: int, size: int) -> bytes:
        if size > TABLE_BYTES:
            raise Damaged("damaged, or too large")
        found = self._read(offset, size) if size else b""
        if len(found) != size:
            raise Damaged("damaged: it ends too early")
        return found

    @property
    def machine(self) -> int:
        """EM_* of elf.h."""
        return int(self._head["machine"])

    def unwind_table(self) -> tuple[int, int]:
        """Address and size of .eh_frame_hdr; 0 if it has none."""
        for segment in self._segments[self._segments["type"] == _UNWIND]:
            return int(segment["vaddr"]), int(segment["filesz"])
        return 0, 0

    def loaded(self, address: int, size: int) -> bytes:
        """What it has at an address of its own; less at the end of a segment."""
        for segment in self._segments[self._segments["type"] == _LOAD]:
            after = address - int(segment["vaddr"])
            if 0 <= after < int(segment["filesz"]):
                return self._read(int(segment["offset"]) + after, min(size, int(segment["filesz"]) - after))
        return b""

    def base(self) -> int:
        """The address of its first segment, which debuggers count from."""
        loaded = self._segments[self._segments["type"] == _LOAD]
        return int(loaded["vaddr"].min()) if len(loaded) else 0

    def address(self, offset: int) -> int | None:
        """The address that it has itself for the byte of code at this offset; None: it is not code."""
        for segment in self._segments:
            if segment["type"] == _LOAD and segment["flags"] & _EXECUTABLE:
                begin, size = int(segment["offset"]), int(segment["filesz"])
                if begin // _PAGE * _PAGE <= offset < -(-(begin + size) // _PAGE) * _PAGE:
                    return (int(segment["vaddr"]) + offset - begin) % 2**64
        return None

    def build_id(self) -> str | None:
        """In hexadecimal digits."""
        for segment in self._segments[self._segments["type"] == _NOTE]:
            found = _build_id(self._read(int(segment["offset"]), min(int(segment["filesz"]), NOTE_BYTES)))
            if found:
                return found
        return None

    def is_stripped(self) -> bool:
        """Whether it has no table of all functions."""
        return not np.any(self._sections["type"] == _SYMTAB)

    def symbols(self) -> list[Symbols]:
        """Its tables, the most complete first."""
        full = self._symbols(_SYMTAB)
        tables = (full,) if full else (self._mini(), self._symbols(_DYNSYM))
        return [table for table in tables if table]

    def section(self, name: bytes) -> tuple[int, int]:
        """Address and size of a section; 0: it has none of this name."""
        found = self._section(name)
        return (0, 0) if found is None else (int(found["addr"]), int(found["size"]))

    def _symbols(self, kind: int) -> Symbols | None:
        dtype = self._dtypes["symbol"]
        for section in self._sections[self._sections["type"] == kind]:
            number = int(section["size"]) // dtype.itemsize
            symbols = np.frombuffer(self._exactly(int(section["offset"]), number * dtype.itemsize), dtype)
            kept = symbols[self._is_function(symbols)]
            if len(kept):
                return Symbols(kept, self._strings(int(section["link"])))
        return None

    def _is_function(self, symbols: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        kind, section = symbols["info"] & 15, symbols["shndx"]
        is_code = np.zeros(1 << 16, np.bool_)
        is_code[: len(self._sections)] = self._sections["flags"].astype(np.uint64) & np.uint64(_EXECINSTR) != 0
        untyped = (kind == _NOTYPE) & is_code[section] & (symbols["info"] >> 4 != 0)  # of assembly, and not local
        typed = ((kind == _FUNC) | (kind == _IFUNC)) & (section != _UNDEFINED) & (section != _ABSOLUTE)
        found: npt.NDArray[np.bool_] = (typed | untyped) & (symbols["value"] != 0) & (symbols["name"] != 0)
        return found

    def _strings(self, number: int) -> bytes:
        if number >= len(self._sections):
            raise Damaged("damaged: no such section")
        return self._exactly(int(self._sections[number]["offset"]), int(self._sections[number]["size"]))

    def _section(self, name: bytes) -> np.void | None:
        number = int(self._head["shstrndx"])
        if not len(self._sections) or number >= len(self._sections):
            return None
        names = self._strings(number)
        for at, section in zip(self._sections["name"].tolist(), self._sections, strict=True):
            if names[at : at + len(name) + 1] == name + b"\0":
                found: np.void = section
                return found
        return None

    def _mini(self) -> Symbols | None:
        """The table in .gnu_debugdata: a file in this file, packed, with what was stripped off its functions."""
        section = self._section(b".gnu_debugdata")
        if section is None:
            return None
        packed = self._exactly(int(section["offset"]), int(section["size"]))
        try:
            unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MINI_BYTES)
            inner = of_bytes(unpacker.decompress(packed, MINI_BYTES))
            return inner._symbols(_SYMTAB)
        except (lzma.LZMAError, Damaged):  # the symbols of the file itself are still of use
            return None


def of_bytes(content: bytes) -> Elf:
    """Of a file in memory."""
    return Elf(lambda offset, size: content[offset : offset + size])


def _build_id(notes: bytes) -> str | None:
    at = 0
    while at + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, at)
        name, content = at + 12, at + 12 + (name_size + 3) // 4 * 4
        if kind == _BUILD_ID and notes[name : name + name_size] == b"GNU\0":
            return notes[content : content + min(size, 64)].hex() or None
        at = content + (size + 3) // 4 * 4
    return None
