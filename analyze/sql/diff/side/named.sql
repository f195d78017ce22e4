-- The command that each process counts for in a comparison.
--
-- Its last known name, as no pid is the same in two recordings and no path is known of all processes. Threads of the
-- kernel count for what stands before the first slash of their name: 'kworker' and not 'kworker/0:1'.
--
-- needs: unfiltered.processes
-- kept: window
CREATE VIEW diff.named(
    -- Process id (thread group id).
    pid,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start,
    -- Command name; NULL if unknown.
    command,
    -- Whether it is a kernel thread.
    is_kernel,
    -- Whether it is the recorder itself, which is left out of comparisons.
    is_recorder
) AS
WITH told AS (
    SELECT *, COALESCE(kernel_thread, ppid = 2, FALSE) AS is_kernel
    FROM unfiltered.processes
)
SELECT
    pid,
    start,
    CASE WHEN is_kernel THEN SPLIT_PART(comm, '/', 1) ELSE comm END,
    is_kernel,
    COALESCE(is_recorder, FALSE)
FROM told;
