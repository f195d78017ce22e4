-- A path that names one file: it begins with the mount namespace if that is not the recorder's.
CREATE MACRO unfiltered.file_name(mount_namespace, path) AS
    CASE WHEN mount_namespace <> getvariable('mount_namespace') THEN 'mnt:[' || mount_namespace || ']:' || path ELSE path END;
