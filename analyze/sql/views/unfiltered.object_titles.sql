-- What each file, pipe and socket was called, and from when to when. Needs `record --with objects` or `--syscalls`.
--
-- The first name holds also for what was before, each until the next.
--
-- needs: unfiltered.file_name, unfiltered.named_object, unfiltered.object_names
CREATE VIEW unfiltered.object_titles(
    -- Inode of the file or socket.
    object,
    -- Device of the file; 0: it has none.
    device_or_0,
    -- Generation of the file; 0: it has none.
    generation_or_0,
    -- What it is called, in words.
    name,
    -- Path of the file, which begins with the mount namespace if that is not the recorder's; NULL if it has none.
    path,
    -- From when [UTC ns since 1970]; the first from 0.
    since_ns,
    -- Until when; NULL: to the end.
    until_ns
) AS
WITH
named AS (
    SELECT
        object,
        COALESCE(object_device, 0) AS device_or_0,
        COALESCE(generation, 0) AS generation_or_0,
        unfiltered.file_name(mount_namespace, object_path) AS path,
        unfiltered.named_object(object_type, object, object_device, unfiltered.file_name(mount_namespace, object_path), family,
            local_address, local_port, remote_address, remote_port) AS name,
        EPOCH_NS(ts) AS ns
    FROM unfiltered.object_names
    WHERE object IS NOT NULL
),
changes AS (
    SELECT *,
        LAG(name) OVER same AS before,
        ROW_NUMBER() OVER same AS place
    FROM named
    WINDOW same AS (PARTITION BY object, device_or_0, generation_or_0 ORDER BY ns, name)
)
SELECT object, device_or_0, generation_or_0, name, path,
    CASE WHEN place = 1 THEN 0 ELSE ns END,
    LEAD(ns) OVER (PARTITION BY object, device_or_0, generation_or_0 ORDER BY ns, name)
FROM changes
WHERE place = 1 OR name IS DISTINCT FROM before;
