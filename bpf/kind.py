"""What a kind of row is: its columns, and where its rows come from.

A kind is declared once, in the module of its subject in `bpf/kinds`. The C struct (`programs/csource.py`), the numpy
dtype (here), the Arrow schema (`trace_file/schema.py`), the DuckDB view (`analyze/trace/views.py`) and the reference
page are all generated from that one declaration. Nothing here touches a kernel, a file or a database.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sysmon.bpf.types import TYPES, ColType

TICK_NS = 10_000_000
"""One USER_HZ clock tick [ns]: the resolution at which /proc/PID/stat shows a process's start.

USER_HZ is 100 on every architecture that Linux still supports with BPF; see include/asm-generic/param.h.
"""

Rule = Literal["", "call", "call table", "call name", "error", "bytes moved", "domain"]
"""How to decode a column of calls whose type does not tell.

C sends the number of a call with its table, as `nr`: `call` is the number alone, `call table` and `call name` are
looked up. `error` is the name of the `errno`, or of a `result` that is an error. `bytes moved` is NULL for a call that
moves none. `domain`: C has the name as DNS sends it.
"""


@dataclass(frozen=True)
class Col:
    """One column: its name, type, meaning and unit.

    `role` says how a map's column is read: part of the key, summed over CPUs, the maximum over CPUs, or from any CPU
    that has a value.
    `null` is the value that stands for "unknown" in C. `derived` columns are not in the C struct: the recorder makes
    them from the others. `sizes` are the buffer sizes of a column with a length of its own, one for each record size of
    its ring; 0 leaves it NULL in these records. Its `null` is a length. `names` are the values of a `choice` by number;
    any other number is NULL. `rule`: how it is decoded, if not by its type.
    """

    name: str
    type: ColType
    doc: str
    unit: str = ""
    role: Literal["", "key", "sum", "max", "any"] = ""
    null: int | None = None
    derived: bool = False
    sizes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    rule: Rule = ""

    def __hash__(self) -> int:
        """Of the name: that of everything is looked up ten thousand times a second while rows are decoded."""
        return hash(self.name)

    @property
    def variable(self) -> bool:
        """Whether the column has a length of its own in C."""
        return TYPES[self.type].variable and not self.derived


@dataclass(frozen=True)
class Ring:
    """Rows sent one by one through BPF ring buffers, one ring for each record size.

    `sizes` are the rings' sizes in bytes, powers of two, smallest record first.
    """

    sizes: tuple[int, ...]


@dataclass(frozen=True)
class Map:
    """Rows counted in a per-CPU hash and read as a whole at every snapshot.

    There are two maps of `entries` entries: programs fill one while the other is read and emptied. When a map is full,
    counts of new keys go to entries without a process and without the key columns in `forgets`.
    """

    entries: int
    forgets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """A BPF program that serves a single kind: `on_NAME` in a file of `bpf/programs`, on a raw tracepoint.

    `records` describes what it records; `members` are the kernel struct members that the file reads, as in
    `programs/members.py`.
    """

    name: str
    file: str
    tracepoint: str
    records: str
    members: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of row: `name` in the `kind` column, `view` in SQL, and its columns in order.

    A row `of_interval` counts what happened since the previous snapshot, and so belongs to the time before its `ts`.
    Rings, maps and programs of an `opt_in` kind exist only if it is requested. An `edited` kind is never recorded: its
    rows are added to finished traces.
    """

    name: str
    view: str
    doc: str
    cols: tuple[Col, ...]
    source: Ring | Map | None = None
    of_interval: bool = False
    opt_in: bool = False
    edited: bool = False
    program: Program | None = None

    def __hash__(self) -> int:
        return hash(self.name)

    def __post_init__(self) -> None:
        if isinstance(self.source, Map):
            object.__setattr__(self, "of_interval", True)

    def c_cols(self, *roles: str) -> tuple[Col, ...]:
        """The columns that C fills, of these roles (all if none are given)."""
        return tuple(c for c in self.cols if not c.derived and (not roles or c.role in roles))


@dataclass(frozen=True)
class Field:
    """One member of a generated C struct."""

    name: str
    c_type: str
    np_type: str
    length: int = 0  # elements of an array, 0: a scalar

    @property
    def declarator(self) -> str:
        return f"{self.c_type} {self.name}[{self.length}]" if self.length else f"{self.c_type} {self.name}"


def _fields(cols: tuple[Col, ...], size_class: int) -> list[Field]:
    scalars, buffers = [], []
    for c in cols:
        if c.variable and not c.sizes[size_class]:
            continue
        if c.variable:
            scalars.append(Field(f"{c.name}_len", "u32", "<u4"))
            size = c.sizes[size_class]
            buffers.append(Field(c.name, "u8", f"V{size}", size))
        else:
            of = TYPES[c.type]
            scalars.append(Field(c.name, of.c, of.numpy, of.length))
    # Widest first, so that there are no holes; names come where they are still aligned to 4 bytes.
    scalars.sort(key=lambda f: -3 if f.length else -np.dtype(f.np_type).itemsize)
    return scalars + buffers


@dataclass(frozen=True)
class Layout:
    """A C struct and the numpy dtype of the same bytes. Its size is a multiple of 8, and it has no holes."""

    struct: str
    fields: tuple[Field, ...]

    @property
    def dtype(self) -> np.dtype[np.void]:
        return np.dtype([(f.name, f.np_type) for f in self.fields])


def layout(struct: str, cols: tuple[Col, ...], size_class: int = 0) -> Layout:
    """The struct that holds these columns, padded at its end to a multiple of 8 bytes by a named member."""
    fields = _fields(cols, size_class)
    size = sum(np.dtype(f.np_type).itemsize for f in fields)
    if size % 8:
        fields.append(Field("pad_", "u8", f"V{-size % 8}", -size % 8))
    return Layout(struct, tuple(fields))


def ring_layouts(kind: Kind) -> tuple[Layout, ...]:
    """The record of each of the kind's rings: `struct KIND`, or `struct KIND_0`, `struct KIND_1`, … for several."""
    assert isinstance(kind.source, Ring)
    several = len(kind.source.sizes) > 1
    return tuple(
        layout(f"{kind.name}_{i}" if several else kind.name, kind.c_cols(), i) for i in range(len(kind.source.sizes))
    )


def map_layouts(kind: Kind) -> tuple[Layout, Layout]:
    """Key and value of the kind's maps: `struct KIND_key` and `struct KIND_val`."""
    return (
        layout(f"{kind.name}_key", kind.c_cols("key")),
        layout(f"{kind.name}_val", kind.c_cols("sum", "max", "any")),
    )
