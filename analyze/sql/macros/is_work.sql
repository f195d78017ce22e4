-- Whether a system call works on files or memory, so that a long one did not just wait for an event.
CREATE MACRO unfiltered.is_work(syscall) AS REGEXP_MATCHES(syscall,
    '^(open(at2?)?|creat|close|(f|l|newf)?stat(at|64)?|fstatat64|newfstatat|statx|f?statfs|f?access(at2?)?|readlink(at)?'
    || '|getdents(64)?|pread(64|v2?)|pwrite(64|v2?)|lseek|rename(at2?)?|unlink(at)?|mkdir(at)?|rmdir|link(at)?|symlink(at)?'
    || '|mknod(at)?|f?truncate|fallocate|f?chmod(at2?)?|(f|l)?chown(at)?|utimensat|[fl]?(get|set|list|remove)xattr|flock'
    || '|fcntl|copy_file_range|mmap|munmap|mremap|mprotect|madvise|mlock2?|brk|chdir|fchdir|getcwd|connect)$'
);
