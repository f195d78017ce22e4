-- Each function of each stack.
--
-- Stacks are stored as a tree; this is every path in it. The stacks of user space and of the kernel are apart: those of one
-- row of `samples` or `off_cpu` follow each other.
--
-- needs: unfiltered.frame_label, unfiltered.frames, unfiltered.off_cpu, unfiltered.samples, unfiltered.stacks
-- kept: recording
CREATE VIEW unfiltered.stack_functions(
    -- Number of the stack.
    stack,
    -- Place in it: 1 is the innermost function.
    place,
    -- The function's name, or where its address is, or in square brackets why nothing is known.
    function,
    -- File that it is in.
    module,
    -- Whether its name is known.
    is_named,
    -- Whether anything is known of it: its name, its file or its address.
    is_known,
    -- Whether it stands for a caller that the stack skips.
    is_skipped
) AS
WITH RECURSIVE
nodes AS (
    SELECT stack, ANY_VALUE(caller) AS caller, ANY_VALUE(frame) AS frame
    FROM unfiltered.stacks
    GROUP BY stack
),
used AS (
    SELECT user_stack AS stack FROM unfiltered.samples
    UNION
    SELECT kernel_stack FROM unfiltered.samples
    UNION
    SELECT user_stack FROM unfiltered.off_cpu
    UNION
    SELECT kernel_stack FROM unfiltered.off_cpu
),
-- The kernel walks 127 addresses, and each may have inlined functions. A file may claim that each of its stacks is as deep
-- as all of them together: it is refused before that fills the disk.
walk AS (
    SELECT stack, stack AS node, 1 AS place, COUNT(*) OVER () AS so_far
    FROM used
    WHERE stack IS NOT NULL
    UNION ALL
    SELECT w.stack, n.caller, w.place + 1,
        CASE WHEN w.so_far > 16_000_000 THEN error('refused: the stacks have more than 16,000,000 functions in all;'
                || ' record for a shorter time, or with a lower --sample-rate')
            ELSE w.so_far + COUNT(*) OVER () END
    FROM walk AS w
    JOIN nodes AS n ON n.stack = w.node
    WHERE n.caller < w.node AND w.place < 1024
),
functions AS (
    SELECT frame,
        unfiltered.frame_label(ANY_VALUE(function), ANY_VALUE(module), ANY_VALUE(address), ANY_VALUE(missing)) AS label,
        ANY_VALUE(module) AS module,
        ANY_VALUE(function) IS NOT NULL AS is_named,
        COALESCE(ANY_VALUE(function), ANY_VALUE(module)) IS NOT NULL OR ANY_VALUE(address) IS NOT NULL AS is_known,
        COALESCE(ANY_VALUE(missing) = 'caller skipped', FALSE) AS is_skipped
    FROM unfiltered.frames
    GROUP BY frame
)
SELECT w.stack, w.place, COALESCE(f.label, '[unknown]'), f.module, COALESCE(f.is_named, FALSE), COALESCE(f.is_known, FALSE),
    COALESCE(f.is_skipped, FALSE)
FROM walk AS w
LEFT JOIN nodes AS n ON n.stack = w.node
LEFT JOIN functions AS f ON f.frame = n.frame;
