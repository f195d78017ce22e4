-- Whom each process waited for, whom that one waited for, and so on: A waits for B waits for C.
--
-- Each chain begins with the waits of one process for another, or for the thread that released one lock. It goes on with what
-- that one spent most of its time on, without the waits for anybody who is already in the chain: a server's wait for its
-- client's next request is not what delays the client. The time at a lock is divided among those who held it. It ends with
-- one that waits for nobody, or after 8. Times are sums over the window, so a chain says what is likely, not what happened
-- each time. If processes are chosen, as by --pid, chains begin with them and go on to all others. Only `record --with
-- waits` tells.
--
-- needs: everyone.ended_waits, finding.wait_times, main.ended_waits, unfiltered.processes
CREATE VIEW report.wait_chains(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- How long it waited for the first in the chain, all threads together [s].
    total_s,
    -- Share of all its waits for others [%].
    share_pct,
    -- Whom it waited for, in what; whom that one did; and what the last one does, with its share of the last one's time.
    chain,
    -- Process id of the first in the chain.
    first_pid,
    -- Start time of that process, since boot [ns].
    first_start,
    -- How many processes and threads it waited for.
    hops,
    -- What the last one does: 'running', 'runnable', or what it waits for, as `waited_for` of `cpu` has it. NULL if the
    -- chain is longer.
    ends_in,
    -- Process id of the last one.
    last_pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH RECURSIVE
firsts AS (
    SELECT
        ROW_NUMBER() OVER (ORDER BY one.ns DESC, who, one.state, one.whom, one.object) AS chain,
        who, one.state, one.whom, one.object, one.ns, SUM(one.ns) OVER (PARTITION BY who) AS all_ns
    FROM (SELECT who, UNNEST(spent) AS one FROM finding.wait_times WHERE who.tid IS NULL)
    WHERE one.whom IS NOT NULL AND who.process_key IN (SELECT process_key FROM main.ended_waits)
    QUALIFY chain <= 1000
),
chains AS (
    SELECT
        chain, who AS first, whom AS first_whom, ns, all_ns,
        whom AS last,
        [who, whom] AS seen,
        [{'state': state, 'object': object, 'whom': whom, 'pct': CAST(NULL AS DOUBLE)}] AS links
    FROM firsts
    UNION ALL
    SELECT
        c.chain, c.first, c.first_whom, c.ns, c.all_ns,
        s.whom,
        LIST_APPEND(c.seen, s.whom),
        LIST_APPEND(c.links, {'state': s.state, 'object': s.object, 'whom': s.whom, 'pct': 100.0 * s.ns / n.ns})
    FROM chains AS c
    JOIN finding.wait_times AS n ON n.who = c.last
    CROSS JOIN LATERAL (
        SELECT LIST_FILTER(
            n.spent,
            lambda one: one.whom IS NULL OR NOT LIST_CONTAINS(c.seen, one.whom) AND (
                one.whom.tid IS NOT NULL
                OR NOT LIST_CONTAINS(LIST_TRANSFORM(c.seen, lambda each: each.process_key), one.whom.process_key)
            )
        )[1]
    ) AS _(s)
    WHERE LEN(c.links) < 8 AND s IS NOT NULL
),
ended AS (
    SELECT * FROM chains
    QUALIFY ROW_NUMBER() OVER (PARTITION BY chain ORDER BY LEN(links) DESC) = 1
),
links AS (
    SELECT chain, UNNEST(links) AS link, GENERATE_SUBSCRIPTS(links, 1) AS place
    FROM ended
),
threads AS (
    SELECT process_key, tid, MAX_BY(thread, (ts, thread)) AS thread
    FROM everyone.ended_waits
    GROUP BY process_key, tid
),
-- Those that are not recorded have no other name.
names AS (
    SELECT waker_key, MAX(waker_comm) AS comm
    FROM everyone.ended_waits
    WHERE woken_by = 'thread'
    GROUP BY waker_key
),
texts AS (
    SELECT
        l.chain,
        STRING_AGG(
            CASE
                WHEN l.link.whom IS NULL THEN FORMAT(
                    'which spends {:.0f} % {}{}',
                    l.link.pct,
                    CASE WHEN l.link.state IN ('running', 'runnable', 'stopped', 'throttled') THEN '' ELSE 'in ' END,
                    COALESCE(l.link.state, 'unknown waits')
                )
                ELSE FORMAT(
                    '{} {} in {}',
                    CASE WHEN l.place = 1 THEN 'for' ELSE 'which waits for' END,
                    CASE WHEN l.link.whom.tid IS NOT NULL
                        THEN FORMAT('thread {} ({})', COALESCE(t.thread, '?'), l.link.whom.tid)
                        ELSE FORMAT('{} ({})', COALESCE(p.comm, n.comm, '?'), l.link.whom.process_key.pid) END,
                    COALESCE(l.link.state, 'unknown')
                )
            END || COALESCE(' [' || l.link.object || ']', ''),
            ', ' ORDER BY l.place
        ) AS chain_text
    FROM links AS l
    LEFT JOIN unfiltered.processes AS p ON p.process_key = l.link.whom.process_key
    LEFT JOIN names AS n ON n.waker_key = l.link.whom.process_key
    LEFT JOIN threads AS t ON t.process_key = l.link.whom.process_key AND t.tid = l.link.whom.tid
    GROUP BY l.chain
)
SELECT
    e.first.process_key.pid,
    p.comm,
    e.ns / 1e9,
    100.0 * e.ns / NULLIF(e.all_ns, 0),
    t.chain_text,
    e.first_whom.process_key.pid,
    e.first_whom.process_key.start,
    LEN(LIST_FILTER(e.links, lambda one: one.whom IS NOT NULL)),
    CASE WHEN e.links[-1].whom IS NULL THEN COALESCE(e.links[-1].state, 'unknown') END,
    LIST_FILTER(e.links, lambda one: one.whom IS NOT NULL)[-1].whom.process_key.pid,
    e.first.process_key.start
FROM ended AS e
JOIN texts AS t ON t.chain = e.chain
LEFT JOIN unfiltered.processes AS p ON p.process_key = e.first.process_key
ORDER BY e.chain;
