-- Whether calls mostly wait for something to happen: their threads slept for half of their time, other than for a disk. Of a
-- trace that does not say how long they slept, whether they are named as calls that do nothing else.
--
-- needs: unfiltered.is_wait
CREATE MACRO unfiltered.waits(syscall, total_ns, slept_ns) AS
    CASE WHEN slept_ns IS NULL THEN unfiltered.is_wait(syscall) ELSE 2 * slept_ns >= total_ns AND slept_ns > 0 END;
