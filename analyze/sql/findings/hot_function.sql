-- A function that takes most of the CPU time of a process.
--
-- With 95 % confidence at least half of the samples of a process were in one function itself, of 200 samples or more, and
-- the process used at least 20 % of a CPU; high from a whole CPU on. What the function calls is not part of it. Needs
-- `record --with samples`.
--
-- needs: finding.process, report.hot_functions, unfiltered.process_key
-- kept: window
-- only of: samples
CREATE VIEW finding.hot_function(
    -- Severity: 'high', 'medium' or 'low'.
    severity,
    -- Rank among findings of the same severity, higher is worse; for most rules the share of the window.
    weight,
    -- Process id of the process concerned; NULL if there is none or there are several.
    pid,
    -- Start time of that process, since boot [ns].
    start,
    -- What the finding is about; NULL for the process, shown by name and id.
    subject,
    -- What is wrong, as a continuation of the subject.
    summary,
    -- The evidence in numbers.
    evidence,
    -- The threshold.
    threshold,
    -- Arguments of `sysmon report TRACE` that show more.
    command,
    -- Kinds of rows it is based on, in alphabetical order.
    rests_on
) AS
WITH
hottest AS (
    SELECT *
    FROM report.hot_functions
    WHERE samples >= 200 AND self_low_pct >= 50
)
SELECT
    CASE WHEN p.cpu_s >= p.alive_s THEN 'high' ELSE 'medium' END,
    p.cpu_s / p.alive_s,
    p.pid,
    p.start,
    NULL,
    FORMAT('spends {:.0f} % of its CPU time in {}', f.self_pct, f.function) || COALESCE(' of ' || f.module, ''),
    FORMAT('{:,} of {:,} samples, so {:.0f} to {:.0f} % of {:.3f} s of CPU time', f.self, f.samples, f.self_low_pct,
        f.self_high_pct, p.cpu_s),
    'half of 200 samples with 95 % confidence, and 20 % of a CPU',
    FORMAT('hot_functions --pid {}', p.pid),
    'samples'
FROM hottest AS f
JOIN finding.process AS p ON p.process_key = unfiltered.process_key(f.pid, f.start)
WHERE p.cpu_s >= 0.2 * p.alive_s;
