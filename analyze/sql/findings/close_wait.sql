-- Connections that the client has closed and the server has not.
--
-- A process kept at least 10 accepted connections open for 1 s or more after the client had closed its end
-- (CLOSE_WAIT). High from 1,000 on. Closes are not recorded, so this is derived from descriptors. A call returns the
-- lowest free number: if a later socket, accept or open gets a higher number, and none gets this one, it was still
-- in use. A client has closed its end if it has ended, or if its descriptor number is used again. So only clients
-- that were recorded, on the same machine, are seen. Left out: connections that were shut down, and those accepted
-- after the last descriptor.
--
-- needs: finding.process, main.sockets, unfiltered.connects, unfiltered.exits, unfiltered.opens, unfiltered.sockets
-- kept: window
CREATE VIEW finding.close_wait(
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
accepted AS (
    SELECT process_key, CAST(result AS BIGINT) AS fd, EPOCH_NS(ts) AS ns, local_port, remote_port
    FROM main.sockets
    WHERE syscall IN ('accept', 'accept4') AND result >= 0 AND remote_port IS NOT NULL
),
connected AS (
    SELECT process_key, CAST(fd AS BIGINT) AS fd, EPOCH_NS(ts) - COALESCE(latency_ns, 0) AS ns, local_port, remote_port
    FROM unfiltered.sockets
    WHERE unfiltered.connects(syscall) AND (error IS NULL OR error = 'EINPROGRESS') AND local_port IS NOT NULL
        AND remote_port IN (SELECT local_port FROM accepted)
),
paired AS (
    SELECT a.process_key, a.fd, a.ns, a.local_port, c.process_key AS client_key, c.fd AS client_fd, c.ns AS client_ns
    FROM accepted AS a
    ASOF JOIN connected AS c ON c.local_port = a.remote_port AND c.remote_port = a.local_port AND c.ns <= a.ns
    WHERE c.process_key.pid <> a.process_key.pid
),
-- The calls that gave one of these processes a new descriptor.
given AS (
    SELECT s.process_key, CAST(s.result AS BIGINT) AS fd, EPOCH_NS(s.ts) AS ns
    FROM unfiltered.sockets AS s
    WHERE s.syscall IN ('socket', 'accept', 'accept4') AND s.result >= 0
    UNION ALL
    SELECT o.process_key, CAST(o.result AS BIGINT), EPOCH_NS(o.ts)
    FROM unfiltered.opens AS o
    WHERE o.result >= 0 AND o.pid IN (SELECT process_key.pid FROM paired UNION SELECT client_key.pid FROM paired)
),
anew AS (
    SELECT process_key, fd, ns, LEAD(ns) OVER (PARTITION BY process_key, fd ORDER BY ns) AS next_ns
    FROM given
),
-- The latest time at which the client's end was closed, and until when the server's was at least open.
closed AS (
    SELECT p.*, LEAST(
        (SELECT EPOCH_NS(MIN(e.ts)) FROM unfiltered.exits AS e WHERE e.process_key = p.client_key),
        (SELECT MIN(g.ns) FROM given AS g WHERE g.process_key = p.client_key
            AND g.fd = p.client_fd AND g.ns > p.client_ns)
    ) AS closed_ns
    FROM paired AS p
),
open_still AS (
    SELECT c.process_key, c.fd, c.ns, c.local_port,
        (MAX(g.ns) - MIN(c.closed_ns)) / 1e9 AS left_s
    FROM closed AS c
    JOIN anew AS mine ON mine.process_key = c.process_key AND mine.fd = c.fd AND mine.ns = c.ns
    JOIN given AS g ON g.process_key = c.process_key AND g.fd > c.fd AND g.ns > c.closed_ns
        AND (mine.next_ns IS NULL OR g.ns < mine.next_ns)
    WHERE NOT EXISTS (
        FROM main.sockets AS s
        WHERE s.syscall = 'shutdown' AND s.process_key = c.process_key AND s.fd = c.fd
            AND EPOCH_NS(s.ts) > c.ns
    )
    GROUP BY c.process_key, c.fd, c.ns, c.local_port
    HAVING MAX(g.ns) - MIN(c.closed_ns) >= 1000000000
),
totals AS (
    SELECT process_key, COUNT(*) AS connections, MODE(local_port) AS port, MAX(left_s) AS left_s
    FROM open_still
    GROUP BY process_key
),
all_accepted AS (
    SELECT process_key, COUNT(*) AS accepted
    FROM accepted
    GROUP BY process_key
)
SELECT
    CASE WHEN t.connections >= 1000 THEN 'high' ELSE 'medium' END,
    t.connections / 1000,
    p.pid,
    p.start,
    NULL,
    FORMAT('keeps connections open that clients have closed (CLOSE_WAIT): {:,} on port {}', t.connections, t.port),
    FORMAT('{:,} of {:,} accepted connections stayed open for 1 s or more after the client had closed its end, up to {:.1f} s',
        t.connections, a.accepted, t.left_s),
    '10 connections, each 1 s or more',
    FORMAT('sockets --pid {}', p.pid),
    'exit, open, socket'
FROM totals AS t
JOIN all_accepted AS a ON a.process_key = t.process_key
JOIN finding.process AS p ON p.process_key = t.process_key
WHERE t.connections >= 10;
