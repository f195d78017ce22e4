-- What each process polls: the descriptors in the sets of poll, ppoll, epoll_wait and epoll_pwait.
--
-- A set is recorded when such a call returns first in an interval, and when it has changed, at most eight times, and 16
-- descriptors of it. So a descriptor that was in a set for a moment may be missing. select overwrites its sets, and is not
-- shown. Needs `record --with objects` or `--with waits`.
--
-- needs: main.polled_objects, unfiltered.processes
CREATE VIEW report.polled(
    -- Process id (thread group id).
    pid,
    -- Last known command name.
    comm,
    -- System call.
    syscall,
    -- Descriptor of the epoll; NULL for poll.
    epoll_fd,
    -- The descriptor that is polled.
    descriptor,
    -- What it is: a path, 'pipe:[INODE]', the addresses of a socket, or another type such as '[eventfd]'; NULL if it was not
    -- open.
    object,
    -- For which events: 'in', 'out', 'pri', 'rdhup'; 'et' for edge-triggered, 'oneshot' and 'exclusive'; others as a number.
    events,
    -- Threads that polled it.
    threads,
    -- Recorded sets in which it was.
    sets,
    -- Most descriptors in such a set; NULL if it is an epoll.
    set_size,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
totals AS (
    SELECT p.process_key, p.syscall, p.epoll_fd, p.descriptor, p.object, p.events,
        COUNT(DISTINCT p.tid) AS threads,
        COUNT(*) AS sets,
        MAX(p.set_size) AS set_size
    FROM main.polled_objects AS p
    GROUP BY p.process_key, p.syscall, p.epoll_fd, p.descriptor, p.object, p.events
)
SELECT
    t.process_key.pid,
    p.comm,
    t.syscall,
    t.epoll_fd,
    t.descriptor,
    t.object,
    ARRAY_TO_STRING(LIST_FILTER([
        CASE WHEN t.events & 1 > 0 THEN 'in' END,
        CASE WHEN t.events & 2 > 0 THEN 'pri' END,
        CASE WHEN t.events & 4 > 0 THEN 'out' END,
        CASE WHEN t.events & 8192 > 0 THEN 'rdhup' END,
        CASE WHEN t.events & 2147483648 > 0 THEN 'et' END,
        CASE WHEN t.events & 1073741824 > 0 THEN 'oneshot' END,
        CASE WHEN t.events & 268435456 > 0 THEN 'exclusive' END,
        -- EPOLLERR and EPOLLHUP, which the kernel always adds, are not said.
        CASE WHEN t.events & 805298144 > 0
            THEN FORMAT('0x{:x}', t.events & 805298144) END
    ], lambda word: word IS NOT NULL), '|'),
    t.threads,
    t.sets,
    t.set_size,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.sets DESC, t.process_key.pid, t.process_key.start, t.syscall, t.epoll_fd NULLS LAST, t.descriptor, t.object NULLS LAST,
    t.events;
