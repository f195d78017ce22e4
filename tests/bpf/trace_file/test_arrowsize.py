"""The memory that an Arrow stream would take, computed before it is read."""

import struct

import pyarrow as pa
import pytest

from sysmon.bpf.trace_file import arrowsize


def stream(table: pa.Table, compression: str | None) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


TABLE = pa.table(
    {
        "comm": pa.array(["x" * 1000] * 5000).dictionary_encode(),
        "pid": pa.array(range(5000), pa.uint32()),
        "argv": pa.array([["a", "b"], None] * 2500),
        "none": pa.nulls(5000, pa.int64()),
    }
)


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_it_is_the_uncompressed_size_of_the_buffers(compression: str | None) -> None:
    """5000 indices of 4 bytes, 5000 numbers of 4, lists of 2500 and 5001 offsets: about 100 kB, plus padding."""
    read = pa.ipc.open_stream(stream(TABLE, compression)).read_all()
    size = arrowsize.stream_bytes(stream(TABLE, compression))
    assert read.nbytes <= size <= read.nbytes + 4096 + 5000 * 8  # NULLs alone need no buffer when read


def test_a_dictionarys_texts_are_sized_separately() -> None:
    assert arrowsize.plain_bytes(TABLE.column("comm")) == 5000 * 1000


def test_a_false_length_is_summed_and_not_allocated() -> None:
    data = bytearray(stream(pa.table({"comm": ["x" * 100_000]}), "zstd").to_pybytes())
    at = data.rindex(struct.pack("<q", 100_000))
    data[at : at + 8] = struct.pack("<q", 1 << 50)
    assert arrowsize.stream_bytes(pa.py_buffer(bytes(data))) > 1 << 50


def test_a_negative_length_is_refused() -> None:
    data = bytearray(stream(pa.table({"comm": ["x" * 100_000]}), "zstd").to_pybytes())
    at = data.rindex(struct.pack("<q", 100_000))
    data[at : at + 8] = struct.pack("<q", -(1 << 50))
    with pytest.raises(ValueError, match="of negative size"):
        arrowsize.stream_bytes(pa.py_buffer(bytes(data)))
