-- System calls that failed.
--
-- As the report `syscall_errors` has them.
--
-- needs: main.syscall_errors, unfiltered.processes
CREATE VIEW fact.errors(
    -- Process id (thread group id).
    pid,
    -- Last known command name of the process.
    comm,
    -- Command line as a shell takes it.
    command,
    -- Name of the parent process.
    parent,
    -- Real user id.
    uid,
    -- Control group.
    cgroup,
    -- System call.
    syscall,
    -- System call table, such as 'x86_64' or 'i386'.
    abi,
    -- Name of the error, such as 'ENOENT'.
    error,
    -- Number of failures.
    amount
) AS
SELECT p.pid, p.comm, p.command, p.parent_comm, p.uid, p.cgroup, f.syscall, f.abi, f.error, f.calls
FROM main.syscall_errors AS f
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key;
