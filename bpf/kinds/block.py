"""Requests to disks: what was asked for, how long it waited in the queue, and how long the device took."""

from __future__ import annotations

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds.syscalls import NO_RETURN
from sysmon.bpf.nulls import NO_PROCESS_PID, NO_PROCESS_START

OPERATIONS = ("read", "write", "flush", "discard", "flush wait", "other")
"""`operation` by its number."""

SUBMITTERS = ("process", "write-back", "limited", "worker", "device")
"""`submitted_by` by its number."""

NO_SIZE = 0xFF

STAGES = ("service", "queue")
"""`stage` by its number."""


def _sum(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", doc, unit, role="sum")


DISK_DEVICE = Col(
    "disk_device",
    "u32",
    "Device number of a disk, as st_rdev of stat(2) has it. Requests have that of the whole disk, never that of a "
    "partition.",
    null=0,
)
OPERATION = Col(
    "operation",
    "choice",
    "What a request is for: 'read'; 'write', also of zeroes; 'flush', an order to the disk to empty its own cache; "
    "'discard'; 'flush wait', a request without data that ends when the disk has emptied its cache (the kernel's own "
    "statistics have it as a write); 'other'.",
    names=OPERATIONS,
)
SUBMITTED_BY = Col(
    "submitted_by",
    "choice",
    "Who made a request: 'process', the one in `pid`, which may be a thread of the kernel such as a journal's; "
    "'write-back', a worker of the kernel that writes dirty pages, whoever dirtied them; 'limited', a worker that "
    "passes on what had to wait, as a control group's I/O is limited; 'worker', a worker for a device or file system "
    "above, such as a loop device; 'device', the block layer itself, to flush a cache for any number of requests. "
    "NULL if it was made before the recording.",
    names=SUBMITTERS,
)
IO_GROUP = Col(
    "io_group",
    "u64",
    "Id of the control group that the I/O is charged to: the inode of its directory in the hierarchy that has the "
    "controller `io` or, in version 1, `blkio`. For write-back that is the group that dirtied the pages; NULL in "
    "version 1, which does not know it. NULL if unknown.",
    null=0,
)

_OF_PROCESS = (replace(PID, null=NO_PROCESS_PID), replace(START, null=NO_PROCESS_START))

BLOCK_IO = Kind(
    "block_io",
    "block_io",
    "Requests to one disk that ended since the previous snapshot, by the process that made them, by operation, and "
    "by how long they took. A request is what the disk gets: several reads or writes that are next to each other may "
    "be one, of the first that asked, and a large one may be several. It is counted twice, by each `stage`: in "
    "`requests` by the time of the device, in `queued` by the time before it. So sums over all rows are exact totals. "
    "Devices that only pass on to others (device mapper, md) have no requests of their own; of those that have, such "
    "as loop devices, a request and what it causes on the disk below both count: see `disks_below` in `disks`. With a "
    "filter, only requests of recorded processes are counted.",
    cols=(
        TS,
        *(key(col) for col in _OF_PROCESS),
        key(DISK_DEVICE),
        key(OPERATION),
        key(SUBMITTED_BY),
        key(IO_GROUP),
        key(
            Col(
                "stage",
                "choice",
                "What `duration_bucket` is about: 'service', from when the driver got the request to its end; for a "
                "'flush wait' from when it was made; 'queue', from when it was made until the driver got it, in the "
                "scheduler or behind a flush.",
                names=STAGES,
            )
        ),
        key(
            Col(
                "duration_bucket",
                "u16",
                "Bucket of the duration, as `bucket` in `syscall_stats`. NULL if unknown, as for requests made before "
                "the recording.",
                null=NO_RETURN,
            )
        ),
        key(
            Col(
                "size_bucket",
                "u8",
                "Size of the request, for the stage 'service': from 2^n to less than 2^(n+1) bytes. NULL without data.",
                null=NO_SIZE,
            )
        ),
        _sum("requests", "Requests that ended; 0 in the stage 'queue'."),
        _sum("request_bytes", "Bytes in them.", "bytes"),
        _sum("failed_requests", "Those of them that ended with an error."),
        _sum("requeues", "Times that the driver gave one back, as the device could take no more."),
        _sum("service_ns", "Sum of the times of the device.", "ns"),
        Col("max_service_ns", "u64", "Longest time of the device.", "ns", role="max"),
        _sum("queued", "Requests that ended, in the stage 'queue'; 0 in the other."),
        _sum("queue_ns", "Sum of the times in the queue.", "ns"),
        Col("max_queue_ns", "u64", "Longest time in the queue.", "ns", role="max"),
    ),
    source=Map(16384, forgets=("io_group", "size_bucket", "duration_bucket")),
)


def _now(col: Col) -> Col:
    return replace(col, role="", derived=True)


BLOCK_INFLIGHT = Kind(
    "block_inflight",
    "block_requests_in_flight",
    "Requests to one disk that had not ended at a snapshot, by the process that made them and by operation. It has no "
    "row if there are none.",
    cols=(
        TS,
        *(_now(col) for col in _OF_PROCESS),
        _now(DISK_DEVICE),
        _now(OPERATION),
        _now(SUBMITTED_BY),
        _now(Col("requests_in_flight", "u64", "Requests that had not ended.")),
        _now(Col("requests_in_queue", "u64", "Those of them that the driver had not got yet.")),
        _now(Col("oldest_ns", "u64", "Age of the oldest; NULL if they were all made before the recording.", "ns")),
    ),
)

KINDS = (BLOCK_IO, BLOCK_INFLIGHT)
