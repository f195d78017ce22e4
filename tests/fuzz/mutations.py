"""Ways to damage a trace, from flipped bytes to a false footer; each takes the dice that decide.

A damaged file that is still well-formed gets further than one that is not: so footers, pages, metadata and logs are
taken apart, changed in one place and put together again with the right lengths and checksums.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sysmon.bpf.trace_file import footer, journal, partial, schema, thrift
from sysmon.bpf.trace_file.parquet_thrift import (
    ColumnChunk,
    ColumnMetaData,
    FileMetaData,
    KeyValue,
    PageHeader,
    RowGroup,
    SchemaElement,
)

Dice = random.Random
Mutation = Callable[[bytes, Dice], bytes]

NUMBERS = (0, 1, -1, 2, 127, 255, 65536, 2**31 - 1, -(2**31), 2**32, 2**48, 2**62, 2**63 - 1, -(2**63))
LENGTHS = (0, 1, 255, 4096, 1 << 20, 16 << 20)

PAGE_OFFSETS = (ColumnMetaData.DATA_PAGE_OFFSET, ColumnMetaData.DICTIONARY_PAGE_OFFSET)

LEAF = {
    SchemaElement.TYPE: thrift.i32(1),
    SchemaElement.REPETITION_TYPE: thrift.i32(1),
    SchemaElement.NAME: thrift.binary(b"y"),
}
"""An additional column."""


def some_bytes(data: bytes, dice: Dice) -> bytes:
    """Changes, removes, inserts or copies a few bytes."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 40))):
        at, count = dice.randrange(len(out) or 1), dice.choice((1, 1, 2, 4, 8, 64, 997))
        match dice.randrange(5):
            case 0:
                out[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                out[at : at + 1] = bytes([(out[at] if out else 0) ^ 1 << dice.randrange(8)])
            case 2:
                del out[at : at + count]
            case 3:
                out[at:at] = dice.choice((dice.randbytes(count), b"\0" * count, b"\xff" * count))
            case _:
                begin = dice.randrange(len(out) or 1)
                out[at : at + count] = out[begin : begin + count]
    return bytes(out)


def cut(data: bytes, dice: Dice) -> bytes:
    """Truncates the file, or moves its end to the wrong place."""
    kept = data[: dice.randrange(len(data))]
    return dice.choice((kept, kept + data[-8:], data + kept))


def body_bytes(data: bytes, dice: Dice) -> bytes:
    """Changes bytes of pages."""
    end = footer_at(data)
    return data[:4] + some_bytes(data[4:end], dice)[: end - 4].ljust(end - 4, b"\0") + data[end:]


def footer_bytes(data: bytes, dice: Dice) -> bytes:
    """Changes bytes of the footer, keeping its length."""
    return with_footer(data, some_bytes(data[footer_at(data) : -8], dice))


def footer_length(data: bytes, dice: Dice) -> bytes:
    return data[:-8] + struct.pack("<I", dice.choice((0, 1, 8, len(data), 2**31, 2**32 - 1))) + data[-4:]


def footer_fields(data: bytes, dice: Dice) -> bytes:
    """Replaces one to three values in the footer: counts, lengths, offsets, types, names, texts, lists."""
    found = footer.read(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        change_struct(found, dice)
    return with_footer(data, thrift.dump(found))


def columns_of(found: thrift.Struct) -> list[thrift.Struct]:
    """The footer's entries for each column of each row group."""
    groups = found[FileMetaData.ROW_GROUPS].items
    return [chunk[ColumnChunk.META_DATA] for group in groups for chunk in group[RowGroup.COLUMNS].items]


def footer_field_everywhere(data: bytes, dice: Dice) -> bytes:
    """Replaces one field of every column."""
    found = footer.read(data)
    number = dice.choice(
        (
            ColumnMetaData.TYPE,
            ColumnMetaData.CODEC,
            ColumnMetaData.NUM_VALUES,
            ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE,
            ColumnMetaData.TOTAL_COMPRESSED_SIZE,
            *PAGE_OFFSETS,
        )
    )
    value = dice.choice(NUMBERS)
    for meta in columns_of(found):
        if number in meta and meta[number].type in (thrift.I32, thrift.I64):
            meta[number].value = value
    return with_footer(data, thrift.dump(found))


def rows_that_are_not_there(data: bytes, dice: Dice) -> bytes:
    """A footer all of whose counts consistently claim a huge number of rows."""
    found, count = footer.read(data), dice.choice((2**20, 2**31 - 1, 2**40, 2**62, -5))
    found[FileMetaData.NUM_ROWS].value = count
    for group in found[FileMetaData.ROW_GROUPS].items:
        group[RowGroup.NUM_ROWS].value = count
    for meta in columns_of(found):
        meta[ColumnMetaData.NUM_VALUES].value = count
        if dice.random() < 0.5:
            size = dice.choice((count, 2**62))
            meta[ColumnMetaData.TOTAL_UNCOMPRESSED_SIZE].value = size
            meta[ColumnMetaData.TOTAL_COMPRESSED_SIZE].value = size
    return with_footer(data, thrift.dump(found))


def footer_depth(data: bytes, dice: Dice) -> bytes:
    """Nested structs or lists, where a reader without a limit overflows its stack."""
    depth = dice.choice((20, 1000, 100_000, 1_000_000))
    nested = dice.choice((b"\x9c" * depth + b"\0" * depth, b"\x99" + b"\x19" * depth))
    return with_footer(data, data[footer_at(data) : -9] + nested + b"\0")


def schema_depth(data: bytes, dice: Dice) -> bytes:
    """Columns within columns."""
    found = footer.read(data)
    depth = dice.choice((10, 200, 20_000, 200_000))
    inner = [
        {
            SchemaElement.REPETITION_TYPE: thrift.i32(1),
            SchemaElement.NAME: thrift.binary(b"x"),
            SchemaElement.NUM_CHILDREN: thrift.i32(1),
        }
        for _ in range(depth)
    ]
    elements = found[FileMetaData.SCHEMA].items
    elements[0][SchemaElement.NUM_CHILDREN].value += 1
    elements += [*inner, LEAF]
    return with_footer(data, thrift.dump(found))


def many_columns(data: bytes, dice: Dice) -> bytes:
    """A hundred thousand columns, or one that claims that many children."""
    found, count = footer.read(data), dice.choice((1000, 100_000))
    elements = found[FileMetaData.SCHEMA].items
    elements += [LEAF] * count
    elements[0][SchemaElement.NUM_CHILDREN].value = dice.choice((len(elements) - 1, 2**31 - 1))
    return with_footer(data, thrift.dump(found))


def encrypted(data: bytes, dice: Dice) -> bytes:
    """A footer or column that claims to be encrypted."""
    found = footer.read(data)
    inner = {1: thrift.binary(dice.randbytes(8)), 2: thrift.binary(dice.randbytes(4))}
    if dice.random() < 0.5:
        found[FileMetaData.ENCRYPTION_ALGORITHM] = {dice.choice((1, 2)): inner}
        found[FileMetaData.FOOTER_SIGNING_KEY_METADATA] = thrift.binary(b"key")
    else:
        chunk = dice.choice(dice.choice(found[FileMetaData.ROW_GROUPS].items)[RowGroup.COLUMNS].items)
        chunk[ColumnChunk.CRYPTO_METADATA] = {
            dice.choice((1, 2)): dice.choice(({}, {1: thrift.List(thrift.BINARY, [b"kind"])}))
        }
        if dice.random() < 0.5:
            chunk[ColumnChunk.ENCRYPTED_COLUMN_METADATA] = thrift.binary(dice.randbytes(40))
    out = with_footer(data, thrift.dump(found))
    return b"PARE" + out[4:-4] + b"PARE" if dice.random() < 0.3 else out


def page(data: bytes, dice: Dice) -> bytes:
    """Replaces a page's content or header, with matching lengths, checksums and offsets."""
    found = footer.read(data)
    chunks = columns_of(found)
    chosen = dice.choice(chunks)
    begin = min(chosen[n].value for n in PAGE_OFFSETS if n in chosen)
    at = dice.choice(list(page_starts(data, begin, chosen[ColumnMetaData.TOTAL_COMPRESSED_SIZE].value)))
    reader = thrift.Reader(data, at)
    head = reader.struct()
    end = reader.at + head[PageHeader.COMPRESSED_PAGE_SIZE].value
    content = changed_page(head, data[reader.at : end], dice)
    head[PageHeader.COMPRESSED_PAGE_SIZE].value = len(content)
    if dice.random() < 0.9:
        crc = zlib.crc32(content)
        head[PageHeader.CRC].value = crc - (crc >> 31 << 32)
    if dice.random() < 0.5:
        change_struct(head, dice)
    new = thrift.dump(head) + content
    by = len(new) - (end - at)
    for chunk in chunks:
        for number in PAGE_OFFSETS:
            if number in chunk and chunk[number].value > at:
                chunk[number].value += by
    chosen[ColumnMetaData.TOTAL_COMPRESSED_SIZE].value += by
    return with_footer(data[:at] + new + data[end:], thrift.dump(found))


def changed_page(head: thrift.Struct, content: bytes, dice: Dice) -> bytes:
    codec, size = pa.Codec("zstd"), head[PageHeader.UNCOMPRESSED_PAGE_SIZE].value
    match dice.randrange(5):
        case 0:
            return some_bytes(content, dice)
        case 1:  # much content in little space
            size = dice.choice((16 << 20, 256 << 20))
            plain = dice.choice((b"\0", b"\xff", b"\x01")) * size
        case 2:
            plain = b""
            size = 0
        case _:
            plain = some_bytes(codec.decompress(content, size).to_pybytes(), dice)
    head[PageHeader.UNCOMPRESSED_PAGE_SIZE].value = len(plain)
    return bytes(codec.compress(plain, asbytes=True))


def page_starts(data: bytes, begin: int, length: int) -> Iterator[int]:
    at = begin
    while at < begin + length:
        yield at
        reader = thrift.Reader(data, at)
        at = reader.struct()[PageHeader.COMPRESSED_PAGE_SIZE].value + reader.at


def description(data: bytes, dice: Dice) -> bytes:
    """Changes one to three values of the metadata."""
    found = footer.read(data)
    pairs = found[FileMetaData.KEY_VALUE_METADATA].items
    text = next(p[KeyValue.VALUE] for p in pairs if p[KeyValue.KEY].value == schema.METADATA_KEY)
    text.value = changed_json(text.value, dice)
    return with_footer(data, thrift.dump(found))


def texts(data: bytes, dice: Dice) -> bytes:
    """Changes any text in the footer, including Arrow's and the descriptions of the kinds."""
    found = footer.read(data)
    text = dice.choice(found[FileMetaData.KEY_VALUE_METADATA].items)[KeyValue.VALUE]
    text.value = dice.choice((changed_json, some_bytes))(text.value, dice)
    return with_footer(data, thrift.dump(found))


def changed_json(text: bytes, dice: Dice) -> bytes:
    """JSON with some values replaced; or no longer JSON."""
    if dice.random() < 0.15:
        return dice.choice(
            (some_bytes(text, dice), b"[" * 200_000, b'{"a":' * 50_000, b"1" * 100_000, b"\xff\xfe", b"")
        )
    try:
        value = json.loads(text)
    except ValueError:
        return some_bytes(text, dice)
    for _ in range(dice.choice((1, 1, 2, 3))):
        value = changed_value(value, dice)
    return json.dumps(value).encode()


def changed_value(value: Any, dice: Dice) -> Any:
    """The value with one part of it replaced, at any depth."""
    if isinstance(value, dict) and value and dice.random() < 0.9:
        key = dice.choice(list(value))
        if dice.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: changed_value(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.7:
        at = dice.randrange(len(value))
        return [*value[:at], changed_value(value[at], dice), *value[at + 1 :]]
    if isinstance(value, list) and value and dice.random() < 0.3:
        return value * dice.choice((2, 1000, 20_000))
    return dice.choice((
        None, True, "", "x" * dice.choice(LENGTHS), "\ud800", "\0\x1b[31m\n", [], {}, [[]], 1e308, float("nan"),
        float("inf"), -0.5, 10**30, *NUMBERS, {"a": {"b": []}}, ["a"] * 1000,
    ))  # fmt: skip


def change_struct(struct_: thrift.Struct, dice: Dice) -> None:
    """Replaces or removes one value anywhere in it, or changes its type."""
    where: Any = struct_
    while True:
        if isinstance(where, thrift.List):
            if where.items and isinstance(where.items[0], dict) and dice.random() < 0.97:
                where = dice.choice(where.items)
                continue
            change_list(where, dice)
            return
        if not where:
            where[dice.randrange(1, 20)] = thrift.i64(dice.choice(NUMBERS))
            return
        number = dice.choice(list(where))
        inner = where[number]
        if isinstance(inner, (dict, thrift.List)) and dice.random() < 0.95:
            where = inner
            continue
        match dice.randrange(8):
            case 0:
                del where[number]
            case 1:
                where[number] = dice.choice((thrift.i64(7), thrift.binary(b"x"), {}, thrift.List(thrift.I32, [1])))
            case 2:
                where[dice.randrange(1, 20)] = inner
            case _ if isinstance(inner, thrift.Value):
                where[number] = changed_wire(inner, dice)
        return


def changed_wire(value: thrift.Value, dice: Dice) -> thrift.Value:
    if value.type in (thrift.I16, thrift.I32, thrift.I64):
        number = dice.choice((*NUMBERS, value.value + 1, value.value - 1, value.value * 2, dice.randrange(64)))
        return thrift.Value(value.type, max(-(2**63), min(2**63 - 1, number)))
    if value.type == thrift.BINARY:
        length = dice.choice(LENGTHS)
        return thrift.binary(dice.choice((b"", b"A" * length, dice.randbytes(16), some_bytes(value.value, dice))))
    if value.type == thrift.I8:
        return thrift.Value(thrift.I8, dice.randrange(256))
    return thrift.Value(thrift.FALSE if value.type == thrift.TRUE else thrift.TRUE, None)


def change_list(found: thrift.List, dice: Dice) -> None:
    items = found.items
    match dice.randrange(4):
        case 0:
            items.clear()
        case 1:
            items[:] = items * dice.choice((2, 100))
        case 2 if items:
            del items[dice.randrange(len(items))]
        case _:
            dice.shuffle(items)


def footer_at(data: bytes) -> int:
    """Offset of the footer; 4 if its length is wrong."""
    at = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    return at if at >= 4 else 4


def with_footer(data: bytes, text: bytes) -> bytes:
    return data[: footer_at(data)] + text + len(text).to_bytes(4, "little") + b"PAR1"


def other_schema(data: bytes, dice: Dice) -> bytes:
    """A valid Parquet file that claims to be a trace, with columns that no trace has."""
    source = pq.ParquetFile(io.BytesIO(data))
    table = source.read()
    names = table.column_names
    for _ in range(dice.choice((1, 1, 3))):
        at = (
            dice.randrange(table.num_columns)
            if dice.random() < 0.6
            else names.index("kind" if dice.random() < 0.5 else "ts")
        )
        name = table.column_names[at]
        if dice.random() < 0.2 and table.num_columns > 1:
            table = table.remove_column(at)
            names = table.column_names
            if "ts" not in names or "kind" not in names:
                break
            continue
        table = table.set_column(at, name, other_column(table.num_rows, dice))
    out = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(source.schema_arrow.metadata), out,
        compression=dice.choice(("zstd", "snappy", "gzip", "none")), use_dictionary=dice.random() < 0.7,
        data_page_version=dice.choice(("1.0", "2.0")),
    )  # fmt: skip
    return out.getvalue()


def other_column(rows: int, dice: Dice) -> pa.Array:
    def repeated(value: Any, type_: pa.DataType | None = None) -> pa.Array:
        return pa.repeat(pa.scalar(value, type_), rows)

    match dice.randrange(10):
        case 0:
            return pa.nulls(rows, dice.choice((pa.int8(), pa.string(), pa.list_(pa.int64()), pa.null())))
        case 1:
            return repeated({"a": {"b": [1, 2]}})
        case 2:
            return repeated("x" * dice.choice((10, 10_000)))
        case 3:
            return pa.array(["A" * (64 << 20), *[None] * (rows - 1)])
        case 4:
            return pa.array([dice.choice(NUMBERS) for _ in range(rows)], pa.int64())
        case 5:
            return pa.array([dice.randbytes(dice.randrange(20)) for _ in range(rows)])
        case 6:
            return pa.array([dice.random() * 1e300 for _ in range(rows)])
        case 7:
            return pa.array([["a" * 100] * dice.choice((0, 5, 1000)) for _ in range(rows)])
        case 8:
            return pa.array([dice.choice((0, 2**64 - 1, 2**63)) for _ in range(rows)], pa.uint64())
        case _:
            deep: Any = 1
            for _ in range(dice.choice((5, 50))):
                deep = [deep]
            return pa.array([deep, *[None] * (rows - 1)])


def other_values(data: bytes, dice: Dice) -> bytes:
    """A well-formed trace with the right types, and values that no recorder would write."""
    source = pq.ParquetFile(io.BytesIO(data))
    table = source.read()
    for _ in range(dice.choice((1, 3, 20))):
        at = dice.randrange(table.num_columns)
        field = table.schema.field(at)
        table = table.set_column(
            at, field, pa.array([strange(field.type, dice) for _ in range(table.num_rows)], field.type)
        )
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(source.schema_arrow.metadata), out, compression="zstd")
    return out.getvalue()


def strange(type_: pa.DataType, dice: Dice) -> Any:
    if dice.random() < 0.2:
        return None
    if pa.types.is_integer(type_):
        bits, signed = type_.bit_width, pa.types.is_signed_integer(type_)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        return dice.choice((low, high, 0, 1, dice.randint(low, high)))
    if pa.types.is_timestamp(type_):
        return pa.scalar(dice.choice((0, -(2**63) + 1, 2**63 - 1, 2**62, 1_700_000_000 * 10**9)), type_)
    if pa.types.is_boolean(type_):
        return dice.random() < 0.5
    if pa.types.is_binary(type_):
        return dice.randbytes(dice.choice((0, 1, 16, 28, 110)))
    if pa.types.is_list(type_):
        return dice.choice(([], ["a"], [None], ["x" * 100] * 50))
    return dice.choice(("", "start", "end", "exec", "read", "x" * 300, "\0", "\u202e", "/", "1.2.3.4:5", "]" * 40))


FILE: dict[str, Mutation] = {
    m.__name__: m
    for m in (
        some_bytes, cut, body_bytes, footer_bytes, footer_length, footer_fields, footer_field_everywhere,
        rows_that_are_not_there, footer_depth, schema_depth, many_columns, encrypted, page, description, texts,
        other_schema, other_values,
    )
}  # fmt: skip
"""What can be done to a whole file."""


def log_frames(directory: Path, dice: Dice) -> None:
    """Changes a frame of the log, with a valid checksum."""
    path = directory / partial.LOG
    found = list(journal.frames(path.read_bytes()))
    for _ in range(dice.choice((1, 1, 2))):
        at = dice.randrange(len(found))
        kind, content = found[at]
        match dice.randrange(5):
            case 0:
                del found[at]
                if not found:
                    break
            case 1:
                found[at] = (dice.choice((b"S", b"R", b"G", b"C", b"B", b"?")), content)
            case 2:
                found.insert(at, found[dice.randrange(len(found))])
            case _:
                found[at] = (kind, changed_frame(kind, content, dice))
    path.write_bytes(b"".join(journal.frame(kind, content) for kind, content in found))


def changed_frame(kind: bytes, content: bytes, dice: Dice) -> bytes:
    if kind != journal.SCHEMA:
        return changed_json(content, dice)
    if dice.random() < 0.3:
        return some_bytes(content, dice)
    found = footer.read(content)
    change_struct(found, dice)
    return with_footer(content, thrift.dump(found))


def journal_frames(directory: Path, dice: Dice) -> None:
    """Changes a waiting batch in a journal, with a valid checksum."""
    journals = [p for n in partial.JOURNALS if (p := directory / n).exists() and p.stat().st_size]
    if not journals:
        return
    path = dice.choice(journals)
    found = list(journal.frames(path.read_bytes()))
    if not found:
        return
    at = dice.randrange(len(found))
    kind, content = found[at]
    head = journal.BATCH_HEAD.size
    match dice.randrange(3):
        case 0:
            content = some_bytes(content[:head], dice)[:head].ljust(head, b"\0") + content[head:]
        case 1:
            content = content[:head] + some_bytes(content[head:], dice)
        case _:
            content = some_bytes(content, dice)
    found[at] = (kind, content)
    path.write_bytes(b"".join(journal.frame(k, c) for k, c in found))


def file_bytes(directory: Path, dice: Dice) -> None:
    """Changes bytes of one of its files."""
    path = dice.choice(sorted(directory.iterdir()))
    path.write_bytes(dice.choice((some_bytes, cut))(path.read_bytes() or b"\0", dice))


def files_gone(directory: Path, dice: Dice) -> None:
    """Removes a file, or replaces it by another or by something that is not a file."""
    path = dice.choice(sorted(directory.iterdir()))
    path.unlink()
    match dice.randrange(3):
        case 0:
            path.mkdir()
        case 1:
            path.write_bytes(dice.choice(sorted(directory.iterdir())).read_bytes())


def rows_moved(directory: Path, dice: Dice) -> None:
    """Claims that a row group is elsewhere, or different, with the checksum of what is there."""
    path, rows = directory / partial.LOG, (directory / partial.ROWS).read_bytes()
    found = list(journal.frames(path.read_bytes()))
    groups = [i for i, (kind, _) in enumerate(found) if kind == journal.GROUP]
    if not groups:
        return
    at = dice.choice(groups)
    group = json.loads(found[at][1])
    group["begin"] = max(0, group["begin"] + dice.choice((0, 0, 1, -1, 4, 1000)))
    group["end"] = dice.choice((group["end"], group["end"] + 1, group["begin"], len(rows), 2**40))
    changed = bytearray(rows)
    if dice.random() < 0.5:
        span = slice(group["begin"], min(group["end"], len(rows)))
        new = some_bytes(rows[span], dice)
        changed[span] = new[: len(rows[span])].ljust(len(rows[span]), b"\0")
    group["crc"] = zlib.crc32(bytes(changed)[group["begin"] : group["end"]])
    if dice.random() < 0.3:
        group["rows"] = {k: dice.choice(NUMBERS) for k in group["rows"]}
    found[at] = (journal.GROUP, json.dumps(group).encode())
    (directory / partial.ROWS).write_bytes(changed)
    path.write_bytes(b"".join(journal.frame(k, c) for k, c in found))


PARTIAL: dict[str, Callable[[Path, Dice], None]] = {
    m.__name__: m for m in (log_frames, journal_frames, file_bytes, files_gone, rows_moved)
}
"""What can be done to the directory of an interrupted recording."""
