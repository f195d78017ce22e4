-- The last name of each thread that waited, as its waits have it.
--
-- An exec or the thread itself may change it.
--
-- needs: everyone.ended_waits
CREATE VIEW finding.waiting_threads(
    -- The process: a struct of `pid` and `start`.
    process_key,
    -- Thread id.
    tid,
    -- Name of the thread.
    thread
) AS
SELECT process_key, tid, MAX_BY(thread, (ts, thread))
FROM everyone.ended_waits
GROUP BY process_key, tid;
