-- Time waited for a CPU, or 0 where that cannot be it: kernels since 6.12 now and then count a whole sleep as a wait.
-- No scheduler lets a thread wait 0.2 s each time it wants to run, on average over an interval. In floating point: a
-- count that no kernel has is damage, and must not cost the whole answer.
CREATE MACRO unfiltered.likely_wait(wait_ns, voluntary_switches, involuntary_switches) AS CASE
    WHEN wait_ns IS NULL THEN NULL
    WHEN wait_ns <= 2e8 * (CAST(COALESCE(voluntary_switches, 0) AS DOUBLE PRECISION) + COALESCE(involuntary_switches, 0) + 1)
        THEN wait_ns
    ELSE 0
END;
