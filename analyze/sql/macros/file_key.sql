-- Identifies a file, whatever its names; NULL if unknown. Files in /proc get a new inode each time they are looked
-- up, so they go by name; and in version 1 several files may have the same device and inode.
CREATE MACRO unfiltered.file_key(name, device, inode, generation) AS
    CASE WHEN getvariable('mount_namespace') IS NOT NULL AND name NOT LIKE '/proc/%' AND name NOT LIKE 'mnt:[%]:/proc/%'
        THEN device || ':' || inode || ':' || COALESCE(CAST(generation AS VARCHAR), '') END;
