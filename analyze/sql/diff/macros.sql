-- A path without what differs each time: numbers, and random letters of names in directories for temporary files.
CREATE MACRO diff.folded(path) AS REGEXP_REPLACE(REGEXP_REPLACE(path, '[0-9a-fA-F]{8,}', '#', 'g'), '[0-9]+', '#', 'g');
CREATE MACRO diff.pattern(path) AS CASE
    WHEN REGEXP_MATCHES(path, '^/(tmp|var/tmp|dev/shm)/') THEN
        REGEXP_EXTRACT(path, '^/(?:tmp|var/tmp|dev/shm)/')
        || REGEXP_REPLACE(REGEXP_EXTRACT(path, '^/(?:tmp|var/tmp|dev/shm)/([^/]*)', 1), '[A-Za-z0-9_]', 'x', 'g')
        || diff.folded(REGEXP_EXTRACT(path, '(?s)^/(?:tmp|var/tmp|dev/shm)/[^/]*(.*)$', 1))
    ELSE diff.folded(path)
END;
-- Whether two figures differ by more than `ratio`.
CREATE MACRO diff.apart(x, y) AS
    COALESCE(x, 0) > COALESCE(y, 0) * getvariable('ratio') OR COALESCE(y, 0) > COALESCE(x, 0) * getvariable('ratio');
-- Calls that mostly wait for an event, on both sides together; by name if one side has not measured it.
CREATE TABLE sides.waiting AS
SELECT syscall AS name
FROM sides.cells
GROUP BY syscall
HAVING unfiltered.waits(syscall, SUM(total_ns), CASE WHEN COUNT(slept_ns) = COUNT(*) THEN SUM(slept_ns) END);
CREATE MACRO diff.waits(call) AS call IN (SELECT name FROM sides.waiting);
-- Rank of a call: calls that work first, then those that receive from a socket, those that mostly wait for an
-- event, and those that wait for a child. A sleep lasts as long as the program asks, so it ranks with the first.
CREATE MACRO diff.waiting(syscall) AS CASE
    WHEN syscall IN ('wait4', 'waitid') THEN 3
    WHEN syscall IN ('nanosleep', 'clock_nanosleep') THEN 0
    WHEN diff.waits(syscall) THEN 2
    WHEN syscall IN ('recvfrom', 'recvmsg', 'recvmmsg') THEN 1
    ELSE 0
END;
-- Whether the total time differs so much that the call is shown even without a proven change.
CREATE MACRO diff.is_large(syscall, before_s, after_s) AS
    NOT diff.waits(syscall)
    AND ABS(after_s - before_s) >= 0.01
    AND GREATEST(before_s, after_s) >= 2 * LEAST(before_s, after_s);
-- A path that is not a file on a disk but a view into the kernel: of a process, a device without a disk, a terminal.
CREATE MACRO diff.is_pseudo(path) AS REGEXP_MATCHES(path,
    '^(/proc|/sys|/dev/(pts|fd|mqueue|char|cpu))(/|$)'
    || '|^/dev/(ptmx|tty[^/]*|console|null|zero|full|u?random|stdin|stdout|stderr|kmsg|fuse|kvm|net/tun|rtc[0-9]*)$'
    || '|^/?(anon_inode|pipe|socket|net|mnt|pid|user|uts|ipc|cgroup|time):|^/?memfd:|^/(dmabf|secretmem)'
);
