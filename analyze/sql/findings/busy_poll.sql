-- A process that polls in a busy loop.
--
-- A process made at least 1,000 calls a second, over 1 s or more of its life in the window, that returned at once
-- with nothing to do, and these were 60 % of all its calls. They are poll, select, epoll_wait, wait4, waitid and
-- sched_yield within 20 us, reads, receives and accepts that failed that fast, and sleeps below 1 ms. High if it
-- used 50 % of a CPU. Servers that find work at once make other calls to do it, so they are left out, and so is a
-- process that computes for 100 us of CPU time or more per such call. The result of a poll is not recorded; one
-- below 20 us is assumed not to have waited.
--
-- needs: finding.call, finding.process
-- kept: window
CREATE VIEW finding.busy_poll(
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
idle AS (
    SELECT process_key, syscall,
        CASE
            WHEN syscall IN ('nanosleep', 'clock_nanosleep') THEN under_1_ms
            WHEN syscall IN ('read', 'readv', 'recvfrom', 'recvmsg', 'recvmmsg', 'accept', 'accept4')
                THEN LEAST(errors, under_20_us)
            WHEN syscall IN ('poll', 'ppoll', 'select', 'pselect6', 'epoll_wait', 'epoll_pwait', 'epoll_pwait2', 'wait4',
                'waitid', 'sched_yield') THEN under_20_us
            ELSE 0
        END AS idle,
        calls
    FROM finding.call
),
totals AS (
    SELECT process_key, SUM(idle) AS idle, SUM(calls) AS calls, MAX_BY(syscall, idle) AS syscall
    FROM idle
    GROUP BY process_key
)
SELECT
    CASE WHEN p.cpu_s >= 0.5 * p.alive_s THEN 'high' ELSE 'medium' END,
    t.idle / p.alive_s / 1e6,
    p.pid,
    p.start,
    NULL,
    FORMAT('polls in a busy loop: {:,.0f} calls a second, mostly {}, with nothing to do', t.idle / p.alive_s, t.syscall),
    FORMAT('{:,.0f} of its {:,.0f} calls returned at once with nothing to do, mostly {}, in {:.1f} s of life', t.idle, t.calls,
        t.syscall, p.alive_s)
    || COALESCE(FORMAT('; {:.3f} s of CPU time', p.cpu_s), ''),
    '1,000 a second over 1 s, 60 % of its calls, each below 20 us (sleeps: 1 ms) and 100 us of CPU time',
    FORMAT('syscalls_by_process --pid {}', p.pid),
    'cpu, syscall_stats'
FROM totals AS t
JOIN finding.process AS p ON p.process_key = t.process_key
WHERE p.alive_s >= 1
    AND t.idle >= 1000 * p.alive_s
    AND t.idle >= 0.6 * t.calls
    AND t.idle >= 10000 * COALESCE(p.cpu_s, 0);
