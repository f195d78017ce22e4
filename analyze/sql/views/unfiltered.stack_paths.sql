-- Each stack as one row.
--
-- A stack in user space is whole if its outermost function is one where threads begin. That is a sign, not a proof: a program
-- built without frame pointers has stacks of a few functions that belong to nobody's callers, and now and then one of them
-- ends well by chance.
--
-- needs: unfiltered.stack_functions, unfiltered.starts_thread
-- kept: recording
CREATE VIEW unfiltered.stack_paths(
    -- Number of the stack.
    stack,
    -- Its functions, outermost first.
    functions,
    -- The innermost function.
    function,
    -- File that it is in.
    module,
    -- Whether the name of that function is known.
    is_named,
    -- Whether anything of the stack is known.
    is_known,
    -- Whether it reaches back to where its thread began; of use for stacks in user space only.
    is_whole
) AS
WITH
outer_two AS (
    SELECT *, LAG(module) OVER (PARTITION BY stack ORDER BY place) AS inner_module,
        place = MAX(place) OVER (PARTITION BY stack) AS is_outermost
    FROM unfiltered.stack_functions
)
SELECT
    stack,
    LIST(function ORDER BY place DESC),
    MIN_BY(function, place),
    MIN_BY(module, place),
    MIN_BY(is_named, place),
    BOOL_OR(is_known),
    BOOL_OR(is_outermost AND unfiltered.starts_thread(function, module, inner_module))
FROM outer_two
GROUP BY stack;
