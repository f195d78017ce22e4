"""The C text that stands in front of the programs: structs, maps and constants from the declarations.

A disagreement between clang's layout and numpy's is a compile error, by a `_Static_assert` on every offset.
"""

from __future__ import annotations

import bpf
from bpf import syscalls
from bpf.kind import Kind, Layout, Map, Ring, map_layouts, ring_layouts

OTHER_LOSSES = {
    "argv_unreadable": ("unreadable", "argv"),
    "path_unreadable": ("unreadable", "path"),
    "thread_map": ("map full", "threads"),
    "followed_map": ("map full", "followed"),
    "refused": ("refused", "syscall_stats"),
}
"""The programs' counters of losses that are of no ring and no kind's map, with `cause` and `place` of their rows."""


def losses() -> dict[str, tuple[str, str]]:
    """The programs' counters of losses in the order of `struct tally`, with `cause` and `place` of their rows."""
    rings = {f"{k.name}_ring": ("ring full", k.name) for k in bpf.RING_KINDS}
    maps = {f"{k.name}_map": ("map full", k.name) for k in bpf.MAP_KINDS}
    return rings | maps | OTHER_LOSSES


def struct_text(layout: Layout) -> str:
    """The struct with a static assert on each member's offset and on the size."""
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
    """The names of the kind's ring maps in C."""
    return tuple(f"{lay.struct}_ring" for lay in ring_layouts(kind))


def map_names(kind: Kind) -> tuple[str, str]:
    """The names of the kind's two maps in C: the one that is filled in odd epochs, and in even ones."""
    return (f"{kind.name}_odd", f"{kind.name}_even")


def _kind_text(kind: Kind, page_size: int, entries_scale: float) -> str:
    if isinstance(kind.source, Ring):
        out = [struct_text(lay) for lay in ring_layouts(kind)]
        for name, size in zip(ring_names(kind), kind.source.sizes, strict=True):
            out.append(f"BPF_RINGBUF_OUTPUT({name}, {size // page_size});\n")
        return "".join(out)
    if isinstance(kind.source, Map):
        key, val = map_layouts(kind)
        entries = map_entries(kind, entries_scale)
        tables = "".join(
            f'BPF_TABLE("percpu_hash", struct {key.struct}, struct {val.struct}, {name}, {entries});\n'
            for name in map_names(kind)
        )
        return struct_text(key) + struct_text(val) + tables
    return ""


def map_entries(kind: Kind, scale: float = 1.0) -> int:
    """How many entries each of the kind's two maps has."""
    assert isinstance(kind.source, Map)
    return max(1024, int(kind.source.entries * scale))


def declarations(page_size: int, entries_scale: float = 1.0) -> str:
    """All structs, rings, maps and constants.

    `entries_scale` makes every counting map larger or smaller than declared.
    """
    causes = losses()
    constants = "".join(f"#define LOSS_{name} {i}\n" for i, name in enumerate(causes))
    constants += f"#define LOSSES {len(causes)}\n#define CELLS {len(bpf.MAP_KINDS)}\n"
    constants += "".join(f"#define CELLS_{k.name} {i}\n" for i, k in enumerate(bpf.MAP_KINDS))
    constants += f"#define SUB_BITS {syscalls.SUB_BITS}\n#define NO_RETURN {syscalls.NO_RETURN}\n"
    constants += f"#define ABI_SHIFT {syscalls.ABI_SHIFT}\n#define UNKNOWN_NR {syscalls.UNKNOWN_NR}\n"
    return constants + "".join(_kind_text(k, page_size, entries_scale) for k in bpf.KINDS)
