-- Signals: who sent which to whom, how often, and how many were dropped.
--
-- One row per sender, receiver and signal. Signals that the kernel sent for a reason of its own, such as a fault, a timer
-- or the end of a child, have no sender.
--
-- needs: main.signals, unfiltered.process_key, unfiltered.processes, unfiltered.signal_name
CREATE VIEW report.signals(
    -- Name of the signal.
    signal,
    -- How often it was sent.
    sent,
    -- How many of these were ignored, already pending, or did not fit into the queue.
    dropped,
    -- Process id of the sender; NULL: the kernel.
    sender_pid,
    -- Command name of the sender.
    sender,
    -- Process id of the receiver.
    pid,
    -- Command name of the receiver.
    comm,
    -- First sent.
    first_at,
    -- Last sent.
    last_at,
    -- Start time of the receiver, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Start time of the sender, since boot [ns].
    sender_start
) AS
SELECT
    COALESCE(unfiltered.signal_name(s.signo), CAST(s.signo AS VARCHAR)),
    COUNT(*),
    COUNT(CASE WHEN s.delivery IN ('ignored', 'pending', 'overflow') THEN 1 END),
    s.sender_pid,
    ANY_VALUE(sender.comm),
    s.process_key.pid,
    ANY_VALUE(receiver.comm),
    MIN(s.ts),
    MAX(s.ts),
    s.process_key.start,
    s.sender_start
FROM main.signals AS s
LEFT JOIN unfiltered.processes AS receiver ON receiver.process_key = s.process_key
LEFT JOIN unfiltered.processes AS sender ON sender.process_key = unfiltered.process_key(s.sender_pid, s.sender_start)
GROUP BY s.signo, s.sender_pid, s.sender_start, s.process_key
ORDER BY 2 DESC, s.signo, s.process_key.pid, s.process_key.start, s.sender_pid, s.sender_start;
