-- A process that the kernel killed because there was no memory left.
--
-- There is a finding from 1 process on. Its control group had reached its limit, or the machine had none left; the report `cgroups` and the
-- machine's memory in `snapshots` tell which. Always high.
--
-- needs: report.oom_kills
-- kept: window
-- only of: oom_kill
CREATE VIEW finding.oom(
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
    'high',
    1,
    o.pid,
    o.start,
    NULL,
    'was killed by the kernel, as there was no memory left' || COALESCE(' in the group ' || NULLIF(o.cgroup, '/'), ''),
    COALESCE(
        FORMAT('it had {:.1f} MiB, of which {:.1f} MiB anonymous', o.memory_mib, o.anon_mib),
        'how much it had is not known'
    )
    || CASE
        WHEN o.trigger_pid <> o.pid THEN FORMAT('; {} ({}) needed memory', COALESCE(o.trigger, '?'), o.trigger_pid)
        ELSE ''
    END
    || COALESCE('; command: ' || o.command, ''),
    '1 process',
    'oom_kills' || CASE WHEN o.start IS NOT NULL THEN FORMAT(' --pid {}', o.pid) ELSE '' END,
    'oom_kill'
FROM report.oom_kills AS o
WHERE o.pid IS NOT NULL;
