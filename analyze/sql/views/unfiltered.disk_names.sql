-- What is known of each disk: its name, and what lies below it.
--
-- As last seen: a device that is gone keeps what it was, and a loop device may get another file.
--
-- needs: unfiltered.disks
-- kept: recording
CREATE VIEW unfiltered.disk_names(
    -- Device number, as st_rdev of stat(2) has it.
    disk_device,
    -- Name of the device, such as 'vda'.
    disk,
    -- For a partition, the name of its disk; NULL for others.
    part_of,
    -- Names of the devices that it passes its work on to; NULL if none are known.
    below,
    -- Path of a loop device's file; NULL for others.
    backing_file
) AS
SELECT
    disk_device,
    MAX_BY(disk, ts),
    MAX_BY(disk_part_of, ts),
    MAX_BY(disks_below, ts),
    MAX_BY(backing_file, ts)
FROM unfiltered.disks
WHERE disk_device IS NOT NULL AND disk IS NOT NULL
GROUP BY disk_device;
