"""What a thread waits for while it is off a CPU."""

from __future__ import annotations

REASONS = {
    "runnable": "nothing: it was ready to run, preempted or new",
    "lock": "a lock: futex(2), flock(2), fcntl(2), semop(2)",
    "disk": "a disk or a file system: a regular file, a directory, a block device, or an uninterruptible wait that "
    "the kernel itself counts as one for I/O",
    "network": "a socket of IPv4 or IPv6",
    "pipe": "a pipe, a FIFO, a Unix socket, or a message queue",
    "device": "a character device, such as a terminal",
    "event": "an anonymous file: an eventfd, a timerfd, a signalfd, inotify",
    "sleep": "time to pass, or a signal",
    "child": "a child process",
    "poll": "one of several files: poll(2), select(2), epoll_wait(2), io_uring_enter(2)",
    "page fault": "memory: it slept outside of any system call",
    "stopped": "SIGCONT, a debugger, or the freezer",
    "throttled": "the CPU quota of its control group",
    "kernel": "the kernel itself: it slept uninterruptibly in a call that is none of the above, such as for the lock "
    "of an address space",
    "idle": "work: a thread of the kernel, or a worker of io_uring",
    "other": "anything else",
}
"""Reason → its meaning, in the order of their numbers in C."""

UNKNOWN_REASON = 0xFF
"""In C: the thread was off the CPU before it was first seen."""

BY_DESCRIPTOR = 0xFE
"""In `Shape.waits_for`: it depends on the type of the file that is the first argument."""

AWAITS = {"DESCRIPTOR": 1, "VALUE": 2, "POLLED": 3}
"""What the first argument says of the object that a call waits for: its descriptor; its address or id; a vector of
descriptors, of which a single one is the object. AWAITS_… in C.
"""

_CALLS = {
    "lock": "futex futex_wait futex_waitv semop semtimedop flock fcntl",
    "sleep": "nanosleep clock_nanosleep pause rt_sigtimedwait rt_sigsuspend",
    "child": "wait4 waitid vfork clone clone3",
    "poll": "poll ppoll select pselect6 epoll_wait epoll_pwait epoll_pwait2 io_uring_enter io_pgetevents",
    "disk": "sync syncfs fsync fdatasync msync sync_file_range io_getevents execve execveat open openat openat2 creat "
    "stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat unlink unlinkat rmdir mkdir mkdirat "
    "rename renameat renameat2 link linkat symlink symlinkat truncate chmod fchmodat chown fchownat mount umount2",
    "pipe": "msgrcv msgsnd mq_timedsend mq_timedreceive",
}

_OF_DESCRIPTORS = (
    "read write pread64 pwrite64 readv writev preadv pwritev preadv2 pwritev2 getdents getdents64 ioctl ftruncate "
    "fallocate recvfrom recvmsg recvmmsg sendto sendmsg sendmmsg connect accept accept4 splice tee vmsplice sendfile "
    "copy_file_range fchmod fchown fstat lseek close"
)

NUMBERS = {reason: number for number, reason in enumerate(REASONS)}

_BY_VALUE = "futex futex_wait semop semtimedop msgrcv msgsnd"
_OF_FILES = "flock fcntl fsync fdatasync syncfs sync_file_range"

OBJECTS: dict[str, int] = {
    **dict.fromkeys(f"{_OF_DESCRIPTORS} {_OF_FILES}".split(), AWAITS["DESCRIPTOR"]),
    **dict.fromkeys(_BY_VALUE.split(), AWAITS["VALUE"]),
    **dict.fromkeys(("poll", "ppoll"), AWAITS["POLLED"]),
}
"""System call → one of AWAITS. Others wait for nothing that their first argument names."""

CALLS: dict[str, int] = {
    **{call: NUMBERS[reason] for reason, calls in _CALLS.items() for call in calls.split()},
    **dict.fromkeys(_OF_DESCRIPTORS.split(), BY_DESCRIPTOR),
}
"""System call → what a thread that sleeps in it waits for: the number of a reason, or BY_DESCRIPTOR."""
