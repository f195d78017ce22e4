-- Bytes that system calls read or wrote.
--
-- As counted at the return of calls that transfer data.
--
-- needs: main.syscall_stats, unfiltered.processes
CREATE VIEW fact.bytes(
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
    -- Number of bytes.
    amount
) AS
SELECT p.pid, p.comm, p.command, p.parent_comm, p.uid, p.cgroup, f.syscall, f.abi, f.bytes
FROM main.syscall_stats AS f
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key;
