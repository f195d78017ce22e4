-- What a thread waited for, in words: a file by its name; a pipe or socket as /proc/PID/fd shows it, or by its remote
-- address; a futex by its address. NULL if its call names nothing.
CREATE MACRO unfiltered.object_name(waited_for, syscall, object, name, family, local_port, remote_address, remote_port) AS CASE
    WHEN remote_address LIKE '%:%' THEN '[' || remote_address || ']:' || remote_port
    WHEN remote_address IS NOT NULL THEN remote_address || ':' || remote_port
    WHEN local_port IS NOT NULL THEN 'port ' || local_port
    WHEN family IS NOT NULL THEN 'socket:[' || object || ']'
    WHEN name IS NOT NULL THEN name
    WHEN syscall LIKE 'futex%' THEN FORMAT('futex 0x{:x}', object)
    WHEN syscall IN ('semop', 'semtimedop') THEN 'semaphore set ' || object
    WHEN syscall IN ('msgrcv', 'msgsnd') THEN 'message queue ' || object
    WHEN object IS NOT NULL THEN 'pipe:[' || object || ']'
END;
