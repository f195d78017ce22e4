-- Whom each process waited for, whom that one waited for, and so on: A waits for B waits for C.
--
-- Each chain begins with the waits of one process for another, or for the thread that released one lock. It goes on with what
-- that one spent most of its time on, without the waits for anybody who is already in the chain: a server's wait for its
-- client's next request is not what delays the client. The time at a lock is divided among those who held it. It ends with
-- one that waits for nobody, or after 8. Times are sums over the window, so a chain says what is likely, not what happened
-- each time. If processes are chosen, as by --pid, chains begin with them and go on to all others. Only `record --with
-- waits` tells.
--
-- needs: finding.wait_times, finding.waiting_threads, finding.waker_names, main.ended_waits, unfiltered.processes
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
    -- Process id of the first in the chain; NULL if several children, which are one chain, are it.
    first_pid,
    -- Start time of that process, since boot [ns].
    first_start,
    -- How many processes and threads it waited for.
    hops,
    -- What the last one does: 'running', 'runnable', or what it waits for, as `waited_for` of `cpu` has it. NULL if the
    -- chain is longer.
    ends_in,
    -- Process id of the last one; NULL if there are several.
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
named AS (
    SELECT
        l.chain, l.place, l.link,
        COALESCE(CASE WHEN l.link.whom.tid IS NULL THEN COALESCE(p.comm, n.comm) ELSE t.thread END, '?') AS name
    FROM links AS l
    LEFT JOIN unfiltered.processes AS p ON p.process_key = l.link.whom.process_key
    LEFT JOIN finding.waker_names AS n ON n.waker_key = l.link.whom.process_key
    LEFT JOIN finding.waiting_threads AS t ON t.process_key = l.link.whom.process_key AND t.tid = l.link.whom.tid
),
-- Chains that begin with the wait for a child, and are the same but for process ids, are put together.
shapes AS (
    SELECT
        e.chain, e.first, e.ns, e.all_ns,
        CASE WHEN e.links[1].state = 'child' THEN s.shape END AS shape,
        CASE WHEN e.links[1].state IS DISTINCT FROM 'child' THEN e.chain END AS own
    FROM ended AS e
    JOIN (
        SELECT
            chain,
            LIST({'state': link.state, 'object': link.object, 'name': CASE WHEN link.whom IS NOT NULL THEN name END}
                ORDER BY place) AS shape
        FROM named
        GROUP BY chain
    ) AS s USING (chain)
),
alike AS (
    SELECT chain, DENSE_RANK() OVER (ORDER BY first, shape, own) AS group_number, ns
    FROM shapes
),
places AS (
    SELECT
        a.group_number, n.place, MIN(n.name) AS name, ANY_VALUE(n.link.state) AS state, ANY_VALUE(n.link.object) AS object,
        SUM(n.link.pct * a.ns) / SUM(a.ns) AS pct,
        COUNT(DISTINCT n.link.whom) AS whoms,
        MIN(n.link.whom) AS whom
    FROM named AS n
    JOIN alike AS a USING (chain)
    GROUP BY a.group_number, n.place
),
texts AS (
    SELECT
        group_number,
        STRING_AGG(
            CASE
                WHEN whoms = 0 THEN FORMAT(
                    'which spend{} {:.0f} % {}{}',
                    CASE WHEN before > 1 THEN '' ELSE 's' END,
                    pct,
                    CASE WHEN state IN ('running', 'runnable', 'stopped', 'throttled') THEN '' ELSE 'in ' END,
                    COALESCE(state, 'unknown waits')
                )
                ELSE FORMAT(
                    '{} {} in {}',
                    CASE WHEN place = 1 THEN 'for' WHEN before > 1 THEN 'which wait for' ELSE 'which waits for' END,
                    CASE
                        WHEN whoms > 1 AND whom.tid IS NULL THEN FORMAT('{} {} processes', whoms, name)
                        WHEN whoms > 1 THEN FORMAT('{} {} threads', whoms, name)
                        WHEN whom.tid IS NOT NULL THEN FORMAT('thread {} ({})', name, whom.tid)
                        ELSE FORMAT('{} ({})', name, whom.process_key.pid)
                    END,
                    COALESCE(state, 'unknown')
                )
            END || COALESCE(' [' || object || ']', ''),
            ', ' ORDER BY place
        ) AS chain_text,
        COUNT(*) FILTER (WHERE whoms > 0) AS hops,
        MAX_BY(COALESCE(state, 'unknown'), place) FILTER (WHERE whoms = 0) AS ends_in,
        MAX_BY(CASE WHEN whoms = 1 THEN [whom] ELSE [] END, place) FILTER (WHERE whoms > 0) AS last,
        MIN_BY(CASE WHEN whoms = 1 THEN [whom] ELSE [] END, place) AS first_whom
    FROM (SELECT *, LAG(whoms) OVER (PARTITION BY group_number ORDER BY place) AS before FROM places)
    GROUP BY group_number
),
groups AS (
    SELECT
        a.group_number, ANY_VALUE(s.first) AS first, SUM(s.ns) AS ns, ANY_VALUE(s.all_ns) AS all_ns, MIN(a.chain) AS chain
    FROM alike AS a
    JOIN shapes AS s USING (chain)
    GROUP BY a.group_number
)
SELECT
    g.first.process_key.pid,
    p.comm,
    g.ns / 1e9,
    100.0 * g.ns / NULLIF(g.all_ns, 0),
    t.chain_text,
    t.first_whom[1].process_key.pid,
    t.first_whom[1].process_key.start,
    t.hops,
    t.ends_in,
    t.last[1].process_key.pid,
    g.first.process_key.start
FROM groups AS g
JOIN texts AS t USING (group_number)
LEFT JOIN unfiltered.processes AS p ON p.process_key = g.first.process_key
ORDER BY g.ns DESC, g.chain;
