-- Time in reads and writes, by what they went to.
--
-- Those of the reports `file_io` and `connection_io`. A call that copies from one descriptor to another counts for both.
-- Needs `record --with objects`.
--
-- needs: main.described_io, unfiltered.processes
CREATE VIEW fact.io_time(
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
    -- 'read', 'write' or 'sync'.
    way,
    -- 'file', 'pipe', 'socket' or another, as in `object_io`; NULL if the descriptor was not open.
    object_type,
    -- The file, pipe, remote address or unix socket, in words.
    object,
    -- The processes at the other end of a pipe or socket, 'NAME (PID)'.
    peer,
    -- How long [ns].
    amount
) AS
SELECT p.pid, p.comm, p.command, p.parent_comm, p.uid, p.cgroup, f.syscall, f.way, f.object_type, f.object, f.peer, f.total_ns
FROM main.described_io AS f
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key;
