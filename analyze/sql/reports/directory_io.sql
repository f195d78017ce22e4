-- Reads and writes by directory, each with everything below it.
--
-- What a call took counts for the directory of its file and for all above that. A directory that has no files of its own
-- here, and everything in one directory below, is left out. Files without a path, memfds and character devices are too;
-- see `file_io`. Needs `record --with objects`.
--
-- needs: main.described_io
CREATE VIEW report.directory_io(
    -- Absolute path of the directory, as in `file_io`.
    directory,
    -- Time in all calls [s].
    total_s,
    -- Part of it in which the threads slept, such as for a disk [s].
    blocked_s,
    -- Files that were read or written.
    files,
    -- Processes that did.
    processes,
    -- Calls that read.
    reads,
    -- Bytes read.
    read_bytes,
    -- Calls that wrote.
    writes,
    -- Bytes written.
    written_bytes,
    -- Calls of fsync and the like.
    syncs,
    -- Calls that failed.
    errors,
    -- Directories above it.
    depth
) AS
WITH
totals AS (
    SELECT path, process_key, way,
        SUM(total_ns) AS ns, SUM(blocked_ns) AS blocked_ns, SUM(calls) AS calls, SUM(bytes) AS bytes, SUM(errors) AS errors
    FROM main.described_io
    WHERE object_type IN ('file', 'directory', 'block device') AND path LIKE '%/%' AND path NOT LIKE 'memfd:%'
    GROUP BY path, process_key, way
),
-- The parts of a path: '' for the root, or its mount namespace, then a name for each directory, then the file.
split AS (
    SELECT *, STRING_SPLIT(path, '/') AS parts FROM totals
),
above AS (
    SELECT s.*, UNNEST(RANGE(1, LEN(s.parts))) AS length FROM split AS s
),
grouped AS (
    SELECT parts[:length] AS directory,
        SUM(ns) AS ns,
        SUM(blocked_ns) AS blocked_ns,
        COUNT(DISTINCT path) AS files,
        COUNT(DISTINCT process_key) AS processes,
        SUM(calls) FILTER (way = 'read') AS reads,
        SUM(bytes) FILTER (way = 'read') AS read_bytes,
        SUM(calls) FILTER (way = 'write') AS writes,
        SUM(bytes) FILTER (way = 'write') AS written_bytes,
        SUM(calls) FILTER (way = 'sync') AS syncs,
        SUM(errors) AS errors,
        BOOL_OR(LEN(parts) = length + 1) OR COUNT(DISTINCT parts[length + 1]) > 1 AS adds
    FROM above
    GROUP BY parts[:length]
)
SELECT
    CASE WHEN LEN(directory) = 1 THEN directory[1] || '/' ELSE ARRAY_TO_STRING(directory, '/') END,
    ns / 1e9,
    blocked_ns / 1e9,
    files,
    processes,
    TRY_CAST(reads AS BIGINT),
    TRY_CAST(read_bytes AS BIGINT),
    TRY_CAST(writes AS BIGINT),
    TRY_CAST(written_bytes AS BIGINT),
    TRY_CAST(syncs AS BIGINT),
    TRY_CAST(errors AS BIGINT),
    LEN(directory) - 1
FROM grouped
WHERE adds
ORDER BY ns DESC, LEN(directory), directory;
