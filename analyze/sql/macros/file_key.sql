-- What tells a file from all others, whatever its names are; NULL if unknown. What /proc shows is made anew with
-- another inode when it is looked for again, so its names are better; and devices of version 1 may be of several files.
CREATE MACRO unfiltered.file_key(name, device, inode, generation) AS
    CASE WHEN getvariable('mount_namespace') IS NOT NULL AND name NOT LIKE '/proc/%' AND name NOT LIKE 'mnt:[%]:/proc/%'
        THEN device || ':' || inode || ':' || COALESCE(CAST(generation AS VARCHAR), '') END;
