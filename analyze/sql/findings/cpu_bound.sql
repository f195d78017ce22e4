-- A process that wanted a CPU nearly all the time.
--
-- A process that ran, or waited for a CPU, for at least 80 % of its life in the window, and used at least 3 s of CPU
-- time, which is at least 25 % of its life and of the window. It goes no faster than its code on a CPU. Left out:
-- processes that are many and short, and what polls (`busy_poll`), which has nothing to compute.
--
-- needs: finding.busy_poll, finding.process, finding.span
-- kept: window
CREATE VIEW finding.cpu_bound(
    -- How much it matters: 'high', 'medium' or 'low'.
    severity,
    -- What it weighs among those of its severity, the more the worse; of most rules its share of the window.
    weight,
    -- Process id of the process concerned; NULL: none, or several.
    pid,
    -- When that process began, since boot [ns].
    start,
    -- What it is about; NULL: the process, by its name and id.
    subject,
    -- What is the matter with it, in words that follow on the subject.
    summary,
    -- The numbers that say so.
    evidence,
    -- From what on it is a finding.
    threshold,
    -- What shows more, as arguments of `sysmon report TRACE`.
    command,
    -- The kinds of rows that it rests on, in the order of the alphabet.
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
    || COALESCE(FORMAT(', {:.3f} s of waiting for a CPU', p.wait_s), ''),
    'running or waiting for a CPU 80 % of its life; running 3 s, 25 % of its life and of the window',
    FORMAT('cpu --pid {}', p.pid),
    'cpu'
FROM finding.process AS p
CROSS JOIN finding.span AS s
WHERE p.cpu_s + COALESCE(p.wait_s, 0) >= 0.8 * p.alive_s
    AND p.cpu_s >= 0.25 * p.alive_s
    AND p.cpu_s >= 3
    AND p.cpu_s >= 0.25 * s.counted_s
    AND NOT EXISTS (FROM finding.busy_poll AS b WHERE b.pid = p.pid AND b.start IS NOT DISTINCT FROM p.start);
