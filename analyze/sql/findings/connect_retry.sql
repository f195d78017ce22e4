-- Connections that fail again and again.
--
-- The processes of one command failed to connect to one address at least 10 times, over 1 s or more, in at least 90
-- % of their attempts: refused, timed out, unreachable, or no such unix socket. High from 10 a second on. Left out:
-- non-blocking connects, which end with EINPROGRESS and whose outcome is not recorded; datagram sockets; and the
-- socket of nscd, which the C library always tries.
--
-- needs: finding.process, main.sockets, unfiltered.connects, unfiltered.file_name
-- kept: window
CREATE VIEW finding.connect_retry(
    -- Severity: 'high', 'medium' or 'low'.
    severity,
    -- Rank among findings of the same severity, higher is worse; for most rules the share of the window.
    weight,
    -- Process id of the process concerned; NULL if there is none or there are several.
    pid,
    -- Start time of that process, since boot [ns].
    start,
    -- What the finding is about; NULL for the process, shown by name and id.
    subject,
    -- What is wrong, as a continuation of the subject.
    summary,
    -- The evidence in numbers.
    evidence,
    -- The threshold.
    threshold,
    -- Arguments of `sysmon report TRACE` that show more.
    command,
    -- Kinds of rows it is based on, in alphabetical order.
    rests_on
) AS
WITH
attempts AS (
    SELECT c.ts, c.process_key, p.comm, c.error, c.remote_port, c.latency_ns,
        -- A relative path is a different socket in another directory.
        COALESCE(unfiltered.file_name(c.mount_namespace, c.unix_path), c.remote_address) AS remote_address
    FROM main.sockets AS c
    JOIN finding.process AS p ON p.process_key = c.process_key
    WHERE unfiltered.connects(c.syscall)
        AND c.remote_address IS NOT NULL
        AND c.remote_address <> '/var/run/nscd/socket'
        AND COALESCE(c.socket_type, '') <> 'SOCK_DGRAM'
        AND COALESCE(c.error, '') NOT IN ('EINPROGRESS', 'EAGAIN', 'EALREADY', 'EISCONN', 'EINTR', 'ERESTARTSYS')
),
totals AS (
    SELECT
        comm,
        remote_address,
        remote_port,
        COUNT(*) AS attempts,
        COUNT(error) AS failed,
        MODE(error) AS error,
        COUNT(DISTINCT process_key) AS processes,
        MIN(process_key.pid) AS pid,
        MIN(process_key.start) AS start,
        EPOCH_NS(MIN(CASE WHEN error IS NOT NULL THEN ts END)) AS first_ns,
        EPOCH_NS(MAX(CASE WHEN error IS NOT NULL THEN ts END)) AS last_ns
    FROM attempts
    GROUP BY comm, remote_address, remote_port
),
facts AS (
    SELECT *, (last_ns - first_ns) / 1e9 AS spread_s,
        remote_address || COALESCE(FORMAT(' port {}', remote_port), '') AS address
    FROM totals
)
SELECT
    CASE WHEN failed >= 10 * spread_s THEN 'high' ELSE 'medium' END,
    failed / spread_s,
    CASE WHEN processes = 1 THEN pid END,
    CASE WHEN processes = 1 THEN start END,
    CASE WHEN processes > 1 THEN FORMAT('{:,} × ', processes) || COALESCE(comm, '(no name)') END,
    'cannot connect to ' || address || FORMAT(': {:,} times {}', failed, error),
    FORMAT('{:,} of {:,} attempts failed in {:.1f} s, mostly with {}, to ', failed, attempts, spread_s, error) || address,
    '10 failed connections to one address over 1 s, 90 % of the attempts',
    'connections' || CASE WHEN processes = 1 THEN FORMAT(' --pid {}', pid) ELSE '' END,
    'socket'
FROM facts
WHERE failed >= 10 AND failed >= 0.9 * attempts AND spread_s >= 1;
