"""Where functions begin, and whether they have frames, from a file's .eh_frame. Nothing in it is believed.

Compilers write it for all functions, also into files without symbols: how an exception finds the caller from each
instruction. Two questions are answered from it: which function an address belongs to, and whether the stack that the
kernel took has that function's caller. The kernel follows frame pointers. While a function has no frame of its own, the
frame pointer is still its caller's. The next return address is the one in the caller's frame: the caller is skipped.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from sysmon.recorder.symbols.elf import Elf

BYTES = 64 << 20
"""Maximum size of what is read, and of the table of functions."""

FUNCTION_BYTES = 1 << 15
"""Maximum size of what is said of one function, or is common to many."""

COMMONS = 1 << 10
"""How many of the latter are remembered."""

LISTED = 1 << 16
"""Functions that are looked for in a file without a table of them, such as a static one: 3 us each."""

_RELATIVE = 0x1B
"""How assemblers encode an address: 4 bytes, relative to their place."""

_TABLE = (1, _RELATIVE, 0x03, 0x3B)
"""How .eh_frame_hdr begins: version, and how its numbers are encoded. Linkers write no other."""

_X86, _X86_64, _ARM64 = 3, 62, 183  # EM_386, EM_X86_64, EM_AARCH64: elf.h
_POINTERS = {_X86: 5, _X86_64: 6, _ARM64: 29}
"""DWARF's number of the frame pointer. Others are not judged: of riscv the kernel knows one caller more."""

_SIZES = {0x2: 2, 0xA: 2, 0x3: 4, 0xB: 4, 0x4: 8, 0xC: 8}
"""Of an address, by the lower half of its encoding (DW_EH_PE_*); 0 has the size of a word."""

_ADVANCE, _OFFSET, _RESTORE = 1, 2, 3  # DW_CFA_*, in the two upper bits of the first byte
_STEPS = {0x02: 1, 0x03: 2, 0x04: 4}  # DW_CFA_advance_loc1, 2 and 4, and the size of the step
_REMEMBER, _RECALL = 0x0A, 0x0B
_BASE, _BASE_SIGNED, _BASE_REGISTER, _BASE_EXPRESSION = 0x0C, 0x12, 0x0D, 0x0F  # DW_CFA_def_cfa…
_EXPRESSIONS = (0x10, 0x16)  # DW_CFA_expression, DW_CFA_val_expression
_BREG0 = 0x70  # DW_OP_breg0, before those of the other registers
_NUMBERS = {0x00: 0, 0x2D: 0, 0x05: 2, 0x06: 1, 0x07: 1, 0x08: 1, 0x09: 2, 0x0E: 1, 0x11: 2, 0x13: 1, 0x14: 2, 0x15: 2,
            0x2E: 1, 0x2F: 2}  # fmt: skip
"""Numbers that follow the other instructions, which do not say from which register a frame is computed."""


class Unread(Exception):
    """Damaged, or written in a way that no known compiler uses."""


class Function(NamedTuple):
    """A function, or a part of one that lies elsewhere."""

    begin: int
    skips_caller: bool
    """Whether the caller is not in a stack at the address that was asked for; False if that is unknown."""


class _Common(NamedTuple):
    """What several functions have in common: a CIE."""

    step: int
    encoding: int  # of addresses
    pointer_bytes: int
    is_signal: bool
    has_more: bool
    instructions: bytes


class _Content:
    """Takes numbers off bytes. Raises Unread at their end."""

    def __init__(self, content: bytes, at: int = 0) -> None:
        self.content, self.at = content, at

    def take(self, size: int) -> bytes:
        if self.at < 0 or size > len(self.content) - self.at:
            raise Unread
        self.at += size
        return self.content[self.at - size : self.at]

    def fixed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def byte(self) -> int:
        if not 0 <= self.at < len(self.content):
            raise Unread
        self.at += 1
        return self.content[self.at - 1]

    def number(self) -> int:
        """A LEB128; of one with a sign this is another number."""
        found = self.byte()
        if found < 128:  # nearly all
            return found
        found &= 127
        for place in range(7, 70, 7):
            byte = self.byte()
            found |= (byte & 127) << place
            if byte < 128:
                return found
        raise Unread


