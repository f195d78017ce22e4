-- What recording cost: the recorder, and each BPF program.
--
-- A program's run time is measured in short windows only, because measuring has a cost too; the rates are for these
-- windows. The recorder's own CPU time is exact. Percentages are of one CPU.
--
-- needs: main.overhead
CREATE VIEW report.overhead(
    -- 'recorder', or the name of a BPF program. The programs that make events of system calls are part of
    -- on_sys_exit.
    part,
    -- CPU time as a share of one CPU [%].
    cpu_pct,
    -- Runs per second, on all CPUs; NULL for the recorder.
    runs_per_s,
    -- Mean run time [us]; NULL for the recorder.
    mean_us,
    -- Time in which it was measured [s].
    measured_s,
    -- CPU time in that time [s].
    cpu_s,
    -- Largest resident memory seen [bytes]; of the recorder only.
    max_rss_bytes
) AS
SELECT
    part,
    100.0 * SUM(run_ns) / NULLIF(SUM(window_ns), 0) AS share,
    1e9 * SUM(runs) / NULLIF(SUM(window_ns), 0),
    SUM(run_ns) / 1e3 / NULLIF(SUM(runs), 0),
    SUM(window_ns) / 1e9,
    SUM(run_ns) / 1e9,
    MAX(rss_bytes)
FROM main.overhead
GROUP BY part
ORDER BY share DESC NULLS LAST, part NULLS LAST;
