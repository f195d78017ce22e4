"""Memory of processes: what each had at a snapshot."""

from bpf.columns import PEAK_RSS, PID, START, THREADS, TS
from bpf.kind import Col, Kind


def _had(name: str, doc: str) -> Col:
    return Col(name, "u64", doc, "bytes", derived=True)


MEMORY = Kind(
    "memory",
    "memory",
    "What one process held at a snapshot: resident memory, as /proc/PID/status shows it, threads and descriptors. Only "
    "of processes that have run since the snapshot before: the others have what they had. Memory that processes share "
    "counts for each of them.",
    cols=(
        TS,
        PID,
        START,
        _had("rss_anon_bytes", "Resident memory of its own: heap, stacks, what it wrote to private mappings."),
        _had("rss_file_bytes", "Resident pages of files that it has mapped, its program and libraries among them."),
        _had("rss_shmem_bytes", "Resident shared memory: tmpfs, System V, shared anonymous mappings."),
        _had("swap_bytes", "Anonymous memory that is in swap space."),
        _had("hugetlb_bytes", "Huge pages of hugetlbfs that it has mapped, which are no part of the resident memory."),
        Col(PEAK_RSS.name, PEAK_RSS.type, PEAK_RSS.doc, PEAK_RSS.unit, derived=True),
        THREADS,
        Col("descriptors", "u32", "Descriptors that it had open; NULL if that is not known.", derived=True),
    ),
)

KINDS = (MEMORY,)
