-- Activity: what each process did in the window, all at once.
--
-- CPU time, system calls, memory and I/O side by side, as the reports `cpu`, `memory`, `io` and `processes` have them,
-- of every process that existed in the window; those that did nothing come last. The screens of `sysmon live` and
-- `sysmon replay` show it.
--
-- needs: main.processes, main.recording, main.syscall_stats, report.cpu, report.io, report.memory, unfiltered.process_key
CREATE VIEW report.activity(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- CPU time as a share of one CPU [%]; above 100 if several threads ran at once. NULL if not counted for it.
    cpu_pct,
    -- CPU time [s]; NULL if not counted for it.
    cpu_s,
    -- Time that its threads were ready to run and waited for a CPU [s]; NULL if the kernel does not count it.
    wait_s,
    -- System calls made; NULL if not counted for it.
    syscalls,
    -- System calls that failed; NULL if none are counted for it.
    errors,
    -- Resident memory when last seen in the window [MiB]; NULL if it was not seen.
    rss_mib,
    -- Growth of its resident memory since it was first seen in the window [MiB].
    growth_mib,
    -- Bytes that its calls read.
    read_bytes,
    -- Bytes that its calls wrote.
    written_bytes,
    -- Bytes fetched from storage for it.
    storage_read_bytes,
    -- Bytes it caused to be written to storage.
    storage_written_bytes,
    -- Process id of its parent: the process that forked it or, if older than the recording, its parent when first
    -- seen.
    ppid,
    -- Last known real user id.
    uid,
    -- When it began.
    started,
    -- When it ended; NULL if it went on after the window, or its end was not recorded.
    ended,
    -- Exit code, 0 to 255; NULL if a signal ended it, or `ended` is.
    exit_code,
    -- Signal that ended it; NULL if it exited normally, or `ended` is.
    signal,
    -- Arguments of its last program, or its path, or its name in brackets; ends in ' ...' if cut.
    command,
    -- Path of the control group that it was last seen in; NULL if unknown.
    cgroup,
    -- Start time of the parent, since boot [ns].
    parent_start,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
failed AS (
    SELECT process_key, TRY_CAST(SUM(errors) AS BIGINT) AS errors
    FROM main.syscall_stats
    GROUP BY process_key
)
SELECT
    p.pid,
    p.comm,
    c.cpu_pct,
    p.cpu_ns / 1e9,
    c.wait_s,
    p.syscalls,
    f.errors,
    m.rss_mib,
    m.growth_mib,
    i.read_bytes,
    i.written_bytes,
    i.storage_read_bytes,
    i.storage_written_bytes,
    p.ppid,
    p.uid,
    p.started,
    CASE WHEN r.until IS NULL OR p.ended < r.until THEN p.ended END,
    CASE WHEN r.until IS NULL OR p.ended < r.until THEN p.exit_code END,
    CASE WHEN r.until IS NULL OR p.ended < r.until THEN p.signal END,
    p.command,
    p.cgroup,
    p.parent_start,
    p.start
FROM main.processes AS p
CROSS JOIN main.recording AS r
LEFT JOIN report.cpu AS c ON unfiltered.process_key(c.pid, c.start) = p.process_key
LEFT JOIN report.memory AS m ON unfiltered.process_key(m.pid, m.start) = p.process_key
LEFT JOIN report.io AS i ON unfiltered.process_key(i.pid, i.start) = p.process_key
LEFT JOIN failed AS f ON f.process_key = p.process_key
ORDER BY p.cpu_ns DESC NULLS LAST, p.syscalls DESC NULLS LAST, p.pid, p.start;
