-- Names of those that ended waits.
--
-- One that is not recorded, such as a kernel thread in the recording of a command, has no other.
--
-- needs: everyone.ended_waits
CREATE VIEW finding.waker_names(
    -- The process: a struct of `pid` and `start`.
    waker_key,
    -- Its name, as it was when it woke.
    comm
) AS
SELECT waker_key, MAX(waker_comm)
FROM everyone.ended_waits
WHERE woken_by = 'thread'
GROUP BY waker_key;
