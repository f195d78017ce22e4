-- A process that asks again and again and gets nothing.
--
-- At least 1,000 calls a second of its life in the window, for 1 s or more, and 60 % of all its calls, came back at
-- once with nothing: poll, select, epoll_wait, wait4, waitid and sched_yield within 20 us, reads, receives and accepts
-- that failed so fast, and sleeps shorter than 1 ms. High if it used 50 % of a CPU. Servers that have work at once make
-- other calls for it, and are left out. So is what computes for 100 us of CPU time or more for each. What a poll returned is not recorded; a call of 20 us is taken for one that did
-- not wait.
--
-- needs: finding.call, finding.process
-- kept: window
CREATE VIEW finding.busy_poll(
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
WITH
idle AS (
    SELECT pid, start, syscall,
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
    SELECT pid, start, SUM(idle) AS idle, SUM(calls) AS calls, MAX_BY(syscall, idle) AS syscall
    FROM idle
    GROUP BY pid, start
)
SELECT
    CASE WHEN p.cpu_s >= 0.5 * p.alive_s THEN 'high' ELSE 'medium' END,
    t.idle / p.alive_s / 1e6,
    p.pid,
    p.start,
    NULL,
    FORMAT('polls: {:,.0f} calls a second, mostly {}, that had nothing', t.idle / p.alive_s, t.syscall),
    FORMAT('{:,.0f} of its {:,.0f} calls came back at once with nothing, mostly {}, in {:.1f} s of life', t.idle, t.calls,
        t.syscall, p.alive_s)
    || COALESCE(FORMAT('; {:.3f} s of CPU time', p.cpu_s), ''),
    '1,000 a second over 1 s, 60 % of its calls, within 20 us; of sleeps within 1 ms; under 100 us of CPU time for each',
    FORMAT('syscalls_by_process --pid {}', p.pid),
    'cpu, syscall_stats'
FROM totals AS t
JOIN finding.process AS p ON p.pid = t.pid AND p.start IS NOT DISTINCT FROM t.start
WHERE p.alive_s >= 1
    AND t.idle >= 1000 * p.alive_s
    AND t.idle >= 0.6 * t.calls
    AND t.idle >= 10000 * COALESCE(p.cpu_s, 0);
