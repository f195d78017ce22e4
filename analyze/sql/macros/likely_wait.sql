-- Time waited for a CPU, or 0 if that is impossible: since Linux 6.12 the kernel sometimes counts a whole sleep as
-- a wait. No scheduler lets a thread wait 0.2 s each time it wants to run, on average over an interval. In floating
-- point: an impossible count is damage, and must not break the whole answer.
CREATE MACRO unfiltered.likely_wait(wait_ns, voluntary_switches, involuntary_switches) AS CASE
    WHEN wait_ns IS NULL THEN NULL
    WHEN wait_ns <= 2e8 * (CAST(COALESCE(voluntary_switches, 0) AS DOUBLE PRECISION) + COALESCE(involuntary_switches, 0) + 1)
        THEN wait_ns
    ELSE 0
END;
