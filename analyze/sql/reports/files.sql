-- Files opened: how often, by how many processes, with what success, and how long it took.
--
-- Calls of open, openat, openat2 and creat that returned, by file, busiest first. All names of a file share one row:
-- hard links, symbolic links and other paths to it. A name that was used for two files in turn has two rows. Failed
-- calls count for the file that was opened most often by that name, or have a row of that name if there is none.
-- Files below /proc, and all files in traces of version 1, are grouped by name, with `..` kept; a path relative to
-- an unknown directory is shown as it was passed. Opens by 32-bit programs and io_uring are not seen.
--
-- needs: main.opens, unfiltered.file_key, unfiltered.file_name, unfiltered.full_path
CREATE VIEW report.files(
    -- The absolute path by which it was opened most often; ends in ' ...' if cut, NULL if it was not in memory.
    -- Starts with the mount namespace if it is not the recorder's.
    path,
    -- Calls, failed ones included.
    opens,
    -- Calls among them that failed.
    errors,
    -- Calls among them that succeeded and let the file be written.
    for_writing,
    -- Processes that made them.
    processes,
    -- Sum of the latencies [s].
    total_s,
    -- Mean latency [us].
    mean_us,
    -- Largest latency [us].
    max_us,
    -- Names by which it was opened.
    names,
    -- Device of the file (st_dev of stat(2)); NULL if it was never opened, or unknown.
    device,
    -- Its inode.
    inode
) AS
WITH
-- Added up by what was passed first: a path is put together for each, and not for each call.
passed AS (
    SELECT origin, directory, path, path_truncated, mount_namespace, device, inode, generation, process_key,
        COUNT(*) AS opens,
        COUNT(error) AS errors,
        COUNT(CASE WHEN result >= 0 AND flags % 4 <> 0 THEN 1 END) AS for_writing,
        SUM(latency_ns) AS total_ns,
        COUNT(latency_ns) AS timed,
        MAX(latency_ns) AS max_ns
    FROM main.opens
    GROUP BY origin, directory, path, path_truncated, mount_namespace, device, inode, generation, process_key
),
named AS (
    SELECT
        *,
        unfiltered.file_name(mount_namespace, COALESCE(unfiltered.full_path(origin, path, directory), path))
        || CASE WHEN path_truncated THEN ' ...' ELSE '' END AS name
    FROM passed
),
keyed AS (SELECT *, unfiltered.file_key(name, device, inode, generation) AS file FROM named),
oftenest AS (
    SELECT name, file
    FROM keyed
    WHERE file IS NOT NULL
    GROUP BY name, file
    QUALIFY ROW_NUMBER() OVER (PARTITION BY name ORDER BY SUM(opens) DESC, file) = 1
),
-- A process may have named one file in several ways.
by_name AS (
    SELECT
        COALESCE(k.file, o.file) AS file,
        CASE WHEN COALESCE(k.file, o.file) IS NULL THEN k.name END AS unknown,
        k.name, k.process_key,
        SUM(k.opens) AS opens,
        SUM(k.errors) AS errors,
        SUM(k.for_writing) AS for_writing,
        SUM(k.total_ns) AS total_ns,
        SUM(k.timed) AS timed,
        MAX(k.max_ns) AS max_ns,
        MAX(CASE WHEN k.file IS NOT NULL THEN k.device END) AS device,
        MAX(CASE WHEN k.file IS NOT NULL THEN k.inode END) AS inode
    FROM keyed AS k
    LEFT JOIN oftenest AS o ON k.file IS NULL AND o.name = k.name
    GROUP BY 1, 2, k.name, k.process_key
),
names AS (
    SELECT file, unknown, name
    FROM by_name
    GROUP BY file, unknown, name
    QUALIFY ROW_NUMBER() OVER (PARTITION BY file, unknown ORDER BY SUM(opens) DESC, name) = 1
),
by_file AS (
    SELECT file, unknown,
        CAST(SUM(opens) AS BIGINT) AS opens,
        CAST(SUM(errors) AS BIGINT) AS errors,
        CAST(SUM(for_writing) AS BIGINT) AS for_writing,
        COUNT(DISTINCT process_key) AS processes,
        CAST(SUM(total_ns) AS DOUBLE PRECISION) AS total_ns,
        SUM(timed) AS timed,
        MAX(max_ns) AS max_ns,
        COUNT(DISTINCT name) AS names,
        MAX(device) AS device,
        MAX(inode) AS inode
    FROM by_name
    GROUP BY file, unknown
)
SELECT
    n.name,
    f.opens AS opens,
    f.errors,
    f.for_writing,
    f.processes,
    f.total_ns / 1e9 AS total_s,
    f.total_ns / NULLIF(f.timed, 0) / 1e3,
    f.max_ns / 1e3,
    f.names,
    f.device,
    f.inode
FROM by_file AS f
JOIN names AS n ON n.file IS NOT DISTINCT FROM f.file AND n.unknown IS NOT DISTINCT FROM f.unknown
ORDER BY opens DESC, total_s DESC NULLS LAST, n.name NULLS LAST, f.device NULLS LAST, f.inode NULLS LAST, f.file;
