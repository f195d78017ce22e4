-- What the time of a process depends on: what it did itself and, while it waited for others, what these did.
--
-- The time of a process, all threads together, is divided among what it did in the window. Its waits for another process,
-- or for the thread that released a lock, are divided among what that one did, and so on, until nobody is waited for: the
-- shares of a process add up to 100 %, and what has the largest is what to make faster. An estimate: it takes the sums of
-- the window for what the other did during each wait. A process that answers requests waits for the next one, too; that is
-- left out where the request would be that of the process before it, or of the first, but not of other clients. If
-- processes are chosen, as by --pid, it begins with them and goes on to all others. Only `record --with waits` tells.
--
-- needs: finding.wait_times, main.ended_waits, unfiltered.processes
CREATE VIEW report.critical_path(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Share of its time [%].
    share_pct,
    -- The same as time [s].
    total_s,
    -- Who did it: 'itself', 'NAME (PID)', or 'N NAME processes'; NULL for what is not known.
    who,
    -- What it did: 'running', 'runnable', or what it waited for, as `waited_for` of `cpu` has it; NULL if that is unknown.
    state,
    -- What it waited for: a file, a pipe, a remote address; NULL if its call names nothing.
    object,
    -- Waits from the process to there at least: 0 is what it did itself.
    hops,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH RECURSIVE
firsts AS (
    SELECT who, ns
    FROM (
        SELECT who, ns, LIST_SUM(LIST_TRANSFORM(spent, lambda one: CASE WHEN one.whom IS NOT NULL THEN one.ns END)) AS others_ns
        FROM finding.wait_times
        WHERE who.tid IS NULL AND ns > 0 AND who.process_key IN (SELECT process_key FROM main.ended_waits)
    )
    WHERE others_ns > 0
    QUALIFY ROW_NUMBER() OVER (ORDER BY others_ns DESC, who) <= 100
),
-- The share of the time of `first` that leads to `who`, from whoever waited for it. A row without `who` is an end: what
-- `before` did. Shares are whole numbers of 1 / 10^12, so that their sum does not depend on the order of rows.
steps AS (
    SELECT
        0 AS hops, who AS first, CAST(NULL AS STRUCT(process_key STRUCT(pid UINTEGER, "start" BIGINT), tid UINTEGER)) AS before,
        who, CAST(NULL AS VARCHAR) AS state, CAST(NULL AS VARCHAR) AS object, CAST(1_000_000_000_000 AS HUGEINT) AS share
    FROM firsts
    UNION ALL
    SELECT
        hops + 1, first, last, part.whom,
        CASE WHEN part.whom IS NULL THEN part.state END,
        CASE WHEN part.whom IS NULL THEN part.object END,
        SUM(share * part.ns // NULLIF(all_ns, 0))
    FROM (
        SELECT hops, first, last, share, LIST_SUM(LIST_TRANSFORM(parts, lambda one: one.ns)) AS all_ns, UNNEST(parts) AS part
        FROM (
            SELECT
                s.hops, s.first, s.who AS last, s.share,
                LIST_FILTER(t.spent, lambda one: one.whom IS NULL OR one.state = 'lock' OR (
                    one.whom IS DISTINCT FROM s.before AND one.whom IS DISTINCT FROM s.first
                )) AS parts
            FROM steps AS s
            JOIN finding.wait_times AS t ON t.who = s.who
            WHERE s.share >= 100_000_000 AND s.hops < 64
        )
    )
    GROUP BY hops, first, last, part.whom, 5, 6
),
ends AS (
    SELECT
        s.first, COALESCE(p.comm, '?') AS comm, s.state, s.object, SUM(s.share) AS share, MIN(s.hops) - 1 AS hops,
        COUNT(DISTINCT s.before.process_key) AS processes, MIN(s.before.process_key) AS one,
        s.before.process_key = s.first.process_key AS is_first
    FROM steps AS s
    LEFT JOIN unfiltered.processes AS p ON p.process_key = s.before.process_key
    WHERE s.who IS NULL
    GROUP BY s.first, COALESCE(p.comm, '?'), s.state, s.object, s.before.process_key = s.first.process_key
),
told AS (
    SELECT
        first,
        CASE
            WHEN is_first THEN 'itself'
            WHEN processes = 1 THEN FORMAT('{} ({})', comm, one.pid)
            ELSE FORMAT('{} {} processes', processes, comm)
        END AS doer,
        state, object, hops, share
    FROM ends
    UNION ALL
    SELECT first, NULL, NULL, NULL, NULL, 1_000_000_000_000 - SUM(share)
    FROM ends
    GROUP BY first
    HAVING SUM(share) <= 999_000_000_000
)
SELECT
    t.first.process_key.pid,
    p.comm,
    t.share / 1e10,
    t.share / 1e12 * f.ns / 1e9,
    t.doer,
    t.state,
    t.object,
    t.hops,
    t.first.process_key.start
FROM told AS t
JOIN firsts AS f ON f.who = t.first
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.first.process_key
ORDER BY f.ns DESC, t.first, t.share DESC, t.doer, t.state, t.object;
