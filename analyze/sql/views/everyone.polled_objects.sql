-- What threads polled, in words.
--
-- The sets of poll, ppoll, epoll_wait and epoll_pwait, as `polled` has them. Needs `record --with objects`, `--with waits` or
-- `--syscalls`.
--
-- needs: everyone.polled, unfiltered.named_object, unfiltered.object_titles
CREATE VIEW everyone.polled_objects(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
    -- Thread id.
    tid,
    -- System call.
    syscall,
    -- Descriptor of the epoll; NULL for poll.
    epoll_fd,
    -- The descriptor that was polled.
    descriptor,
    -- For which events, EPOLL… or POLL…, as a number.
    events,
    -- Descriptors in the set; NULL if it is an epoll.
    set_size,
    -- What the descriptor was: a path, 'pipe:[INODE]', the addresses of a socket, or another type such as '[eventfd]'; NULL if
    -- it was not open.
    object,
    -- When the set was seen.
    ts
) AS
SELECT p.pid, p.start, p.process_key, p.tid, p.syscall, p.epoll_fd, p.polled_fd, p.polled_events, p.set_size,
    COALESCE(t.name,
        unfiltered.named_object(p.object_type, p.object, p.object_device, NULL, NULL, NULL, NULL, NULL, NULL)),
    p.ts
FROM everyone.polled AS p
LEFT JOIN unfiltered.object_titles AS t
    ON t.object = p.object
    AND t.device_or_0 = COALESCE(p.object_device, 0)
    AND t.since_ns <= EPOCH_NS(p.ts)
    AND COALESCE(t.until_ns > EPOCH_NS(p.ts), TRUE);
