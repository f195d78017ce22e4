"""The one wide Arrow schema of a trace, generated from the declarations, and the keys of a trace's metadata.

Version history (a reader refuses a newer version and reads all older ones):
1  `start` and `parent_start` are rounded down to a clock tick of 10 ms.
2  They are in ns as the kernel has them.
"""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from sysmon.bpf.kind import Col, Kind
from sysmon.bpf.kinds import KINDS, stacks
from sysmon.bpf.types import TYPES

VERSION = 2

METADATA_KEY = b"sysmon"
"""Key of the Parquet file metadata under which a JSON object describes the recording."""

KINDS_KEY = b"sysmon.kinds"
"""Key under which a JSON object describes the kinds of this trace and their columns."""

CHECKSUM_KEY = b"sysmon.checksum"
"""Key under which a JSON object has the CRC-32 and the number of all bytes before the footer, and the CRC-32 of the two
texts above. Parquet's own checksums cover pages but not their headers, and DuckDB does not check them."""

KIND_COL = Col("kind", "text", "What kind of row this is; a row group holds rows of one kind.")

_NESTED = {"timestamp[ns, UTC]": pa.timestamp("ns", tz="UTC"), "list<string>": pa.list_(pa.string())}
"""Types that have no name in Arrow."""


@functools.cache
def arrow_type(col: Col) -> pa.DataType:
    """The column's Arrow type in the file."""
    name = TYPES[col.type].arrow
    return _NESTED.get(name) or pa.type_for_alias(name)


def _field(col: Col) -> pa.Field:
    return pa.field(col.name, arrow_type(col), metadata={"doc": col.doc, "unit": col.unit})


def all_columns() -> tuple[Col, ...]:
    """Every column of the file: `kind`, then each column once, in the order of the declarations.

    Raises ValueError if two kinds use one name with two meanings.
    """
    seen = {KIND_COL.name: KIND_COL}
    for kind in KINDS:
        for col in kind.cols:
            known = seen.setdefault(col.name, col)
            if (known.type, known.doc, known.unit) != (col.type, col.doc, col.unit):
                raise ValueError(f"column {col.name} of kind {kind.name} differs from the one declared before")
    return tuple(seen.values())


def rarely_repeated() -> frozenset[str]:
    """Columns of times, durations and stacks, which take fewer bytes as differences than with a dictionary."""
    times = (c.name for c in all_columns() if c.type == "time" or (c.type == "u64" and c.unit == "ns"))
    return frozenset((*times, *stacks.NUMBERS))


@functools.cache
def wide() -> pa.Schema:
    """The schema of a trace: every column, with its doc and unit as field metadata, without file metadata."""
    return pa.schema([_field(c) for c in all_columns()])


@functools.cache
def of_kind(kind: Kind) -> pa.Schema:
    """The schema of one kind's own columns."""
    return pa.schema([_field(c) for c in kind.cols])


def check(kind: Kind, found: pa.Schema) -> None:
    """Raises ValueError if these are not columns of the kind, plain or as a dictionary.

    Columns that are NULL may be left out, except the time.
    """
    if kind not in KINDS:
        raise ValueError(f"no trace has a kind {kind.name}")
    declared = {field.name: field.type for field in of_kind(kind)}
    for field in found:
        plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if declared.get(field.name) != plain:
            raise ValueError(f"kind {kind.name} has no column {field.name} of type {field.type}")
    if "ts" not in found.names:
        raise ValueError(f"rows of kind {kind.name} have no time")


def checksum(data_bytes: int, data_crc: int, texts: dict[bytes, bytes]) -> bytes:
    """The JSON value of CHECKSUM_KEY. `data_crc` covers the file's first `data_bytes`."""
    crc = data_crc
    for key in (METADATA_KEY, KINDS_KEY):
        crc = zlib.crc32(texts.get(key, b""), crc)
    return json.dumps({"bytes": data_bytes, "crc32": crc}).encode()


def texts(recording: Mapping[str, Any], data_bytes: int, data_crc: int) -> dict[bytes, bytes]:
    """The key-value metadata of a trace's footer; `data_crc` covers the `data_bytes` before it."""
    said = {METADATA_KEY: json.dumps(recording).encode(), KINDS_KEY: describe_kinds()}
    return {**said, CHECKSUM_KEY: checksum(data_bytes, data_crc, said)}


def describe_kinds() -> bytes:
    """The JSON value of KINDS_KEY: for each kind its view, doc and columns."""
    return json.dumps(
        {k.name: {"view": k.view, "doc": k.doc, "columns": [c.name for c in k.cols]} for k in KINDS}
    ).encode()
