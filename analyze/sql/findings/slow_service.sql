-- A process that waits for a service it connects to.
--
-- A process read at least 20 times from connections that it had opened to one address. The median read took 10 ms or
-- more, and all reads 10 % of the window, summed over threads and without waits for a CPU. High from 50 % on. This
-- needs the calls as events (`sysmon record --syscalls recvfrom,recvmsg,read`). Left out: connections that are
-- reused, with fewer than 1 connection per 10 reads, as those may wait for news that nobody has promised; and unix
-- and datagram sockets.
--
-- needs: finding.process, finding.span, main.sockets, main.syscall_events, unfiltered.connects
-- kept: window
CREATE VIEW finding.slow_service(
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
made AS (
    SELECT ts, process_key, fd, remote_address, remote_port
    FROM main.sockets
    WHERE unfiltered.connects(syscall)
        AND (error IS NULL OR error = 'EINPROGRESS')
        AND socket_type = 'SOCK_STREAM'
        AND family IN ('AF_INET', 'AF_INET6')
        AND remote_address IS NOT NULL
),
taken AS (
    SELECT ts, process_key, CAST(result AS BIGINT) AS fd, CAST(NULL AS VARCHAR) AS remote_address, CAST(NULL AS USMALLINT) AS remote_port
    FROM main.sockets
    WHERE syscall IN ('accept', 'accept4') AND result >= 0
),
ways AS (
    SELECT ts, process_key, CAST(fd AS BIGINT) AS fd, remote_address, remote_port FROM made
    UNION ALL
    SELECT ts, process_key, fd, remote_address, remote_port FROM taken
),
reads AS (
    SELECT ts, process_key, CAST(arg1 AS BIGINT) AS fd, latency_ns
    FROM main.syscall_events
    WHERE syscall IN ('read', 'recvfrom', 'recvmsg') AND arg1 < 2147483648 AND latency_ns IS NOT NULL
        AND start IS NOT NULL
),
waits AS (
    SELECT r.process_key, w.remote_address, w.remote_port, r.latency_ns
    FROM reads AS r
    ASOF JOIN ways AS w ON w.process_key = r.process_key AND w.fd = r.fd AND r.ts >= w.ts
    WHERE w.remote_address IS NOT NULL
),
services AS (
    SELECT
        process_key,
        remote_address,
        remote_port,
        COUNT(*) AS reads,
        SUM(latency_ns) / 1e9 AS total_s,
        MEDIAN(latency_ns) / 1e6 AS median_ms
    FROM waits
    GROUP BY process_key, remote_address, remote_port
),
connects AS (
    SELECT process_key, remote_address, remote_port, COUNT(*) AS connections
    FROM made
    GROUP BY process_key, remote_address, remote_port
)
SELECT
    CASE WHEN v.total_s - COALESCE(p.wait_s, 0) >= 0.5 * s.wall_s THEN 'high' ELSE 'medium' END,
    v.total_s / s.wall_s,
    p.pid,
    p.start,
    NULL,
    'waits for ' || v.remote_address || FORMAT(' port {}: {:.1f} ms per read, {:.1f} s in total', v.remote_port,
        v.median_ms, v.total_s),
    FORMAT('{:,} reads from {:,} connections to ', v.reads, c.connections) || v.remote_address
    || FORMAT(' port {}: {:.3f} s in {:.1f} s, mean {:.1f} ms, median {:.1f} ms', v.remote_port, v.total_s, s.wall_s,
        1e3 * v.total_s / v.reads, v.median_ms),
    '20 reads with a median of 10 ms, 10 % of the window, 1 connection per 10 reads',
    FORMAT('slow_calls --pid {}', p.pid),
    'cpu, socket, syscall'
FROM services AS v
CROSS JOIN finding.span AS s
JOIN connects AS c ON c.process_key = v.process_key AND c.remote_address = v.remote_address
    AND c.remote_port IS NOT DISTINCT FROM v.remote_port
JOIN finding.process AS p ON p.process_key = v.process_key
WHERE v.reads >= 20
    AND v.median_ms >= 10
    AND v.total_s - COALESCE(p.wait_s, 0) >= 0.1 * s.wall_s
    AND v.reads <= 10 * c.connections;
