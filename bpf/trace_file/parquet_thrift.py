"""Structs of a Parquet file: names and field numbers of parquet.thrift in apache/parquet-format.

A `thrift.Struct` is a dict by field number, so `chunk[ColumnChunk.META_DATA]` is a column chunk's metadata. Only fields
read or written here are listed; other fields pass through unchanged.
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
    """A column, or the group of the following ones."""

    TYPE = 1
    REPETITION_TYPE = 3
    NAME = 4
    NUM_CHILDREN = 5
    CONVERTED_TYPE = 6


class KeyValue:
    """A named text."""

    KEY = 1
    VALUE = 2


class RowGroup:
    """A number of rows with all their columns."""

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
    """Position, size and encoding of a column chunk's pages."""

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
    """The header of each page."""

    TYPE = 1
    UNCOMPRESSED_PAGE_SIZE = 2
    COMPRESSED_PAGE_SIZE = 3
    CRC = 4
    DATA_PAGE_HEADER = 5
    DICTIONARY_PAGE_HEADER = 7


class DataPageHeader:
    """Of a page with values."""

    NUM_VALUES = 1
    ENCODING = 2
    DEFINITION_LEVEL_ENCODING = 3
    REPETITION_LEVEL_ENCODING = 4
    STATISTICS = 5


class DictionaryPageHeader:
    """Of a page with the dictionary that other pages refer to."""

    NUM_VALUES = 1
    ENCODING = 2


class Type:
    """Physical type of a value."""

    INT32 = 1
    INT64 = 2
    BYTE_ARRAY = 6


class ConvertedType:
    """Meaning of a value."""

    UNSIGNED = range(11, 15)  # UINT_8 to UINT_64


class FieldRepetitionType:
    """Whether a column is required, may be NULL, or is a list."""

    OPTIONAL = 1
    REPEATED = 2


class Encoding:
    """Encoding of values or levels."""

    PLAIN = 0
    RLE = 3


class CompressionCodec:
    """How pages are compressed."""

    ZSTD = 6


class PageType:
    """What a page holds."""

    DATA_PAGE = 0
    DICTIONARY_PAGE = 2
