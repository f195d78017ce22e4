-- Name lookups that get no answer.
--
-- A process connected a datagram socket to port 53 and waited in vain, in one of three ways. A poll of 5 s, the C
-- library's timeout, ended 5 s or 10 s after the connect. Or the thread connected another such socket 0.9 s to 60 s
-- later, and the process spent at least 90 % of that time in a call that waits for events or reads. Or 2 or more of
-- these connects failed, or reads failed with ECONNREFUSED in a process that connected no datagram socket to another
-- port. High if the waits took 50 % of its life. The names, and waits of resolvers that do not connect their sockets, are in
-- the report `dns`.
--
-- needs: finding.process, main.sockets, main.syscall_errors, main.syscall_latencies, main.syscall_stats,
--    unfiltered.waits
-- kept: window
CREATE VIEW finding.name_lookup(
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
    SELECT process_key, remote_address, error, EPOCH_NS(ts) AS ns,
        LEAD(EPOCH_NS(ts)) OVER (PARTITION BY process_key, tid ORDER BY ts, fd) - EPOCH_NS(ts) AS gap_ns
    FROM main.sockets
    WHERE syscall = 'connect' AND socket_type = 'SOCK_DGRAM' AND remote_port = 53
),
asking AS (
    SELECT process_key, COUNT(*) AS attempts, COUNT(error) AS failed, MODE(remote_address) AS address
    FROM attempts
    GROUP BY process_key
),
waits AS (
    SELECT c.process_key, c.low_ns, c.high_ns, SUM(c.calls) AS calls
    FROM asking AS a
    JOIN main.syscall_latencies AS c ON c.process_key = a.process_key
    WHERE c.max_ns >= 800000000
        AND (unfiltered.waits(c.syscall, c.total_ns, c.slept_ns)
            OR (c.slept_ns IS NULL AND c.syscall IN ('recvfrom', 'recvmsg', 'recvmmsg')))
    GROUP BY c.process_key, c.low_ns, c.high_ns
),
-- Each time between two attempts that such a call may have waited.
timeouts AS (
    SELECT a.process_key, COUNT(*) AS timeouts, SUM(a.gap_ns) / 1e9 AS waited_s
    FROM attempts AS a
    WHERE a.error IS NULL
        AND a.gap_ns BETWEEN 900000000 AND 60000000000
        AND EXISTS (
            FROM waits AS w
            WHERE w.process_key = a.process_key AND w.low_ns <= a.gap_ns AND w.high_ns >= 0.9 * a.gap_ns
        )
    GROUP BY a.process_key
),
-- Polls of 5 s that ended 5 or 10 s after an attempt, judging by the snapshot that counted them.
silences AS (
    SELECT c.process_key, CAST(SUM(c.calls) AS BIGINT) AS timeouts, SUM(c.total_ns) / 1e9 AS waited_s
    FROM main.syscall_stats AS c
    WHERE c.syscall IN ('poll', 'ppoll')
        AND c.max_ns >= 4900000000
        AND c.total_ns BETWEEN 4.9e9 * c.calls AND 5.25e9 * c.calls
        AND EXISTS (
            FROM attempts AS a
            WHERE a.process_key = c.process_key AND a.error IS NULL
                AND EPOCH_NS(c.ts) - a.ns BETWEEN 4900000000 AND 10500000000 + getvariable('interval_ns')
        )
    GROUP BY c.process_key
),
refusals AS (
    SELECT e.process_key, CAST(SUM(e.calls) AS BIGINT) AS refused
    FROM main.syscall_errors AS e
    JOIN asking AS a ON a.process_key = e.process_key
    WHERE e.syscall IN ('recvfrom', 'recvmsg', 'recvmmsg') AND e.error = 'ECONNREFUSED'
        AND NOT EXISTS (
            FROM main.sockets AS s
            WHERE s.process_key = e.process_key AND s.syscall = 'connect'
                AND s.socket_type = 'SOCK_DGRAM' AND s.remote_port <> 53
        )
    GROUP BY e.process_key
),
facts AS (
    SELECT p.process_key, p.alive_s, a.attempts, a.address,
        GREATEST(t.timeouts, q.timeouts, 0) AS timeouts,
        GREATEST(t.waited_s, q.waited_s, 0) AS waited_s,
        a.failed + COALESCE(r.refused, 0) AS refused
    FROM asking AS a
    JOIN finding.process AS p ON p.process_key = a.process_key
    LEFT JOIN timeouts AS t ON t.process_key = a.process_key
    LEFT JOIN silences AS q ON q.process_key = a.process_key
    LEFT JOIN refusals AS r ON r.process_key = a.process_key
)
SELECT
    CASE WHEN waited_s >= 0.5 * alive_s THEN 'high' ELSE 'medium' END,
    waited_s / alive_s,
    process_key.pid,
    process_key.start,
    NULL,
    CASE
        WHEN timeouts > 0 THEN FORMAT('waited {:.1f} s for name lookups that got no answer: {}', waited_s, address) || ' port 53'
        ELSE FORMAT('cannot look up names: {} port 53 was unreachable or refused {:,} times', address, refused)
    END,
    FORMAT('{:,} socket{} connected to a name server, mostly {}; {:,} wait{} without an answer, {:.3f} s of {:.3f} s of life; '
        || '{:,} unreachable or refused', attempts, CASE WHEN attempts = 1 THEN '' ELSE 's' END, address, timeouts,
        CASE WHEN timeouts = 1 THEN '' ELSE 's' END, waited_s, alive_s, refused),
    'a wait of 5 s, or of 0.9 s to 60 s until the next attempt, at port 53, or 2 attempts unreachable or refused',
    FORMAT('connections --pid {}', process_key.pid),
    'socket, syscall_errors, syscall_stats'
FROM facts
WHERE timeouts > 0 OR refused >= 2;
