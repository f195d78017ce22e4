-- What a system call that moves bytes does with them: 'read', 'write', or 'copy' from one descriptor to another.
CREATE MACRO unfiltered.io_way(syscall) AS CASE
    WHEN syscall IN ('read', 'pread64', 'readv', 'preadv', 'preadv2', 'recvfrom', 'recvmsg', 'recvmmsg', 'msgrcv',
        'mq_timedreceive') THEN 'read'
    WHEN syscall IN ('write', 'pwrite64', 'writev', 'pwritev', 'pwritev2', 'sendto', 'sendmsg', 'sendmmsg') THEN 'write'
    ELSE 'copy'
END;
