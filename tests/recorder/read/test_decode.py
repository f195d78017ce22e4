"""Bytes of the kernel become columns."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.bpf import nulls
from sysmon.bpf.kind import TICK_NS, ring_layouts
from sysmon.bpf.kinds import files, lifecycle, syscalls
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read import decode
from sysmon.recorder.read.decode import Decoder
from sysmon.recorder.read.strings import arguments, comms, strings

OFFSET = 1_700_000_000_000_000_000


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    return Decoder(OFFSET, SyscallNames("x86_64"))


def test_a_name_ends_at_its_first_nul() -> None:
    names = np.array([b"bash\0garbage", b"sixteen letters!", b"", b"bash", b"\xffx\0y"], "S16")
    assert comms(names).to_pylist() == ["bash", "sixteen letters!", "", "bash", "\\xffx"]


def buffers(texts: list[bytes], width: int) -> tuple[np.ndarray, np.ndarray]:
    raw = b"".join(t.ljust(width, b"?")[:width] for t in texts)  # what follows is not zero
    return np.frombuffer(raw, f"V{width}"), np.array([len(t) for t in texts], np.uint32)


@given(st.lists(st.binary(max_size=40)), st.sampled_from([40, 64]))
def test_strings_are_the_bytes_of_their_length(texts: list[bytes], width: int) -> None:
    assert strings(*buffers(texts, width)).to_pylist() == [t.decode("utf-8", "backslashreplace") for t in texts]


def test_a_length_past_the_buffer_reads_no_further() -> None:
    data, _ = buffers([b"abcd", b"efgh"], 4)
    assert strings(data, np.array([4_000_000_000, 4], np.uint32)).to_pylist() == ["abcd", "efgh"]


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
            min_size=1,
            max_size=4,
        )
    )
)
def test_arguments_are_split_at_nuls(lists: list[list[str]]) -> None:
    raw = [b"".join(a.encode() + b"\0" for a in args) for args in lists]
    assert arguments(*buffers(raw, 128)).to_pylist() == lists


def test_arguments_without_their_last_nul_and_without_any() -> None:
    assert arguments(*buffers([b"a\0bc", b"", b"\0", b"a\0\0"], 8)).to_pylist() == [["a", "bc"], [], [""], ["a", ""]]


def exit_records(**values: object) -> np.ndarray:
    records = np.zeros(1, ring_layouts(lifecycle.EXIT)[0].dtype)
    for name, value in values.items():
        records[name] = value
    return records


def test_scalars(decoder: Decoder) -> None:
    records = exit_records(
        ts=5_000_000_123, start=4_987_654_321, pid=7, exit_code=3, signal=0, core_dumped=0, comm=b"sh\0junk"
    )
    (row,) = decoder.batch(lifecycle.EXIT, records).to_pylist()
    assert row["ts"].value == OFFSET + 5_000_000_123
    assert row["start"] == 4_987_654_321
    assert (row["pid"], row["exit_code"], row["signal"], row["core_dumped"], row["comm"]) == (7, 3, None, False, "sh")


def test_starts_are_rounded_if_some_are_known_to_the_tick_only(decoder: Decoder) -> None:
    in_ticks = Decoder(OFFSET, SyscallNames(), tick_ns=TICK_NS)
    (row,) = in_ticks.batch(lifecycle.EXIT, exit_records(start=4_987_654_321)).to_pylist()
    assert row["start"] == 4_980_000_000


def test_unknown_is_null(decoder: Decoder) -> None:
    (row,) = decoder.batch(lifecycle.EXIT, exit_records(exit_code=-1, signal=9, core_dumped=1)).to_pylist()
    assert (row["exit_code"], row["signal"], row["core_dumped"]) == (None, 9, True)


def test_numbers_of_calls_become_names(decoder: Decoder) -> None:
    raw = [110, 1 << 14 | 11, 2 << 14 | 110, 16383, 9999]
    records = np.zeros(5, ring_layouts(syscalls.SYSCALL_INFLIGHT)[0].dtype)
    records["nr"] = raw
    rows = decoder.batch(syscalls.SYSCALL_INFLIGHT, records, edge="end").to_pylist()
    assert [(r["abi"], r["nr"], r["syscall"]) for r in rows] == [
        ("x86_64", 110, "getppid"),
        ("i386", 11, "execve"),
        ("x32", 110, "getppid"),
        (None, None, None),
        ("x86_64", 9999, "syscall_9999"),
    ]
    assert {r["edge"] for r in rows} == {"end"}


def test_columns_without_values_are_left_out(decoder: Decoder) -> None:
    batch = decoder.batch(syscalls.SYSCALL_INFLIGHT, np.zeros(1, ring_layouts(syscalls.SYSCALL_INFLIGHT)[0].dtype))
    assert "edge" not in batch.schema.names
    assert batch.schema.field("elapsed_ns").type == pa.uint64()


def open_record(path: bytes, names: bytes | None, **values: object) -> np.ndarray:
    records = np.zeros(1, ring_layouts(files.OPEN)[0].dtype)
    records["path"] = np.void(path.ljust(128, b"?"))
    records["path_len"] = len(path)
    records["directory"] = np.void((names or b"").ljust(96, b"?"))
    records["directory_len"] = nulls.NO_LENGTH if names is None else len(names)
    for name, value in values.items():
        records[name] = value
    return records


@pytest.mark.parametrize(
    ("names", "directory"),
    [
        (None, None),
        (b"", "/"),
        (b"a\0", "/a"),
        (b"c\0b\xff\0a\0", "/a/b\\xff/c"),
        (b"\0c\0a\0", "/a/c (deleted)"),
        (b"memfd:x\0\0", "memfd:x"),
        (b"\0memfd:x\0\0", "memfd:x"),
    ],
)
def test_names_from_a_path_walk_become_a_directory(
    decoder: Decoder, names: bytes | None, directory: str | None
) -> None:
    (row,) = decoder.batch(files.OPEN, open_record(b"x", names)).to_pylist()
    assert row["directory"] == directory
    assert row.get("directory_bytes") == (b"/a/b\xff/c" if directory and "xff" in directory else None)


def test_bytes_are_kept_where_they_are_not_text(decoder: Decoder) -> None:
    (row,) = decoder.batch(files.OPEN, open_record(b"\xff\\xff", None, origin=3)).to_pylist()
    assert (row["path"], row["path_bytes"], row["origin"]) == ("\\xff\\xff", b"\xff\\xff", "unresolved")
    (row,) = decoder.batch(files.OPEN, open_record(b"\\xff", None, origin=5)).to_pylist()
    assert (row["path"], row.get("path_bytes"), row["origin"]) == ("\\xff", None, None)


@pytest.mark.parametrize(
    ("result", "error"),
    [(0, None), (3, None), (-2, "ENOENT"), (-512, "ERESTARTSYS"), (-4000, "errno 4000"), (-5000, None)],
)
def test_results_have_the_names_of_errors(decoder: Decoder, result: int, error: str | None) -> None:
    (row,) = decoder.batch(files.OPEN, open_record(b"x", None, result=result)).to_pylist()
    assert (row["result"], row["error"]) == (result, error)


def test_names_are_looked_up_once_and_forgotten_if_there_are_many() -> None:
    asked: list[int] = []

    def look_up(number: int) -> str | None:
        asked.append(number)
        return None if number % 3 == 0 else f"name {number // 10}"

    names = decode.Names(look_up)
    for numbers in ([1, 2, 3, 1], [], [2, 11, 65535], [3, 0]):
        column = names.column(np.array(numbers, np.uint16))
        assert column.to_pylist() == [None if n % 3 == 0 else f"name {n // 10}" for n in numbers]
    assert sorted(asked) == [0, 1, 2, 3, 11, 65535]
    assert column.dictionary.to_pylist() == ["name 0", "name 1"], "numbers of one name share a place"
    for at in range(0, 1 << 16, 4096):
        numbers = range(at, at + 4096)
        column = names.column(np.arange(at, at + 4096, dtype=np.uint16))
        assert column.to_pylist() == [None if n % 3 == 0 else f"name {n // 10}" for n in numbers]
        assert len(column.dictionary) <= decode.Names.MOST + 4096


def test_records_of_a_ring_are_put_in_order() -> None:
    """Each record as a whole, and those of one instant in their original order."""
    dtype = np.dtype([("header", "<u4"), ("page", "<u4"), ("ts", "<u8"), ("pid", "<u4"), ("tid", "<u4")])
    came = np.array([(0, 0, ts, place, -place % 1000) for place, ts in enumerate([5, 7, 5, 1, 9, 8])], dtype)
    ordered = decode.in_order(came)
    assert [(int(r["ts"]), int(r["pid"])) for r in ordered] == [(1, 3), (5, 0), (5, 2), (7, 1), (8, 5), (9, 4)]
    assert all(int(r["tid"]) == -int(r["pid"]) % 1000 for r in ordered)
    assert decode.in_order(ordered) is ordered
