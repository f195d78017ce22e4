"""One declaration, the same bytes everywhere."""

import numpy as np
import pytest

from sysmon.bpf.kind import Col, Kind, Layout, Map, Ring, layout, map_layouts, ring_layouts
from sysmon.bpf.kinds import KINDS, MAP_KINDS, RING_KINDS, kind_named, syscalls
from sysmon.bpf.programs import csource
from sysmon.bpf.trace_file import schema

LAYOUTS = [lay for k in RING_KINDS for lay in ring_layouts(k)] + [lay for k in MAP_KINDS for lay in map_layouts(k)]


@pytest.mark.parametrize("lay", LAYOUTS, ids=lambda lay: lay.struct)
def test_a_layout_has_no_holes(lay: Layout) -> None:
    end = 0
    assert lay.dtype.fields
    for field in lay.fields:
        dtype, offset = lay.dtype.fields[field.name][:2]
        assert offset == end, "a hole would carry stale kernel memory"
        if not field.length:
            assert offset % dtype.itemsize == 0, "clang would put a hole before it"
        end = offset + dtype.itemsize
    assert end == lay.dtype.itemsize and end % 8 == 0


def test_widest_members_come_first_and_the_end_is_padded() -> None:
    cols = (
        Col("a", "u8", "."),
        Col("b", "u64", "."),
        Col("name", "comm", "."),
        Col("c", "u16", "."),
        Col("d", "u32", "."),
    )
    made = layout("s", cols)
    # 8 + 4 + 16 + 2 + 1 = 31, and one byte to 32
    assert [f.name for f in made.fields] == ["b", "d", "name", "c", "a", "pad_"]
    assert made.dtype.itemsize == 32


def test_the_struct_asserts_every_offset() -> None:
    text = csource.struct_text(layout("s", (Col("a", "u32", "."), Col("b", "u64", "."))))
    assert text.splitlines() == [
        "struct s {",
        "\tu64 b;",
        "\tu32 a;",
        "\tu8 pad_[4];",
        "};",
        '_Static_assert(__builtin_offsetof(struct s, b) == 0, "b");',
        '_Static_assert(__builtin_offsetof(struct s, a) == 8, "a");',
        '_Static_assert(__builtin_offsetof(struct s, pad_) == 12, "pad_");',
        '_Static_assert(sizeof(struct s) == 16, "size of s");',
    ]


def test_a_variable_column_is_a_length_and_a_buffer_of_its_size_class() -> None:
    kind = Kind("k", "ks", ".", (Col("path", "bytes", ".", sizes=(8, 64)),), source=Ring((4096, 8192)))
    small, large = ring_layouts(kind)
    assert (small.struct, large.struct) == ("k_0", "k_1")
    assert [(f.name, f.length) for f in small.fields] == [("path_len", 0), ("path", 8), ("pad_", 4)]
    assert large.dtype["path"].itemsize == 64


def test_key_and_value_of_a_map_are_its_roles() -> None:
    key, value = map_layouts(syscalls.SYSCALL_STATS)
    assert {f.name for f in key.fields} == {"pid", "start", "nr", "bucket"}
    of_value = {"calls", "errors", "total_ns", "max_ns", "bytes", "blocked_ns", "uninterruptible_ns", "runnable_ns"}
    assert {f.name for f in value.fields} == of_value


def test_a_name_means_one_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [c.name for c in schema.all_columns()]
    assert len(names) == len(set(names))
    odd = Kind("odd", "odds", ".", (Col("pid", "u64", "Something else."),))
    monkeypatch.setattr(schema, "KINDS", (*KINDS, odd))
    with pytest.raises(ValueError, match="column pid of kind odd"):
        schema.all_columns()


def test_names_of_kinds_and_views_are_unique() -> None:
    assert len({k.name for k in KINDS}) == len({k.view for k in KINDS}) == len(KINDS)


def test_counters_of_losses_are_rows_of_their_own() -> None:
    rows = csource.losses()
    assert len(set(rows.values())) == len(rows)
    assert rows["exec_ring"] == ("ring full", "exec") and rows["cpu_map"] == ("map full", "cpu")


def test_every_column_says_what_it_is() -> None:
    for col in schema.all_columns():
        assert col.doc.endswith("."), col.name
        assert not col.name.endswith("_ns") or col.unit == "ns", col.name


def test_sizes_of_rings_are_powers_of_two() -> None:
    for kind in RING_KINDS:
        assert isinstance(kind.source, Ring)
        for size in kind.source.sizes:
            assert size & (size - 1) == 0 and size >= 65536, "and hold whole pages of any size"


def test_sizes_follow_the_number_of_cpus() -> None:
    stats = syscalls.SYSCALL_STATS
    assert isinstance(stats.source, Map)
    small, large = csource.Sizes(2, 4096), csource.Sizes(128, 4096)
    assert small.map_entries(stats) == csource.Sizes(32, 4096).map_entries(stats) == stats.source.entries
    assert large.map_entries(stats) == stats.source.entries // 4
    assert f"syscall_stats_odd, {stats.source.entries // 4});" in csource.declarations(large)
    exec_, factor = kind_named("exec"), {2: 1, 16: 1, 17: 2, 32: 2, 33: 4, 64: 4, 128: 8}
    assert isinstance(exec_.source, Ring)
    for cpus, times in factor.items():
        assert csource.Sizes(cpus, 4096).ring_bytes(exec_) == tuple(s * times for s in exec_.source.sizes)


def test_dtype_of_a_name_keeps_its_bytes() -> None:
    dtype = layout("s", (Col("name", "comm", "."),)).dtype
    assert np.frombuffer(b"bash\0garbage-123", dtype)["name"][0] == b"bash\0garbage-123"
