-- The recording itself, in one row.
--
-- What other views need from the trace's metadata, and the selected window.
CREATE VIEW recording(
    -- First instant of the recording.
    started,
    -- Last instant of the recording.
    ended,
    -- First instant of the chosen window; NULL: from the start.
    since,
    -- First instant after that window; NULL: to the end.
    until,
    -- `ts` minus CLOCK_BOOTTIME [ns].
    clock_offset_ns,
    -- Process id of the recorder.
    recorder_pid,
    -- `start` of the recorder [ns].
    recorder_start,
    -- Whether CPU time was counted for every process, so that a process with no row used none.
    cpu_complete,
    -- Whether system calls were counted for every process, so that a process with no row made none.
    syscalls_complete,
    -- What `record --label` says of it, a map.
    labels
) AS
SELECT
    getvariable('started'),
    getvariable('ended'),
    getvariable('since'),
    getvariable('until'),
    CAST(getvariable('clock_offset_ns') AS BIGINT),
    CAST(getvariable('recorder_pid') AS BIGINT),
    CAST(getvariable('recorder_start') AS BIGINT),
    getvariable('cpu_complete'),
    getvariable('syscalls_complete'),
    getvariable('labels');
