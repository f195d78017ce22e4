-- Each stack as one row.
--
-- A stack in user space reaches back if its outermost function is one where threads begin. That is a sign, not a proof: a
-- program built without frame pointers has stacks of a few functions that belong to nobody's callers, and now and then one of
-- them ends well by chance.
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
    reaches_back,
    -- Whether it skips a caller, as a function in it had no frame.
    skips_caller,
    -- Whether it reaches back and skips none.
    is_whole
) AS
WITH
depths AS (
    SELECT stack, MAX(place) AS depth
    FROM unfiltered.stack_functions
    GROUP BY stack
),
-- Windows over all functions of all stacks took 1.6 times the CPU time.
paths AS (
    SELECT f.stack,
        LIST(f.function ORDER BY f.place DESC) AS functions,
        ANY_VALUE(f.function) FILTER (WHERE f.place = 1) AS function,
        ANY_VALUE(f.module) FILTER (WHERE f.place = 1) AS module,
        BOOL_OR(f.place = 1 AND f.is_named) AS is_named,
        BOOL_OR(f.is_known) AS is_known,
        BOOL_OR(f.is_skipped) AS skips_caller,
        ANY_VALUE(f.function) FILTER (WHERE f.place = d.depth) AS outermost,
        ANY_VALUE(f.module) FILTER (WHERE f.place = d.depth) AS outermost_module,
        ANY_VALUE(f.module) FILTER (WHERE f.place = d.depth - 1) AS inner_module
    FROM unfiltered.stack_functions AS f
    JOIN depths AS d ON d.stack = f.stack
    GROUP BY f.stack
)
SELECT stack, functions, function, module, is_named, is_known,
    COALESCE(unfiltered.starts_thread(outermost, outermost_module, inner_module), FALSE) AS reaches_back,
    skips_caller,
    reaches_back AND NOT skips_caller
FROM paths;
