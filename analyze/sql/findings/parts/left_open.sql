-- Accepted connections that stayed open for 1 s or more after the client had closed its end, by process.
--
-- For traces without the kind `connection`, derived from descriptors, as closes are not recorded. A call returns the
-- lowest free number: if a later socket, accept or open gets a higher number, and none gets this one, it was still
-- in use. A client has closed its end if it has ended, or if its descriptor number is used again. So only clients
-- that were recorded, on the same machine, are seen. Left out: connections that were shut down, and those accepted
-- after the last descriptor.
--
-- needs: main.sockets, unfiltered.connects, unfiltered.exits, unfiltered.opens, unfiltered.sockets
-- kept: window
CREATE VIEW finding.left_open(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- How many of them; at least 10.
    connections,
    -- Their port, or that of most.
    port,
    -- The longest time that one stayed open [s].
    left_s,
    -- All connections that the process accepted.
    accepted
) AS
WITH
-- Connections that were shut down are left out first, then all of processes that cannot reach the threshold.
shut AS (
    SELECT process_key, CAST(fd AS BIGINT) AS fd, EPOCH_NS(MAX(ts)) AS ns
    FROM main.sockets
    WHERE syscall = 'shutdown'
    GROUP BY process_key, fd
),
accepted AS (
    SELECT process_key, CAST(result AS BIGINT) AS fd, EPOCH_NS(ts) AS ns, local_port, remote_port
    FROM main.sockets
    WHERE syscall IN ('accept', 'accept4') AND result >= 0 AND remote_port IS NOT NULL
),
not_shut AS (
    SELECT a.*
    FROM accepted AS a
    LEFT JOIN shut AS s ON s.process_key = a.process_key AND s.fd = a.fd
    WHERE s.ns IS NULL OR s.ns <= a.ns
    QUALIFY COUNT(*) OVER (PARTITION BY a.process_key) >= 10
),
connected AS (
    SELECT process_key, CAST(fd AS BIGINT) AS fd, EPOCH_NS(ts) - COALESCE(latency_ns, 0) AS ns, local_port, remote_port
    FROM unfiltered.sockets
    WHERE unfiltered.connects(syscall) AND (error IS NULL OR error = 'EINPROGRESS') AND local_port IS NOT NULL
        AND remote_port IN (SELECT local_port FROM not_shut)
),
paired AS MATERIALIZED (
    SELECT a.process_key, a.fd, a.ns, a.local_port, c.process_key AS client_key, c.fd AS client_fd, c.ns AS client_ns
    FROM not_shut AS a
    ASOF JOIN connected AS c ON c.local_port = a.remote_port AND c.remote_port = a.local_port AND c.ns <= a.ns
    WHERE c.process_key.pid <> a.process_key.pid
    QUALIFY COUNT(*) OVER (PARTITION BY a.process_key) >= 10
),
-- The calls that gave one of these processes a new descriptor.
given AS MATERIALIZED (
    SELECT s.process_key, CAST(s.result AS BIGINT) AS fd, EPOCH_NS(s.ts) AS ns
    FROM unfiltered.sockets AS s
    WHERE s.syscall IN ('socket', 'accept', 'accept4') AND s.result >= 0
        AND s.process_key IN (SELECT process_key FROM paired UNION SELECT client_key FROM paired)
    UNION ALL
    SELECT o.process_key, CAST(o.result AS BIGINT), EPOCH_NS(o.ts)
    FROM unfiltered.opens AS o
    WHERE o.result >= 0 AND o.process_key IN (SELECT process_key FROM paired UNION SELECT client_key FROM paired)
),
-- The latest time at which the client's end was closed.
ended AS (
    SELECT process_key, EPOCH_NS(MIN(ts)) AS ns
    FROM unfiltered.exits
    WHERE process_key IN (SELECT client_key FROM paired)
    GROUP BY process_key
),
closed AS MATERIALIZED (
    SELECT p.process_key, p.fd, p.ns, p.local_port, LEAST(e.ns, g.ns) AS closed_ns
    FROM paired AS p
    LEFT JOIN ended AS e ON e.process_key = p.client_key
    ASOF LEFT JOIN given AS g ON g.process_key = p.client_key AND g.fd = p.client_fd AND g.ns > p.client_ns
    WHERE LEAST(e.ns, g.ns) IS NOT NULL
    QUALIFY COUNT(*) OVER (PARTITION BY p.process_key) >= 10
),
again AS (
    SELECT process_key, fd, ns, LEAD(ns) OVER (PARTITION BY process_key, fd ORDER BY ns) AS next_ns
    FROM given
    WHERE process_key IN (SELECT process_key FROM closed)
),
-- The connections that may have been open 1 s later: their descriptor was not given again by then.
late AS MATERIALIZED (
    SELECT c.process_key, c.fd, c.local_port, c.closed_ns, GREATEST(c.ns, c.closed_ns + 999999999) AS ns
    FROM closed AS c
    JOIN again AS g ON g.process_key = c.process_key AND g.fd = c.fd AND g.ns = c.ns
    WHERE g.next_ns IS NULL OR g.next_ns > GREATEST(c.ns, c.closed_ns + 999999999)
    QUALIFY COUNT(*) OVER (PARTITION BY c.process_key) >= 10
),
-- Each is put among the descriptors that its process was given, at that time. From there until its own is given again,
-- a frame of a window has the highest: joining it with all of them would take time by the square of their number, and
-- a frame by time instead of by place seven times as long.
placed AS (
    SELECT *, ROW_NUMBER() OVER (PARTITION BY process_key ORDER BY ns, closed_ns NULLS FIRST) AS place
    FROM (
        SELECT process_key, fd, fd AS given_fd, ns FROM given WHERE process_key IN (SELECT process_key FROM late)
        UNION ALL BY NAME
        SELECT process_key, fd, local_port, closed_ns, ns FROM late
    )
),
framed AS (
    SELECT *, CASE
        WHEN closed_ns IS NULL THEN 0
        ELSE LEAD(place, 1, 1000000000000) OVER (PARTITION BY process_key, fd ORDER BY place) - place - 1
    END AS rest
    FROM placed
),
open_still AS (
    SELECT process_key, local_port, (ARG_MAX(ns, given_fd) OVER until_given_again - closed_ns) / 1e9 AS left_s
    FROM framed
    WINDOW until_given_again AS (
        PARTITION BY process_key ORDER BY place ROWS BETWEEN CURRENT ROW AND rest FOLLOWING
    )
    QUALIFY closed_ns IS NOT NULL AND MAX(given_fd) OVER until_given_again > fd
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
SELECT t.process_key, t.connections, t.port, t.left_s, a.accepted
FROM totals AS t
JOIN all_accepted AS a ON a.process_key = t.process_key
WHERE t.connections >= 10;
