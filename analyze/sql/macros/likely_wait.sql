-- Time waited for a CPU, or 0 where that cannot be it: kernels since 6.12 now and then count a whole sleep as a wait.
-- No scheduler lets a thread wait 0.2 s each time it wants to run, on average over an interval.
CREATE MACRO unfiltered.likely_wait(wait_ns, voluntary_switches, involuntary_switches) AS CASE
    WHEN wait_ns IS NULL THEN NULL
    WHEN wait_ns <= 200000000 * (COALESCE(voluntary_switches, 0) + COALESCE(involuntary_switches, 0) + 1) THEN wait_ns
    ELSE 0
END;
