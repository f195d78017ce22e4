"""Generates the C in front of the programs from the declarations: structs, maps and constants.

A `_Static_assert` on every offset turns a disagreement between clang's layout and numpy's into a compile error.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.bpf import columns
from sysmon.bpf.kind import Field, Kind, Layout, Map, Ring, map_layouts, ring_layouts
from sysmon.bpf.kinds import (
    DEFAULT_KINDS,
    KINDS,
    MAP_KINDS,
    RING_KINDS,
    calls,
    path_columns,
    syscall_events,
    syscalls,
    throttle,
)
from sysmon.bpf.programs import probes, structs, tasks

OTHER_LOSSES = {
    "argv_unreadable": ("unreadable", "argv"),
    "path_unreadable": ("unreadable", "path"),
    "thread_map": ("map full", "threads"),
    "followed_map": ("map full", "followed"),
    "syscall_string_unreadable": ("unreadable", "syscall string"),
    "refused": ("refused", "syscall_stats"),
    "message_unreadable": ("unreadable", "lengths of messages"),
    "file_path_unreadable": ("unreadable", "path of a file"),
    "open_how_unreadable": ("unreadable", "open_how"),
    "address_unreadable": ("unreadable", "address of a socket"),
    "allocated_map": ("map full", "sizes of kernel memory"),
    "io_map": ("map full", "threads of process_io"),
    "block_map": ("map full", "requests in flight"),
    "dns_unreadable": ("unreadable", "DNS message"),
    "connection_map": ("map full", "connection"),
    "stack_map": ("map full", "stacks"),
    "stack_unreadable": ("unreadable", "stack"),
}
"""Loss counters that belong to no ring and to no kind's map, with `cause` and `place` of their rows."""


def losses() -> dict[str, tuple[str, str]]:
    """All loss counters in the order of `struct totals`, with `cause` and `place` of their rows."""
    rings = {f"{k.name}_ring": ("ring full", k.name) for k in RING_KINDS}
    maps = {f"{k.name}_map": ("map full", k.name) for k in MAP_KINDS}
    others = {f"{k.name}_other": ("map full", f"{k.name} of others") for k in MAP_KINDS}
    throttled = {f"{kind}_throttled": (throttle.CAUSE, kind) for kind in throttle.THROTTLED}
    return rings | maps | others | OTHER_LOSSES | throttled


def totals() -> Layout:
    """What each CPU counts since the recording began: what was lost, by cause; entries created in each kind's maps;
    and how often a program was skipped and its copy ran instead.
    """
    lengths = {"lost": len(losses()), "cells": len(MAP_KINDS), "recovered": len(probes.COPIED)}
    return Layout("totals", tuple(Field(name, "u64", f"({n},)<u8", n) for name, n in lengths.items()))


def struct_text(layout: Layout) -> str:
    """The struct with a static assert for each member's offset and for the size."""
    dtype = layout.dtype
    name = f"struct {layout.struct}"
    lines = [f"{name} {{", *(f"\t{f.declarator};" for f in layout.fields), "};"]
    fields = dtype.fields
    assert fields is not None
    for f in layout.fields:
        lines.append(f'_Static_assert(__builtin_offsetof({name}, {f.name}) == {fields[f.name][1]}, "{f.name}");')
    lines.append(f'_Static_assert(sizeof({name}) == {dtype.itemsize}, "size of {layout.struct}");')
    return "\n".join(lines) + "\n"


def ring_names(kind: Kind) -> tuple[str, ...]:
    """Names of the kind's ring maps in C."""
    return tuple(f"{lay.struct}_ring" for lay in ring_layouts(kind))


def map_names(kind: Kind) -> tuple[str, str]:
    """Names of the kind's two maps in C: the one filled in odd epochs, then the one filled in even ones."""
    return (f"{kind.name}_odd", f"{kind.name}_even")


STACK_MAPS = ("stacks_odd", "stacks_even")
"""Names of the two maps of stacks in C, as of `map_names`."""


def other_names(kind: Kind) -> tuple[str, str]:
    """Names of the overflow maps, for entries that do not fit into those of `map_names`."""
    return (f"{kind.name}_other_odd", f"{kind.name}_other_even")


