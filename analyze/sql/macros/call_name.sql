-- Name of a system call: 'syscall_N' if number N has none, 'unknown' if there was no number.
CREATE MACRO unfiltered.call_name(syscall, nr) AS COALESCE(syscall, 'syscall_' || CAST(nr AS VARCHAR), 'unknown');
