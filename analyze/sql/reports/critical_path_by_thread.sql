-- What the time of a thread depends on: what it did itself and, while it waited for others, what these did.
--
-- As `critical_path`, which has all threads of a process together: the time of a thread is divided among what it did in the
-- window, and its waits for another process, or for the thread that released a lock or ended, among what that one did. Only
-- `record --with waits` tells.
--
-- needs: finding.critical_shares, finding.waiting_threads, unfiltered.processes
CREATE VIEW report.critical_path_by_thread(
    -- Process id (thread group id).
    pid,
    -- Thread id.
    tid,
    -- Last known name of the thread.
    thread,
    -- Last known command name.
    comm,
    -- Share of its time [%].
    share_pct,
    -- The same as time [s].
    total_s,
    -- Who did it: 'itself'; 'thread NAME (TID)', another thread of its process; 'NAME (PID)', with
    -- 'thread NAME (TID) of' before it if only that thread was waited for; 'N NAME processes'; 'N other threads' of its
    -- process, of less than 1 % each. NULL for what is not known.
    who,
    -- What it did: 'running', 'runnable', or what it waited for, as `waited_for` of `cpu` has it; NULL if that is unknown.
    state,
    -- What it waited for: a file, a pipe, a remote address; NULL if its call names nothing.
    object,
    -- The wait that leads there, for most of the share: what for, and the object, such as 'lock [futex 0x7f00]'. NULL for
    -- 'itself'.
    through,
    -- Waits from the thread to there at least: 0 is what it did itself.
    hops,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
SELECT
    s.first.process_key.pid,
    s.first.tid,
    t.thread,
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
LEFT JOIN finding.waiting_threads AS t ON t.process_key = s.first.process_key AND t.tid = s.first.tid
WHERE s.first.tid IS NOT NULL
ORDER BY s.ns DESC, s.first, s.share DESC, s.doer, s.state, s.object;
