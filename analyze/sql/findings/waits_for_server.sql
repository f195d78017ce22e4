-- A process that waits for a server on the same host, and what the server does meanwhile.
--
-- A process waited for data on connections that it had opened to another process of this host, for 1 s or more and at
-- least half of the window; high from 80 % on. What the server itself waits for, and whom, is in the chain: sums over the
-- window, so it is likely and not certain. Needs `record --with waits`.
--
-- needs: finding.process, finding.span, main.ended_waits, report.wait_chains, unfiltered.connects, unfiltered.processes, unfiltered.sockets
-- kept: window
CREATE VIEW finding.waits_for_server(
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
opened AS (
    SELECT DISTINCT process_key, local_port, remote_port
    FROM unfiltered.sockets
    WHERE unfiltered.connects(syscall) AND local_port IS NOT NULL AND remote_port IS NOT NULL
),
waits AS (
    SELECT w.process_key, w.waker_key, SUM(w.ns) / 1e9 AS waited_s, SUM(w.waits) AS waits, MAX(w.max_ns) / 1e6 AS longest_ms
    FROM main.ended_waits AS w
    JOIN opened AS o ON o.process_key = w.process_key AND o.local_port = w.local_port AND o.remote_port = w.remote_port
    WHERE w.waited_for IN ('network', 'poll') AND w.waker_key <> w.process_key
    GROUP BY w.process_key, w.waker_key
),
chains AS (
    SELECT pid, start, first_pid, first_start, MAX_BY(chain, total_s) AS chain
    FROM report.wait_chains
    GROUP BY pid, start, first_pid, first_start
)
SELECT
    CASE WHEN w.waited_s >= 0.8 * s.counted_s THEN 'high' ELSE 'medium' END,
    w.waited_s / NULLIF(s.counted_s, 0),
    p.pid,
    p.start,
    NULL,
    FORMAT('waits {:.1f} s {}', w.waited_s, COALESCE(c.chain, FORMAT('for {} ({})', q.comm, w.waker_key.pid))),
    FORMAT('{:,} waits for {} ({}), {:.3f} s in all and {:.1f} ms at most', w.waits, q.comm, w.waker_key.pid, w.waited_s,
        w.longest_ms),
    '1 s and half of the window',
    FORMAT('wait_chains --pid {}', p.pid),
    'socket, waits'
FROM waits AS w
JOIN finding.process AS p ON p.process_key = w.process_key
JOIN unfiltered.processes AS q ON q.process_key = w.waker_key
CROSS JOIN finding.span AS s
LEFT JOIN chains AS c
    ON c.pid = p.pid AND c.start = p.start AND c.first_pid = w.waker_key.pid AND c.first_start = w.waker_key.start
WHERE w.waited_s >= 1 AND w.waited_s >= 0.5 * s.counted_s;
