-- Marks and notes: what people said of the recording, and when.
--
-- A mark was made while it was recorded (`sysmon mark`), a note was added to the finished trace (`sysmon note`). They are
-- shown whichever processes are selected. `sysmon report TRACE losses` has marks that were refused, as there were too
-- many.
--
-- needs: main.marks, main.notes
CREATE VIEW report.remarks(
    -- The moment, or when what a note is about began.
    ts,
    -- When what a note is about ended; NULL: it is a moment.
    until,
    -- 'mark' or 'note'.
    remark,
    -- What was said.
    text,
    -- Process id: of a mark, of the process that made it; of a note, of the one that it is about.
    pid,
    -- Real user id of whoever made a mark.
    uid,
    -- When a note was written.
    noted
) AS
SELECT *
FROM (
    SELECT ts, NULL AS until, 'mark' AS remark, text, pid, uid, NULL AS noted
    FROM main.marks
    UNION ALL
    SELECT ts, until, 'note', text, pid, NULL, noted
    FROM main.notes
)
ORDER BY ts, remark, until NULLS FIRST, text, pid, uid, noted;
