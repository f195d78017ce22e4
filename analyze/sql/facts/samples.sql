-- Samples of running threads, by the function that ran.
--
-- A sample is taken of each CPU at every tick of a clock, so these are estimates; the report `hot_functions` has their
-- intervals of confidence. Needs `record --with samples`.
--
-- needs: main.samples, unfiltered.processes, unfiltered.stack_functions
CREATE VIEW fact.samples(
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
    -- Thread id.
    tid,
    -- Name of the thread.
    thread,
    -- Innermost function of the stack: what ran; '[unknown]' if there is no stack.
    function,
    -- File that it is in: a program, a library, or the kernel.
    module,
    -- 'kernel' or 'user'.
    mode,
    -- Number of samples.
    amount
) AS
SELECT
    p.pid, p.comm, p.command, p.parent_comm, p.uid, p.cgroup, f.tid, f.thread,
    COALESCE(k.function, '[unknown]'),
    k.module,
    CASE WHEN f.kernel_stack IS NOT NULL THEN 'kernel' WHEN f.user_stack IS NOT NULL THEN 'user' END,
    f.samples
FROM main.samples AS f
LEFT JOIN unfiltered.processes AS p ON p.process_key = f.process_key
LEFT JOIN unfiltered.stack_functions AS k ON k.stack = COALESCE(f.kernel_stack, f.user_stack) AND k.place = 1;
