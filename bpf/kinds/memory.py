"""Memory of processes: what each had at a snapshot, and how much of it is its own."""

from sysmon.bpf.columns import PEAK_RSS, PID, START, THREADS, TS
from sysmon.bpf.kind import Col, Kind


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
        _had(
            "rss_anon_bytes",
            "Resident anonymous memory: heap, stacks, what was written to private mappings. After a fork parent and "
            "child each have what neither has written to since.",
        ),
        _had("rss_file_bytes", "Resident pages of files that it has mapped, its program and libraries among them."),
        _had("rss_shmem_bytes", "Resident shared memory: tmpfs, System V, shared anonymous mappings."),
        _had("swap_bytes", "Anonymous memory that is in swap space."),
        _had("hugetlb_bytes", "Huge pages of hugetlbfs that it has mapped, which are no part of the resident memory."),
        Col(PEAK_RSS.name, PEAK_RSS.type, PEAK_RSS.doc, PEAK_RSS.unit, derived=True),
        THREADS,
        Col("descriptors", "u32", "Descriptors that it had open; NULL if that is not known.", derived=True),
    ),
)

PSS = Kind(
    "pss",
    "pss",
    "How much of a process's resident memory is its own, and its share of what is not, as /proc/PID/smaps_rollup shows "
    "it. To read that, the kernel goes through all page tables of the process, so not every process is read: the "
    "largest that may share most, then the others, and again every 10 s if they ran and at the end, for at most 0.2 % "
    "of a CPU in all, and none that has more than 8 GiB. `record --with pss` reads every process. A process that was "
    "not read has a row that says why.",
    cols=(
        TS,
        PID,
        START,
        _had(
            "pss_bytes", "Proportional set size: of each resident page its part, a half of one that two processes map."
        ),
        _had("pss_anon_bytes", "Of that, anonymous memory."),
        _had("pss_file_bytes", "Of that, pages of files."),
        _had("pss_shmem_bytes", "Of that, shared memory: tmpfs, System V, shared anonymous mappings."),
        _had(
            "private_dirty_bytes",
            "Pages that only this process maps and that were written to: what its end gives back. Shared memory that "
            "no other process has touched is among them.",
        ),
        _had("private_clean_bytes", "Pages that only this process maps, and that are in a file as they are."),
        _had("shared_dirty_bytes", "Pages that several processes map and that were written to."),
        _had("shared_clean_bytes", "Pages that several processes map, and that are in a file as they are."),
        _had("anonymous_bytes", "Anonymous pages, all: what of them is not in `pss_anon_bytes` is others' part."),
        _had("swap_pss_bytes", "Its part of the anonymous memory that is in swap space."),
        Col(
            "reading_ns",
            "u64",
            "How long it took to read. At most so long changes to the mappings of the process had to wait.",
            "ns",
            derived=True,
        ),
        Col(
            "unread",
            "text",
            "Why there are no figures. 'too large': of more than 8 GiB, which takes too long. 'no time': it was not "
            "its turn before the recording, or it, ended. 'not permitted': the kernel did not let the recorder, as of "
            "another user's without CAP_SYS_PTRACE. 'ended': it did before it was read. 'no answer': it was still "
            "being read, or its mmap lock was held, when the recording ended. NULL: there are.",
            derived=True,
        ),
    ),
)

KINDS = (MEMORY, PSS)
