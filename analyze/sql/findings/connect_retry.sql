-- Connections that fail again and again.
--
-- The processes of one command failed to connect to one address at least 10 times, over 1 s or more, in at least 90 %
-- of their attempts: refused, timed out, unreachable, or with no such unix socket. High from 10 a second on. A connect
-- that is not waited for ends with EINPROGRESS, and is left out, as is what becomes of it; so are datagram sockets, and
-- the socket of nscd, which the C library always tries.
--
-- needs: finding.process, main.sockets, unfiltered.connects, unfiltered.file_name
-- kept: window
CREATE VIEW finding.connect_retry(
    -- How much it matters: 'high', 'medium' or 'low'.
    severity,
    -- What it weighs among those of its severity, the more the worse; of most rules its share of the window.
    weight,
    -- Process id of the process concerned; NULL: none, or several.
    pid,
    -- When that process began, since boot [ns].
    start,
    -- What it is about; NULL: the process, by its name and id.
    subject,
    -- What is the matter with it, in words that follow on the subject.
    summary,
    -- The numbers that say so.
    evidence,
    -- From what on it is a finding.
    threshold,
    -- What shows more, as arguments of `sysmon report TRACE`.
    command,
    -- The kinds of rows that it rests on, in the order of the alphabet.
    rests_on
) AS
WITH
attempts AS (
    SELECT c.ts, c.pid, c.start, p.comm, c.error, c.remote_port, c.latency_ns,
        -- A relative path is another socket in another directory.
        COALESCE(unfiltered.file_name(c.mount_namespace, c.unix_path), c.remote_address) AS remote_address
    FROM main.sockets AS c
    JOIN finding.process AS p ON p.pid = c.pid AND p.start IS NOT DISTINCT FROM c.start
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
        COUNT(DISTINCT (pid, start)) AS processes,
        MIN(pid) AS pid,
        MIN(start) AS start,
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
    '10 failed connections to one address, over 1 s, 90 % of the attempts',
    'connections' || CASE WHEN processes = 1 THEN FORMAT(' --pid {}', pid) ELSE '' END,
    'socket'
FROM facts
WHERE failed >= 10 AND failed >= 0.9 * attempts AND spread_s >= 1;
