-- A process that waits for a server on the same host, and what the server does meanwhile.
--
-- A process waited for data on connections that it had opened to other processes of this host, for 1 s or more and at
-- least half of the window; high from 80 % on. Connections over TCP are known by their ports. Over unix sockets they are
-- not: what counts is that the process has connected one and was woken, in poll, epoll or on a socket, by another process
-- that is not just such a client. Processes of one command are one server. What the server itself waits for, and whom, is
-- in the chain; of several processes, what they do most when they do not wait for that client, and what they wait for most
-- that other processes end: a lock, or a latch in poll or epoll. The evidence has the largest part of the report
-- `critical_path` that is not the process's own. All are sums over the window, so this is likely and not certain. Needs
-- `record --with waits`.
--
-- needs: everyone.ended_waits, everyone.thread_time, finding.process, finding.span, main.ended_waits,
--    report.critical_path, report.wait_chains, unfiltered.connects, unfiltered.process_key, unfiltered.processes,
--    unfiltered.sockets
-- kept: window
-- only of: waits
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
streams AS (
    SELECT process_key, BOOL_OR(unfiltered.connects(syscall)) AS connects, BOOL_OR(syscall IN ('accept', 'accept4')) AS accepts
    FROM unfiltered.sockets
    WHERE family = 'AF_UNIX' AND socket_type = 'SOCK_STREAM' AND result >= 0
    GROUP BY process_key
),
waits AS (
    SELECT w.process_key, w.waker_key, w.ns, w.waits, w.max_ns
    FROM main.ended_waits AS w
    JOIN opened AS o ON o.process_key = w.process_key AND o.local_port = w.local_port AND o.remote_port = w.remote_port
    WHERE w.waited_for IN ('network', 'poll') AND w.waker_key <> w.process_key
    UNION ALL
    SELECT w.process_key, w.waker_key, w.ns, w.waits, w.max_ns
    FROM main.ended_waits AS w
    JOIN streams AS s ON s.process_key = w.process_key
    LEFT JOIN streams AS o ON o.process_key = w.waker_key
    WHERE s.connects
        AND (o.process_key IS NULL OR o.accepts OR NOT o.connects)
        AND w.waited_for IN ('pipe', 'poll')
        AND w.local_port IS NULL
        AND (w.object IS NULL OR REGEXP_MATCHES(w.object, '(^|, )(unix |socket:)| more$'))
        AND w.woken_by = 'thread'
        AND w.waker_key <> w.process_key
),
members AS (
    SELECT w.process_key, q.comm AS server, w.waker_key AS member, SUM(w.ns) AS ns, SUM(w.waits) AS waits, MAX(w.max_ns) AS max_ns
    FROM waits AS w
    JOIN unfiltered.processes AS q ON q.process_key = w.waker_key
    GROUP BY w.process_key, q.comm, w.waker_key
),
servers AS (
    SELECT
        process_key, server, COUNT(*) AS members, MAX_BY(member, (ns, member)) AS member, SUM(ns) / 1e9 AS waited_s,
        SUM(waits) AS waits, MAX(max_ns) / 1e6 AS longest_ms
    FROM members
    GROUP BY process_key, server
),
slow AS (
    SELECT s.*, s.waited_s / NULLIF(w.counted_s, 0) AS share
    FROM servers AS s
    CROSS JOIN finding.span AS w
    WHERE s.waited_s >= 1 AND s.waited_s >= 0.5 * w.counted_s
),
doing AS (
    SELECT
        m.process_key, m.server, COALESCE(e.syscall, e.waited_for) AS what, e.object, e.ns,
        CASE WHEN e.woken_by = 'thread' AND e.waker_key <> e.process_key THEN e.waker_key END AS whom
    FROM slow AS s
    JOIN members AS m ON m.process_key = s.process_key AND m.server = s.server
    JOIN everyone.ended_waits AS e ON e.process_key = m.member
    WHERE s.members > 1 AND (e.waker_key IS NULL OR e.waker_key <> m.process_key)
    UNION ALL
    SELECT m.process_key, m.server, t.state, NULL, t.ns, NULL
    FROM slow AS s
    JOIN members AS m ON m.process_key = s.process_key AND m.server = s.server
    JOIN everyone.thread_time AS t ON t.process_key = m.member
    WHERE s.members > 1 AND t.state IN ('running', 'runnable', 'throttled')
),
wholes AS (SELECT process_key, server, SUM(ns) AS ns FROM doing GROUP BY process_key, server),
-- Of what they do, by call or state; of whom they wait for, by command.
parts AS (
    SELECT
        d.process_key, d.server, d.what, p.comm AS whom, d.whom IS NULL AS alone, MAX_BY(d.object, (d.ns, d.object)) AS object,
        SUM(d.ns) AS ns
    FROM doing AS d
    LEFT JOIN unfiltered.processes AS p ON p.process_key = d.whom
    GROUP BY d.process_key, d.server, d.what, p.comm, d.whom IS NULL
    QUALIFY ROW_NUMBER() OVER (
        PARTITION BY d.process_key, d.server, d.whom IS NULL ORDER BY SUM(d.ns) DESC, d.what, p.comm
    ) = 1
),
texts AS (
    SELECT
        p.process_key, p.server,
        STRING_AGG(
            CASE
                WHEN NOT p.alone THEN FORMAT('{:.0f} % in {}, until woken by {},', 100 * p.ns / w.ns, p.what,
                    CASE WHEN p.whom = p.server THEN 'one another' ELSE COALESCE(p.whom, '?') END)
                WHEN p.what IN ('running', 'runnable', 'throttled') THEN FORMAT('{:.0f} % {}', 100 * p.ns / w.ns, p.what)
                ELSE FORMAT('{:.0f} % in {}{}', 100 * p.ns / w.ns, p.what, COALESCE(' [' || p.object || ']', ''))
            END,
            ' and ' ORDER BY p.ns DESC, p.what
        ) AS doing
    FROM parts AS p
    JOIN wholes AS w ON w.process_key = p.process_key AND w.server = p.server
    WHERE p.ns >= 0.01 * w.ns
    GROUP BY p.process_key, p.server
),
most AS (
    SELECT unfiltered.process_key(pid, start) AS process_key, who, state, object, share_pct
    FROM report.critical_path
    WHERE hops > 0
    QUALIFY ROW_NUMBER() OVER (PARTITION BY pid, start ORDER BY share_pct DESC, who, state, object) = 1
),
chains AS (
    SELECT unfiltered.process_key(pid, start) AS process_key, unfiltered.process_key(first_pid, first_start) AS first_key,
        MAX_BY(chain, total_s) AS chain
    FROM report.wait_chains
    GROUP BY ALL
)
SELECT
    CASE WHEN s.share >= 0.8 THEN 'high' ELSE 'medium' END,
    s.share,
    p.pid,
    p.start,
    NULL,
    CASE
        WHEN s.members = 1
        THEN FORMAT('waits {:.1f} s {}', s.waited_s, COALESCE(c.chain, FORMAT('for {} ({})', s.server, s.member.pid)))
        ELSE FORMAT('waits {:.1f} s for {:,} {} processes', s.waited_s, s.members, s.server)
            || COALESCE(', which, when they do not wait for it, spend ' || RTRIM(t.doing, ','), '')
    END,
    FORMAT('{:,} waits for {}, {:.3f} s in all and {:.1f} ms at most', s.waits,
        CASE WHEN s.members = 1 THEN FORMAT('{} ({})', s.server, s.member.pid)
            ELSE FORMAT('{:,} {} processes, longest for {}', s.members, s.server, s.member.pid) END,
        s.waited_s, s.longest_ms)
    || COALESCE(FORMAT('; its time depends most on {}, {}{}: {:.0f} %', m.who, m.state, COALESCE(' [' || m.object || ']', ''),
        m.share_pct), ''),
    '1 s and half of the window',
    FORMAT('critical_path --pid {}', p.pid),
    'cpu, socket, waits'
FROM slow AS s
JOIN finding.process AS p ON p.process_key = s.process_key
LEFT JOIN texts AS t ON t.process_key = s.process_key AND t.server = s.server
LEFT JOIN most AS m ON m.process_key = s.process_key
LEFT JOIN chains AS c ON c.process_key = s.process_key AND c.first_key = s.member;
