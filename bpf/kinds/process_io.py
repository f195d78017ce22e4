"""I/O of processes as the kernel accounts it, whatever the way of access."""

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map


def _came(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", f"{doc}; NULL if the kernel does not count it.", unit, role="sum")


PROCESS_IO = Kind(
    "process_io",
    "process_io",
    "What one process read and wrote since the previous snapshot, as the kernel accounts it per thread "
    "(proc_pid_io(5), struct task_io_accounting). This includes libaio, io_uring and mapped files, which system "
    "calls do not show. It is counted up to the exit of each thread: what the kernel writes or drops when it "
    "closes the last files is missing. With a filter, a process is recorded for a whole interval if it matches at "
    "its end.",
    cols=(
        TS,
        key(PID),
        key(START),
        _came(
            "rchar_bytes",
            "Bytes that calls such as read(2) returned, from files, pipes and terminals, with or without disk access; "
            "not from sockets by recv(2), and not by io_uring or mapped files (CONFIG_TASK_XACCT)",
            "bytes",
        ),
        _came("wchar_bytes", "Same for write(2)", "bytes"),
        _came("read_calls", "Calls counted in `rchar_bytes`"),
        _came("write_calls", "Calls counted in `wchar_bytes`"),
        _came(
            "storage_read_bytes",
            "Bytes fetched from storage for it, including read-ahead and excluding what was in the page cache "
            "(CONFIG_TASK_IO_ACCOUNTING)",
            "bytes",
        ),
        _came(
            "storage_write_bytes",
            "Bytes that it caused to be written to storage, in whole pages: counted when it dirties a page of the "
            "cache or writes directly, not when they reach the disk (CONFIG_TASK_IO_ACCOUNTING)",
            "bytes",
        ),
        _came(
            "cancelled_write_bytes",
            "Bytes of `storage_write_bytes`, its own or others', whose write it cancelled, such as by truncating or "
            "removing a file with dirty pages (CONFIG_TASK_IO_ACCOUNTING)",
            "bytes",
        ),
    ),
    source=Map(16384),
)

KINDS = (PROCESS_IO,)
