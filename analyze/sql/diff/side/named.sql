-- The command that each process counts for in a comparison.
--
-- Its last known name, as pids differ between recordings and paths are not known for all processes. Kernel threads
-- count for their name before the first slash: 'kworker', not 'kworker/0:1'.
--
-- needs: unfiltered.processes
-- kept: window
CREATE VIEW diff.named(
    -- What identifies the process: a struct of `pid` and `start`.
    process_key,
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
    process_key,
    CASE WHEN is_kernel THEN SPLIT_PART(comm, '/', 1) ELSE comm END,
    is_kernel,
    COALESCE(is_recorder, FALSE)
FROM told;
