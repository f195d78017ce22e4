"""Disks as the kernel's own statistics have them."""

from sysmon.bpf.columns import TS
from sysmon.bpf.kind import Col, Kind
from sysmon.bpf.kinds.block import DISK_DEVICE


def _text(name: str, doc: str) -> Col:
    return Col(name, "text", doc, derived=True)


def _came(name: str, doc: str, unit: str = "") -> Col:
    return Col(name, "u64", f"{doc}, since the previous snapshot.", unit, derived=True)


DISK = Kind(
    "disk",
    "disks",
    "What a disk, a partition or a device above them did since the previous snapshot, by the kernel's own statistics "
    "(/proc/diskstats), of all processes whatever the filter. It has a row in the first snapshot, and whenever it did "
    "something or has requests in flight. Of a device that is gone since the previous snapshot only the name is known. "
    "What a device above others does, they do too: add up only those without `disks_below`, or each alone.",
    cols=(
        TS,
        Col(DISK_DEVICE.name, DISK_DEVICE.type, DISK_DEVICE.doc, derived=True),
        _text("disk", "Name of the device, such as 'vda' or, of a partition, 'vda1'."),
        _text("disk_part_of", "For a partition, the name of its disk; NULL for others. What it does, the disk does."),
        _text(
            "disks_below",
            "Names of the devices that it passes its work on to, separated by commas: those of a device mapper or md "
            "device, or that with the file of a loop device, as its path says. NULL if none are known.",
        ),
        _text("backing_file", "Path of a loop device's file as the kernel has it. NULL for others."),
        _came("disk_reads", "Reads that ended"),
        _came("disk_read_bytes", "Bytes in them", "bytes"),
        _came("disk_read_ns", "Time from when each was made to its end, in whole ms", "ns"),
        _came("disk_writes", "Writes that ended; 'flush wait' of `block_io` among them"),
        _came("disk_write_bytes", "Bytes in them", "bytes"),
        _came("disk_write_ns", "Time from when each was made to its end, in whole ms", "ns"),
        _came("disk_merges", "Reads and writes that became part of another's request"),
        _came("disk_discards", "Discards that ended"),
        _came("disk_discard_bytes", "Bytes in them", "bytes"),
        _came("disk_flushes", "Flushes that ended"),
        _came("disk_busy_ns", "Time in which it had something to do, in whole ms", "ns"),
        Col("disk_in_flight", "u64", "Requests that had not ended at the snapshot.", derived=True),
    ),
    of_interval=True,
)

KINDS = (DISK,)
