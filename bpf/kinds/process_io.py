"""What processes read and wrote by the kernel's own accounting, however they did it."""

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map


def _came(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", f"{doc}; NULL if the kernel does not count it.", unit, role="sum")


PROCESS_IO = Kind(
    "process_io",
    "process_io",
    "What one process read and wrote since the snapshot before, as the kernel accounts it by thread (proc_pid_io(5), "
    "struct task_io_accounting): also by libaio, io_uring and mapped files, which no system call tells of. Up to a "
    "thread's exit: what the kernel writes or drops when it closes the last files is not in it. Under a filter a "
    "process is recorded, for all of an interval, if it is when that ends.",
    cols=(
        TS,
        key(PID),
        key(START),
        _came(
            "rchar_bytes",
            "Bytes that calls such as read(2) returned to it, from files, pipes and terminals, whether a disk was read "
            "or not; not from sockets by recv(2), and not by io_uring or mapped files (CONFIG_TASK_XACCT)",
            "bytes",
        ),
        _came("wchar_bytes", "The same of write(2)", "bytes"),
        _came("read_calls", "Calls that `rchar_bytes` comes from"),
        _came("write_calls", "Calls that `wchar_bytes` comes from"),
        _came(
            "storage_read_bytes",
            "Bytes that were fetched from storage for it, read-ahead included; what was in the page cache is not "
            "(CONFIG_TASK_IO_ACCOUNTING)",
            "bytes",
        ),
        _came(
            "storage_write_bytes",
            "Bytes that it caused to be written to storage: counted when it makes a page of the cache dirty, in whole "
            "pages, or writes directly, not when the disk has them (CONFIG_TASK_IO_ACCOUNTING)",
            "bytes",
        ),
        _came(
            "cancelled_write_bytes",
            "Bytes of `storage_write_bytes`, its own or others', that it caused not to be written after all, as by "
            "truncating or removing a file whose pages were dirty (CONFIG_TASK_IO_ACCOUNTING)",
            "bytes",
        ),
    ),
    source=Map(16384),
)

KINDS = (PROCESS_IO,)
