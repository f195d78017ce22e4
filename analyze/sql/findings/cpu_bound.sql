-- A process that needs a CPU nearly all the time.
--
-- A process ran, or waited for a CPU, for at least 80 % of its life in the window, and used at least 3 s of CPU
-- time, which is at least 25 % of its life and of the window. Only less work or a faster CPU makes it faster. Left
-- out: groups of many short processes, and busy loops (`busy_poll`), which have nothing to compute.
--
-- needs: finding.busy_poll, finding.process, finding.span, unfiltered.process_key
-- kept: window
CREATE VIEW finding.cpu_bound(
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
SELECT
    'medium',
    p.cpu_s / s.counted_s,
    p.pid,
    p.start,
    NULL,
    FORMAT('is CPU-bound: {:.1f} s of CPU in {:.1f} s', p.cpu_s, p.alive_s),
    FORMAT('{:.3f} s of CPU time in {:.3f} s of life in the window ({:.0f} % of one CPU)', p.cpu_s, p.alive_s,
        100 * p.cpu_s / p.alive_s)
    || COALESCE(FORMAT(', {:.3f} s waiting for a CPU', p.wait_s), ''),
    'running or waiting for a CPU for 80 % of its life; 3 s of CPU time, 25 % of its life and of the window',
    FORMAT('cpu --pid {}', p.pid),
    'cpu'
FROM finding.process AS p
CROSS JOIN finding.span AS s
WHERE p.cpu_s + COALESCE(p.wait_s, 0) >= 0.8 * p.alive_s
    AND p.cpu_s >= 0.25 * p.alive_s
    AND p.cpu_s >= 3
    AND p.cpu_s >= 0.25 * s.counted_s
    AND NOT EXISTS (FROM finding.busy_poll AS b WHERE unfiltered.process_key(b.pid, b.start) = p.process_key);
