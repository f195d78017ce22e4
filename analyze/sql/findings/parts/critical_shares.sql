-- What the time of each process, and of each thread, depends on, in shares that add up to all of it.
--
-- Of the 100 processes, and the 100 threads, that waited longest for others.
--
-- needs: finding.wait_times, finding.waiting_threads, finding.waker_names, main.ended_waits, unfiltered.processes
CREATE VIEW finding.critical_shares(
    -- Whose time it is: a struct of `process_key` and `tid`, which is NULL for all threads of the process.
    first,
    -- All its time [ns].
    ns,
    -- Its share of that, in 1 / 10^12.
    share,
    -- Who did it: 'itself'; 'thread NAME (TID)' of the same process; 'NAME (PID)', with 'thread NAME (TID) of' before it if
    -- only that one was waited for; 'N other threads', 'N NAME processes'; NULL for what is not known.
    doer,
    -- What it did.
    state,
    -- What it waited for.
    object,
    -- The wait that leads there, for most of the share; NULL for 'itself'.
    through,
    -- Waits to there at least.
    hops
) AS
WITH RECURSIVE
firsts AS (
    SELECT who, ns
    FROM (
        SELECT who, ns, LIST_SUM(LIST_TRANSFORM(spent, lambda one: CASE WHEN one.whom IS NOT NULL THEN one.ns END)) AS others_ns
        FROM finding.wait_times
        WHERE ns > 0 AND who.process_key IN (SELECT process_key FROM main.ended_waits)
    )
    WHERE others_ns > 0
    QUALIFY ROW_NUMBER() OVER (PARTITION BY who.tid IS NULL ORDER BY others_ns DESC, who) <= 100
),
-- The share of the time of `first` that leads to `who`, from whoever waited for it. A row without `who` is an end: what
-- `before` did. Shares are whole numbers of 1 / 10^12, so that their sum does not depend on the order of rows.
steps AS (
    SELECT
        0 AS hops, who AS first, CAST(NULL AS STRUCT(process_key STRUCT(pid UINTEGER, "start" BIGINT), tid UINTEGER)) AS before,
        who, CAST(NULL AS VARCHAR) AS state, CAST(NULL AS VARCHAR) AS object, CAST(1_000_000_000_000 AS HUGEINT) AS share,
        CAST(NULL AS VARCHAR) AS through
    FROM firsts
    UNION ALL
    SELECT
        hops + 1, first, last, whom, state, object, SUM(part_share), MAX_BY(through, (part_share, through))
    FROM (
        SELECT
            hops, first, last, part.whom,
            CASE WHEN part.whom IS NULL THEN part.state END AS state,
            CASE WHEN part.whom IS NULL THEN part.object END AS object,
            share * part.ns // NULLIF(all_ns, 0) AS part_share,
            CASE WHEN part.whom IS NULL THEN through
                ELSE COALESCE(part.state, 'unknown') || COALESCE(' [' || part.object || ']', '') END AS through
        FROM (
            SELECT
                hops, first, last, share, through,
                LIST_SUM(LIST_TRANSFORM(parts, lambda one: one.ns)) AS all_ns, UNNEST(parts) AS part
            FROM (
                SELECT
                    s.hops, s.first, s.who AS last, s.share, s.through,
                    LIST_FILTER(t.spent, lambda one: one.whom IS NULL OR one.state = 'lock' OR (
                        one.whom.process_key IS DISTINCT FROM s.before.process_key
                        AND one.whom.process_key IS DISTINCT FROM s.first.process_key
                    )) AS parts
                FROM steps AS s
                JOIN finding.wait_times AS t ON t.who = s.who
                WHERE s.share >= 100_000_000 AND s.hops < 64
            )
        )
    )
    GROUP BY hops, first, last, whom, state, object
),
-- What those did who are not recorded is unknown.
lasts AS (
    SELECT first, before, state, object, share, through, hops - 1 AS hops FROM steps WHERE who IS NULL
    UNION ALL
    SELECT first, who, NULL, NULL, share, through, hops
    FROM steps AS s
    WHERE who IS NOT NULL AND NOT EXISTS (SELECT 1 FROM finding.wait_times AS t WHERE t.who = s.who)
),
-- Threads of the same process that did less than a hundredth each are put together.
done AS (
    SELECT
        s.first, s.before, s.state, s.object, s.share, s.through, s.hops,
        s.before = s.first AS is_first,
        s.before.process_key = s.first.process_key AS is_own,
        CASE
            WHEN s.before.tid IS NULL OR s.before = s.first THEN NULL
            WHEN s.before.process_key <> s.first.process_key
                OR SUM(s.share) OVER (PARTITION BY s.first, s.before) >= 10_000_000_000 THEN s.before
        END AS alone,
        COALESCE(t.thread, '?') AS thread,
        COALESCE(p.comm, n.comm, '?') AS comm
    FROM lasts AS s
    LEFT JOIN unfiltered.processes AS p ON p.process_key = s.before.process_key
    LEFT JOIN finding.waker_names AS n ON n.waker_key = s.before.process_key
    LEFT JOIN finding.waiting_threads AS t ON t.process_key = s.before.process_key AND t.tid = s.before.tid
),
ends AS (
    SELECT
        first, state, object, is_first, is_own, alone, comm, MIN(thread) AS thread, before.tid IS NULL AS is_process,
        SUM(share) AS share, MAX_BY(through, (share, through)) AS through, MIN(hops) AS hops,
        COUNT(DISTINCT before) AS doers, MIN(before) AS one
    FROM done
    GROUP BY first, state, object, is_first, is_own, alone, comm, before.tid IS NULL
),
told AS (
    SELECT
        first, share,
        CASE
            WHEN is_first THEN 'itself'
            WHEN is_process AND doers = 1 THEN FORMAT('{} ({})', comm, one.process_key.pid)
            WHEN is_process THEN FORMAT('{} {} processes', doers, comm)
            WHEN doers > 1 THEN FORMAT('{} other threads', doers)
            WHEN is_own THEN FORMAT('thread {} ({})', thread, one.tid)
            ELSE FORMAT('thread {} ({}) of {} ({})', thread, one.tid, comm, one.process_key.pid)
        END AS doer,
        state, object, through, hops
    FROM ends
    UNION ALL
    SELECT first, 1_000_000_000_000 - SUM(share), NULL, NULL, NULL, NULL, NULL
    FROM ends
    GROUP BY first
    HAVING SUM(share) <= 999_000_000_000
)
SELECT t.first, f.ns, t.share, t.doer, t.state, t.object, t.through, t.hops
FROM told AS t
JOIN firsts AS f ON f.who = t.first;
