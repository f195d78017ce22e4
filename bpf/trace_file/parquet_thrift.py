"""The structs of a Parquet file by the names and field numbers of parquet.thrift in apache/parquet-format.

A `thrift.Struct` is a dict by field number, so `chunk[ColumnChunk.META_DATA]` is what a column chunk says of itself.
Only what is read or written here is listed; other fields pass through as they are.
"""

from __future__ import annotations


class FileMetaData:
    """The footer."""

    SCHEMA = 2
    NUM_ROWS = 3
    ROW_GROUPS = 4
    KEY_VALUE_METADATA = 5
    ENCRYPTION_ALGORITHM = 8
    FOOTER_SIGNING_KEY_METADATA = 9


class SchemaElement:
    """A column, or the group of those that follow."""

    TYPE = 1
    REPETITION_TYPE = 3
    NAME = 4
    NUM_CHILDREN = 5
    CONVERTED_TYPE = 6


class KeyValue:
    """A text and its name."""

    KEY = 1
    VALUE = 2


class RowGroup:
    """Some rows with all their columns."""

    COLUMNS = 1
    TOTAL_BYTE_SIZE = 2
    NUM_ROWS = 3
    FILE_OFFSET = 5
    TOTAL_COMPRESSED_SIZE = 6


class ColumnChunk:
    """The pages of one column in a row group."""

    FILE_OFFSET = 2
    META_DATA = 3
    CRYPTO_METADATA = 8
    ENCRYPTED_COLUMN_METADATA = 9


class ColumnMetaData:
    """Where they are and how they are coded."""

    TYPE = 1
    ENCODINGS = 2
    PATH_IN_SCHEMA = 3
    CODEC = 4
    NUM_VALUES = 5
    TOTAL_UNCOMPRESSED_SIZE = 6
    TOTAL_COMPRESSED_SIZE = 7
    DATA_PAGE_OFFSET = 9
    DICTIONARY_PAGE_OFFSET = 11
    STATISTICS = 12


class Statistics:
    """Of a column chunk, or of a page."""

    NULL_COUNT = 3
    MAX_VALUE = 5
    MIN_VALUE = 6


class PageHeader:
    """Before each page."""

    TYPE = 1
    UNCOMPRESSED_PAGE_SIZE = 2
    COMPRESSED_PAGE_SIZE = 3
    CRC = 4
    DATA_PAGE_HEADER = 5
    DICTIONARY_PAGE_HEADER = 7


class DataPageHeader:
    """Of a page of values."""

    NUM_VALUES = 1
    ENCODING = 2
    DEFINITION_LEVEL_ENCODING = 3
    REPETITION_LEVEL_ENCODING = 4
    STATISTICS = 5


class DictionaryPageHeader:
    """Of a page of the values that others refer to."""

    NUM_VALUES = 1
    ENCODING = 2


class Type:
    """How a value is stored."""

    INT32 = 1
    INT64 = 2
    BYTE_ARRAY = 6


class ConvertedType:
    """What it means."""

    UNSIGNED = range(11, 15)  # UINT_8 to UINT_64


class FieldRepetitionType:
    """Whether a column may be NULL, or a list."""

    OPTIONAL = 1
    REPEATED = 2


class Encoding:
    """How values, or levels, are encoded."""

    PLAIN = 0
    RLE = 3


class CompressionCodec:
    """How pages are compressed."""

    ZSTD = 6


class PageType:
    """What a page holds."""

    DATA_PAGE = 0
    DICTIONARY_PAGE = 2
