-- What a file, pipe or socket is called: a path, 'pipe:[INODE]', the addresses of a socket, or the type of another. NULL if
-- there is none. `path` is one that names a file.
CREATE MACRO unfiltered.named_object(object_type, object, object_device, path, family, local_address, local_port, remote_address,
    remote_port) AS CASE
    WHEN path IS NOT NULL THEN path
    WHEN object_type = 'pipe' THEN 'pipe:[' || object || ']'
    WHEN remote_port IS NOT NULL THEN CASE WHEN remote_address LIKE '%:%' THEN '[' || remote_address || ']' ELSE remote_address END
        || ':' || remote_port
    WHEN local_port IS NOT NULL THEN 'port ' || local_port
    WHEN family = 'AF_UNIX' AND COALESCE(remote_address, local_address) IS NOT NULL
        THEN 'unix ' || COALESCE(remote_address, local_address)
    WHEN object_type = 'socket' THEN 'socket:[' || object || ']'
    WHEN object IS NOT NULL THEN object_type || ' with inode ' || object || COALESCE(' on device ' || object_device, '')
    WHEN object_type NOT IN ('file', 'directory', 'block device', 'device') THEN '[' || object_type || ']'
END;