class CallFrames:
    """Of one file."""

    def __init__(self, elf: Elf) -> None:
        self._machine, self._word = elf.machine, elf.word_bytes
        self._commons: dict[int, _Common] = {}
        self._begins = self._places = np.zeros(0, np.int64)
        self._content = b""
        at, size = elf.unwind_table()
        head = elf.loaded(at, 12) if size >= 12 and at < 2**62 else b""
        if len(head) == 12 and tuple(head[:4]) == _TABLE:
            offset, number = struct.unpack_from("<iI", head, 4)
            self._read(elf, at, min(number, (min(size, BYTES) - 12) // 8), at + 4 + offset)
        else:
            self._list(elf, *elf.section(b".eh_frame"))

    def _read(self, elf: Elf, at: int, number: int, first: int) -> None:
        packed = elf.loaded(at + 12, 8 * number)
        table = np.frombuffer(packed[: len(packed) // 8 * 8], "<i4").reshape(-1, 2)
        self._begins = table[:, 0].astype(np.int64) + at
        self._places = table[:, 1].astype(np.int64) + at - first
        if len(table):
            self._content = elf.loaded(first, min(max(int(self._places.max()), 0) + FUNCTION_BYTES, BYTES))

    def _list(self, elf: Elf, at: int, size: int) -> None:
        self._content = elf.loaded(at, min(size, BYTES)) if at < 2**62 else b""
        found, place = list[tuple[int, int]](), 0
        while len(found) < LISTED and place + 12 <= len(self._content):
            entry, back, begin = struct.unpack_from("<IIi", self._content, place)
            if entry < 4:
                break
            with contextlib.suppress(Unread):
                if back and self._common(place + 4 - back).encoding == _RELATIVE:  # 0: it is a CIE itself
                    found.append((at + place + 8 + begin, place))
            place += 4 + entry
        table = np.array(sorted(found), np.int64).reshape(-1, 2)
        self._begins, self._places = table[:, 0].copy(), table[:, 1].copy()

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return int(self._begins.nbytes + self._places.nbytes) + len(self._content)

    def of(self, address: int) -> Function | None:
        """The function that contains this address. None if that is unknown."""
        last = int(np.searchsorted(self._begins, address, "right")) - 1 if address < 2**63 else -1
        if last < 0:
            return None
        begin = int(self._begins[last])
        try:
            said, common_at = self._entry(int(self._places[last]))
            common = self._common(common_at)
            said.take(common.pointer_bytes)
            if not 0 <= address - begin < said.fixed(common.pointer_bytes):
                return None
            if common.has_more:
                said.take(said.number())
        except Unread:
            return None
        return Function(begin, self._skips_caller(common, said.take(len(said.content) - said.at), address - begin))

    def _entry(self, at: int) -> tuple[_Content, int]:
        """What is said at a place, after its size and its second number; and the place that this number refers to."""
        if at < 0:
            raise Unread
        size = int.from_bytes(self._content[at : at + 4], "little")
        if not 4 <= size <= FUNCTION_BYTES or at + 4 + size > len(self._content):
            raise Unread
        back = int.from_bytes(self._content[at + 4 : at + 8], "little")
        return _Content(self._content[at + 8 : at + 4 + size]), at + 4 - back

    def _common(self, at: int) -> _Common:
        found = self._commons.get(at)
        if found is None:
            if len(self._commons) >= COMMONS:
                self._commons.clear()
            found = self._commons[at] = self._read_common(self._entry(at)[0])
        return found

    def _read_common(self, said: _Content) -> _Common:
        version = said.byte()
        end = said.content.find(b"\0", said.at)
        if version not in (1, 3) or end < 0:
            raise Unread
        letters = said.take(end + 1 - said.at)[:-1]
        step = said.number()
        said.number()  # of offsets
        said.number() if version == 3 else said.byte()  # where the return address is
        encoding = 0
        if letters[:1] == b"z":
            more = _Content(said.take(said.number()))
            for letter in letters[1:]:
                if letter == ord("R"):
                    encoding = more.byte()
                elif letter == ord("L"):
                    more.take(1)
                elif letter == ord("P"):
                    more.take(self._pointer_bytes(more.byte()))
                elif letter not in b"SB":
                    raise Unread
        elif letters:
            raise Unread
        rest = said.take(len(said.content) - said.at)
        return _Common(step, encoding, self._pointer_bytes(encoding), b"S" in letters, bool(letters), rest)

    def _pointer_bytes(self, encoding: int) -> int:
        size = _SIZES.get(encoding & 15, 0) if encoding & 15 else self._word
        if not size:
            raise Unread
        return size

    def _skips_caller(self, common: _Common, instructions: bytes, offset: int) -> bool:
        pointer = _POINTERS.get(self._machine)
        if pointer is None:
            return False
        if common.is_signal:  # what the signal interrupted called nothing: it is in no frame
            return True
        frame = _Frame(pointer)
        try:
            frame.run(common.instructions, common.step, 0)
            frame.run(instructions, common.step, offset)
        except Unread:
            return False
        # Compilers for arm64 count from the stack pointer in functions with frames, too.
        return not (frame.is_saved if self._machine == _ARM64 else frame.has_base)


class _Frame:
    """How the caller is found, as far as the frame pointer is concerned."""

    def __init__(self, pointer: int) -> None:
        self._pointer = pointer
        self.has_base = False  # the place of the frame is computed from the frame pointer
        self.is_saved = False  # the frame pointer of the caller is in the frame
        self._remembered: list[tuple[bool, bool]] = []

    def run(self, instructions: bytes, step: int, offset: int) -> None:
        """Up to an offset in the function. Raises Unread."""
        said, at, end = _Content(instructions), 0, len(instructions)
        while said.at < end:
            code = said.byte()
            if code >> 6 == _ADVANCE:
                at += (code & 63) * step
            elif code in _STEPS:
                at += said.fixed(_STEPS[code]) * step
            else:
                self._do(code, said)
            if at > offset:
                return

    def _do(self, code: int, said: _Content) -> None:
        if code >> 6 == _OFFSET:
            said.number()
            self.is_saved |= code & 63 == self._pointer
        elif code >> 6 == _RESTORE:
            self.is_saved &= code & 63 != self._pointer
        elif code == _REMEMBER:
            self._remembered.append((self.has_base, self.is_saved))
        elif code == _RECALL:
            if not self._remembered:
                raise Unread
            self.has_base, self.is_saved = self._remembered.pop()
        elif code in (_BASE, _BASE_SIGNED, _BASE_REGISTER):
            self.has_base = said.number() == self._pointer
            if code != _BASE_REGISTER:
                said.number()
        elif code == _BASE_EXPRESSION:  # of a function that aligns its stack: it begins with the register
            self.has_base = said.take(said.number())[:1] == bytes([_BREG0 + self._pointer])
        elif code in _EXPRESSIONS:
            said.number()
            said.take(said.number())
        elif code in _NUMBERS:
            for _ in range(_NUMBERS[code]):
                said.number()
        else:
            raise Unread