@dataclass(frozen=True)
class Sizes:
    """Which kinds are recorded, and how large their rings and maps are for a number of possible CPUs.

    A per-CPU map needs memory for each CPU and is read as a whole: above 32 CPUs it has fewer entries, and is read
    earlier. All CPUs together fill a ring: above 16 CPUs it is larger.

    `buffer_bytes`, a power of two, is the size of the first ring of `syscall` events, if chosen; the others are smaller
    in proportion. `max_rate` is the maximum number of events per second of each of `throttle.THROTTLED`.
    """

    cpus: int
    page_size: int
    kinds: frozenset[str] = DEFAULT_KINDS
    buffer_bytes: int | None = None
    max_rate: int | None = None

    @property
    def ring_kinds(self) -> tuple[Kind, ...]:
        """The recorded kinds that come through rings."""
        return tuple(k for k in RING_KINDS if k.name in self.kinds)

    @property
    def map_kinds(self) -> tuple[Kind, ...]:
        """The recorded kinds that are counted in maps."""
        return tuple(k for k in MAP_KINDS if k.name in self.kinds)

    def map_entries(self, kind: Kind) -> int:
        """Entries of each of the kind's two maps."""
        assert isinstance(kind.source, Map)
        return max(1024, min(kind.source.entries, kind.source.entries * 32 // self.cpus))

    def other_entries(self, kind: Kind) -> int:
        """Entries of each of the kind's overflow maps. The process is not part of their key."""
        return 1024 if len(kind.c_cols("key")) > 2 else 1

    def ring_bytes(self, kind: Kind) -> tuple[int, ...]:
        """Sizes of the kind's rings, powers of two."""
        assert isinstance(kind.source, Ring)
        if kind is syscall_events.SYSCALL and self.buffer_bytes:
            first = kind.source.sizes[0]
            return tuple(
                max(syscall_events.MIN_BUFFER, size * self.buffer_bytes // first) for size in kind.source.sizes
            )
        factor = 1 << max(0, (self.cpus - 1) // 16).bit_length()
        return tuple(size * factor for size in kind.source.sizes)


def _kind_text(kind: Kind, sizes: Sizes) -> str:
    """The kind's structs and, if it is recorded, its rings or maps."""
    if isinstance(kind.source, Ring):
        layouts = ring_layouts(kind)
        tables = [
            f"BPF_RINGBUF_OUTPUT({name}, {size // sizes.page_size});\n"
            for name, size in zip(ring_names(kind), sizes.ring_bytes(kind), strict=True)
        ]
    elif isinstance(kind.source, Map):
        key, val = layouts = map_layouts(kind)
        tables = [
            f'BPF_TABLE("percpu_hash", struct {key.struct}, struct {val.struct}, {name}, {entries});\n'
            for name, entries in (
                *((name, sizes.map_entries(kind)) for name in map_names(kind)),
                *((name, sizes.other_entries(kind)) for name in other_names(kind)),
            )
        ]
        tables.append(f"BPF_ARRAY({kind.name}_zero, struct {val.struct}, 1);  // what an entry begins as\n")
    else:
        return ""
    recorded = [f"#define RECORDS_{kind.name} 1\n", *tables] if kind.name in sizes.kinds else []
    return "".join([*(struct_text(layout) for layout in layouts), *recorded])


_CELL = """
// The cell of a key in a map, made if it is not there. NULL: the map is full.
INLINE struct {name}_val *{name}_in_{map}(struct {name}_key *key)
{{
	int first = 0;
	struct {name}_val *v = {name}_{map}.lookup(key), *zero;
	if (v)
		return v;
	zero = {name}_zero.lookup(&first);
	if (zero && !{name}_{map}.insert(key, zero))
		made(CELLS_{name});
	return {name}_{map}.lookup(key);
}}
"""

_CELLS = """
// The cell of a key in the map that is being filled or, if that is full, of the same key without its process. NULL:
// there is no room for that either.
INLINE struct {name}_val *{name}_cell(struct control *c, struct {name}_key *key)
{{
	struct {name}_val *v = c->epoch & 1 ? {name}_in_odd(key) : {name}_in_even(key);
	if (v)
		return v;
	lose(LOSS_{name}_map);
	key->pid = OTHER_PID;
	key->start = 0;
{forgets}	v = c->epoch & 1 ? {name}_in_other_odd(key) : {name}_in_other_even(key);
	if (!v)
		lose(LOSS_{name}_other);
	return v;
}}
"""


_ROOM = """
// Room for a record in its ring. NULL: there is none.
INLINE struct {record} *room_for_{record}(void)
{{
	return {record}_ring.ringbuf_reserve(sizeof(struct {record}));
}}

// Sends a record that an event fits into, and gives the room back otherwise.
INLINE int settle_{record}(struct {record} *e, int fits, u64 wakeup)
{{
	if (fits)
		{record}_ring.ringbuf_submit(e, wakeup);
	else
		{record}_ring.ringbuf_discard(e, BPF_RB_NO_WAKEUP);
	return fits;
}}
"""


def functions(sizes: Sizes) -> str:
    """Generates functions for each recorded kind that is counted in maps or has records of several sizes.

    Must follow common.bpf.h, whose macros they use.
    """
    maps = ("odd", "even", "other_odd", "other_even")
    cells = (
        "".join(_CELL.format(name=kind.name, map=name) for name in maps)
        + _CELLS.format(name=kind.name, forgets=_forgets(kind))
        for kind in sizes.map_kinds
    )
    layouts = (ring_layouts(kind) for kind in sizes.ring_kinds)
    records = (layout.struct for several in layouts if len(several) > 1 for layout in several)
    return "".join((*cells, *(_ROOM.format(record=record) for record in records)))


def _forgets(kind: Kind) -> str:
    """Statements that remove from a key what the overflow map does not distinguish."""
    assert isinstance(kind.source, Map)
    lines = []
    for col in (c for c in kind.c_cols("key") if c.name in kind.source.forgets):
        if col.variable:
            lines.append(f"\t__builtin_memset(key->{col.name}, 0, sizeof(key->{col.name}));\n")
        lines.append(f"\tkey->{col.name}{'_len' if col.variable else ''} = {col.null};\n")
    return "".join(lines)


def declarations(sizes: Sizes) -> str:
    """All structs, rings, maps and constants."""
    causes = losses()
    constants = "".join(f"#define LOSS_{name} {i}\n" for i, name in enumerate(causes))
    constants += f"#define LOSSES {len(causes)}\n#define CELLS {len(MAP_KINDS)}\n#define COPIES {len(probes.COPIED)}\n"
    constants += "".join(f"#define CELLS_{k.name} {i}\n" for i, k in enumerate(MAP_KINDS))
    constants += f"#define OTHER_PID {columns.OTHER_PID}\n"
    constants += f"#define SUB_BITS {syscalls.SUB_BITS}\n#define NO_RETURN {syscalls.NO_RETURN}\n"
    constants += f"#define ABI_SHIFT {syscalls.ABI_SHIFT}\n#define UNKNOWN_NR {syscalls.UNKNOWN_NR}\n"
    constants += f"#define SHAPES {calls.NUMBERS}\n#define HOOKS {calls.HOOKS}\n#define SOCKET_CALL {calls.SOCKET}\n"
    constants += f"#define MESSAGE_CALL {calls.MESSAGE_CALL}\n#define SMALL_NAME {path_columns.SMALL_NAME}\n"
    constants += f"#define OBJECT_CALL {calls.OBJECT_CALL}\n#define NAME_CALL {calls.NAME_CALL}\n"
    constants += f"#define EVENT_CALL {calls.EVENT_CALL}\n#define IDENTIFY_CALL {calls.IDENTIFY_CALL}\n"
    constants += f"#define POLL_CALL {calls.POLL_CALL}\n#define POLLED_CALL {calls.POLLED_CALL}\n"
    constants += f"#define EVENT_CALLS {syscall_events.EVENT_CALLS}\n#define EVENT_NUMBERS {syscall_events.NUMBERS}\n"
    constants += f"#define THROTTLED_KINDS {len(throttle.THROTTLED)}\n#define SECOND_NS 1000000000ULL\n"
    constants += f"#define FULL_NS {throttle.FULL_NS}ULL\n"
    constants += "".join(f"#define THROTTLE_{kind} {i}\n" for i, kind in enumerate(throttle.THROTTLED))
    constants += f"#define MAX_RATE {sizes.max_rate}\n" if sizes.max_rate else ""
    layouts = (tasks.TASK, tasks.HOLDING, tasks.OFF_CPU, *structs.ALL, totals())
    constants += "".join(struct_text(layout) for layout in layouts)
    constants += "".join(f"#define {name} {value}\n" for name, value in structs.CONSTANTS.items())
    return constants + "".join(_kind_text(k, sizes) for k in KINDS)
