-- What the time of a process depends on: what it did itself and, while it waited for others, what these did.
--
-- The time of a process, all threads together, is divided among what it did in the window. Its waits for another process,
-- or for the thread that released a lock or ended, are divided among what that one did, and so on, until nobody is waited
-- for: the shares of a process add up to 100 %, and what has the largest is what to make faster. An estimate: it takes the
-- sums of the window for what the other did during each wait. A process that answers requests waits for the next one, too;
-- that is left out where the request would be that of the process before it, or of the first, but not of other clients. If
-- processes are chosen, as by --pid, it begins with them and goes on to all others. Only `record --with waits` tells.
--
-- needs: finding.critical_shares, unfiltered.processes
CREATE VIEW report.critical_path(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- Share of its time [%].
    share_pct,
    -- The same as time [s].
    total_s,
    -- Who did it: 'itself', any of its threads; 'thread NAME (TID)', the one of its threads that others of them waited for;
    -- 'NAME (PID)', with 'thread NAME (TID) of' before it if only that thread was waited for; 'N NAME processes';
    -- 'N other threads' of its own, of less than 1 % each. NULL for what is not known.
    who,
    -- What it did: 'running', 'runnable', or what it waited for, as `waited_for` of `cpu` has it; NULL if that is unknown.
    state,
    -- What it waited for: a file, a pipe, a remote address; NULL if its call names nothing.
    object,
    -- The wait that leads there, for most of the share: what for, and the object, such as 'lock [futex 0x7f00]'. NULL for
    -- 'itself'.
    through,
    -- Waits from the process to there at least: 0 is what it did itself.
    hops,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    s.first.process_key.pid,
    p.comm,
    s.share / 1e10,
    s.share / 1e12 * s.ns / 1e9,
    s.doer,
    s.state,
    s.object,
    s.through,
    s.hops,
    s.first.process_key.start
FROM finding.critical_shares AS s
LEFT JOIN unfiltered.processes AS p ON p.process_key = s.first.process_key
WHERE s.first.tid IS NULL
ORDER BY s.ns DESC, s.first, s.share DESC, s.doer, s.state, s.object;
