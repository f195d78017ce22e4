-- Whether calls mostly wait for an event: their threads slept for half of the time, other than for a disk. For
-- traces without this measurement, whether the name is that of a call that only waits.
--
-- needs: unfiltered.is_wait
CREATE MACRO unfiltered.waits(syscall, total_ns, slept_ns) AS
    CASE WHEN slept_ns IS NULL THEN unfiltered.is_wait(syscall) ELSE 2 * slept_ns >= total_ns AND slept_ns > 0 END;
