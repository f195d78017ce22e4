-- The program of an exec: the script, or the file that runs by itself.
--
-- needs: unfiltered.file_name, unfiltered.full_path
CREATE MACRO unfiltered.program_name(mount_namespace, interpreter, executable, origin, path, directory) AS unfiltered.file_name(
    mount_namespace,
    COALESCE(
        CASE WHEN interpreter IS NULL THEN executable END,
        unfiltered.full_path(origin, path, directory),
        path,
        executable
    )
);
