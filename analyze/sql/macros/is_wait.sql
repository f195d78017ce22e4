-- Whether a system call only waits: for a child, a time, a lock, an event. A read of a pipe or socket may wait too,
-- which its name does not tell. For traces without measured waits (`waits`).
CREATE MACRO unfiltered.is_wait(syscall) AS REGEXP_MATCHES(syscall,
    '^(wait4|waitid|waitpid|nanosleep|clock_nanosleep(_time64)?|futex(_wait|_waitv|_time64)?|poll|ppoll(_time64)?'
    || '|_?(new)?select|pselect6(_time64)?|epoll_p?wait2?|pause|rt_sigsuspend|sigsuspend|rt_sigtimedwait(_time64)?'
    || '|restart_syscall|io_p?getevents(_time64)?|accept4?|semop|semtimedop(_time64)?|msgrcv|mq_timedreceive(_time64)?)$'
);
