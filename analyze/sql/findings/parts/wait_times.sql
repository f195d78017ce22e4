-- What every process and every thread spent its time on, and for whom it waited.
--
-- Of waits that ended in the window, and of time on a CPU or ready for one. A process is here with all its threads
-- together, and each thread by itself.
--
-- needs: everyone.ended_waits, everyone.thread_time
-- kept: window
CREATE VIEW finding.wait_times(
    -- Who: a struct of `process_key` and `tid`, which is NULL for all threads of the process.
    who,
    -- Its largest parts, at most 150, largest first: structs of `state`, `object`, `whom` (who ended the wait; NULL if
    -- nobody did, or it itself), `ns`. Each lock is a part of its own; of other parts `object` is the one with most time.
    spent,
    -- All its time [ns].
    ns
) AS
WITH
sums AS (
    SELECT process_key, tid, waited_for, object, waker_key, waker_tid, SUM(ns) AS ns, SUM(held_ns) AS held_ns
    FROM everyone.ended_waits
    WHERE waited_for IS DISTINCT FROM 'idle'
    GROUP BY process_key, tid, waited_for, object, waker_key, waker_tid
),
-- Threads wait for a lock one after the other, so each wait ends by whoever came before; what all wait for is the one that
-- held it long.
waits AS MATERIALIZED (
    SELECT * REPLACE (
            CASE WHEN waker_tid IS NULL OR SUM(held_ns) OVER at_one_lock IS NULL THEN ns
                ELSE CAST(1.0 * SUM(ns) OVER at_one_lock * COALESCE(held_ns, 0) / SUM(held_ns) OVER at_one_lock AS BIGINT) END AS ns
        )
    FROM sums
    WINDOW at_one_lock AS (PARTITION BY process_key, tid, object, waker_tid IS NULL)
),
-- What every process, and every thread, spent its time on; `whom`: for whom it waited.
times AS (
    SELECT
        process_key, tid, waited_for AS state, object,
        CASE WHEN waker_key <> process_key OR waker_tid <> tid
            THEN {'process_key': waker_key, 'tid': waker_tid} END AS whom,
        ns
    FROM waits
    UNION ALL
    SELECT process_key, tid, state, NULL, NULL, SUM(ns)
    FROM everyone.thread_time
    WHERE state IN ('running', 'runnable')
    GROUP BY process_key, tid, state
),
by_object AS (
    SELECT {'process_key': process_key, 'tid': tid} AS who, state, whom, object, SUM(ns) AS ns
    FROM times
    GROUP BY GROUPING SETS ((process_key, tid, state, whom, object), (process_key, state, whom, object))
),
spent AS (
    SELECT who, state, whom, MAX_BY(object, (ns, object)) AS object, SUM(ns) AS ns
    FROM by_object
    GROUP BY who, state, whom, CASE WHEN state = 'lock' THEN object END
)
SELECT
    who,
    LIST({'state': state, 'object': object, 'whom': whom, 'ns': ns} ORDER BY place) FILTER (place <= 150),
    SUM(ns)
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY who ORDER BY ns DESC, state, whom, object) AS place FROM spent)
GROUP BY who;
