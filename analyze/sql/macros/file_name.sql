-- A path that is one file's: in another mount namespace than the recorder's it begins with that namespace.
CREATE MACRO unfiltered.file_name(mount_namespace, path) AS
    CASE WHEN mount_namespace <> getvariable('mount_namespace') THEN 'mnt:[' || mount_namespace || ']:' || path ELSE path END;
