-- Functions that use the CPU
--
-- The share of each function in the samples of its command, in which it ran itself, for commands with samples in both
-- recordings. Sampled, not measured. A change must be at least one in a hundred of the command's samples. Needs
-- `record --with samples`.
CREATE VIEW diff.functions(
    -- 'new', 'gone', 'more' or 'less'; NULL if none of them.
    changed,
    -- Command name; NULL if unknown.
    command,
    -- The function's name, or where its address is, or in square brackets why nothing is known.
    function,
    -- Name of the file that it is in; NULL if unknown.
    module,
    -- Share of the command's samples in which it ran itself [%].
    self_before_pct,
    -- The same, after.
    self_after_pct,
    -- Samples of the command.
    samples_before,
    -- The same, after.
    samples_after,
    -- False discovery rate at which the change of the share counts.
    self_q
) AS
WITH
shares AS (
    SELECT *, 100.0 * self_before / samples_before AS before_pct, 100.0 * self_after / samples_after AS after_pct
    FROM tested.functions
),
judged AS (
    SELECT
        *,
        CASE
            WHEN self_q <= getvariable('level') AND diff.apart(before_pct, after_pct) AND ABS(after_pct - before_pct) >= 1
                THEN CASE
                    WHEN self_before = 0 THEN 'new'
                    WHEN self_after = 0 THEN 'gone'
                    WHEN after_pct > before_pct THEN 'more'
                    ELSE 'less'
                END
        END AS changed
    FROM shares
)
SELECT changed, command, function, module, before_pct, after_pct, samples_before, samples_after, self_q
FROM judged
WHERE changed IS NOT NULL OR getvariable('unchanged')
ORDER BY changed IS NULL, ABS(after_pct - before_pct) DESC, command NULLS LAST, function, module NULLS LAST;
