-- A process that waits for a local server that was not recorded.
--
-- In a recording of some processes, such as a followed command (`sysmon record -- COMMAND`), a process connected to
-- an address of this machine (127.0.0.0/8, ::1, its own, or a unix socket) where no recorded process listened or
-- accepted, and spent at least 0.5 s and 50 % of its life in calls that read or wait for events. The trace cannot
-- show what the server does: record all processes meanwhile (`sysmon record --duration 60`). Which of these calls
-- were on that connection is not recorded. Left out: datagram sockets, and the socket of nscd, which the C library
-- always tries.
--
-- needs: finding.call, finding.process, main.sockets, unfiltered.connects, unfiltered.sockets
-- kept: window
CREATE VIEW finding.unrecorded_server(
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
made AS (
    SELECT process_key, remote_address, remote_port, COUNT(*) AS connections
    FROM main.sockets
    WHERE unfiltered.connects(syscall)
        AND (error IS NULL OR error = 'EINPROGRESS')
        AND COALESCE(socket_type, '') <> 'SOCK_DGRAM'
        AND remote_address <> '/var/run/nscd/socket'
        AND (
            family = 'AF_UNIX'
            OR remote_address LIKE '127.%'
            OR remote_address LIKE '::ffff:127.%'
            OR remote_address IN ('::1', local_address)
        )
        AND getvariable('of_some')
    GROUP BY process_key, remote_address, remote_port
),
-- Addresses that a recorded process served. For IP only the port counts: a server may listen on every address.
served AS (
    SELECT DISTINCT local_address, local_port
    FROM unfiltered.sockets
    WHERE syscall IN ('listen', 'accept', 'accept4') AND (error IS NULL OR error = 'EAGAIN')
),
servers AS (
    SELECT process_key,
        SUM(connections) AS connections,
        COUNT(*) AS addresses,
        MAX_BY(remote_address || COALESCE(FORMAT(' port {}', remote_port), ''), connections) AS address
    FROM made AS m
    WHERE NOT EXISTS (
        FROM served AS s
        WHERE s.local_port = m.remote_port OR (m.remote_port IS NULL AND s.local_address = m.remote_address)
    )
    GROUP BY process_key
),
waits AS (
    SELECT process_key, SUM(total_s) AS total_s, MAX_BY(syscall, total_s) AS syscall
    FROM finding.call
    WHERE syscall IN ('read', 'readv', 'recvfrom', 'recvmsg', 'recvmmsg', 'poll', 'ppoll', 'select', 'pselect6', 'epoll_wait',
        'epoll_pwait', 'epoll_pwait2')
    GROUP BY process_key
)
SELECT
    'medium',
    w.total_s / p.alive_s,
    p.pid,
    p.start,
    NULL,
    'waits, and the local server at ' || v.address || ' was not recorded: record it too',
    FORMAT('{:.3f} s of {:.3f} s of life in calls that read or wait for events, mostly {}; {:,} connection{} to ', w.total_s,
        p.alive_s, w.syscall, v.connections, CASE WHEN v.connections = 1 THEN '' ELSE 's' END) || v.address
    || CASE WHEN v.addresses > 1 THEN FORMAT(' and {} more addresses on this machine', v.addresses - 1) ELSE '' END
    || ', where no recorded process listened; `sysmon record --duration 60` records everything',
    '0.5 s and 50 % of its life, with a connection to this machine, in a recording of some processes',
    FORMAT('connections --pid {}', p.pid),
    'socket, syscall_stats'
FROM servers AS v
JOIN waits AS w ON w.process_key = v.process_key
JOIN finding.process AS p ON p.process_key = v.process_key
WHERE w.total_s >= 0.5 AND w.total_s >= 0.5 * p.alive_s;
