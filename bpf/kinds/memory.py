"""Memory of processes: their sizes at each snapshot, and how much of them is private."""

from sysmon.bpf.columns import PEAK_RSS, PID, START, THREADS, TS
from sysmon.bpf.kind import Col, Kind


def _had(name: str, doc: str) -> Col:
    return Col(name, "u64", doc, "bytes", derived=True)


MEMORY = Kind(
    "memory",
    "memory",
    "What one process held at a snapshot: resident memory, as /proc/PID/status shows it, threads and descriptors. "
    "Only for processes that ran since the previous snapshot; the others keep their values. Shared memory counts "
    "for each process that shares it.",
    cols=(
        TS,
        PID,
        START,
        _had(
            "rss_anon_bytes",
            "Resident anonymous memory: heap, stacks, written pages of private mappings. After a fork, pages that "
            "neither side has written to count for parent and child.",
        ),
        _had("rss_file_bytes", "Resident pages of mapped files, including its program and libraries."),
        _had("rss_shmem_bytes", "Resident shared memory: tmpfs, System V, shared anonymous mappings."),
        _had("swap_bytes", "Anonymous memory in swap."),
        _had("hugetlb_bytes", "Mapped huge pages of hugetlbfs, which are not part of resident memory."),
        Col(PEAK_RSS.name, PEAK_RSS.type, PEAK_RSS.doc, PEAK_RSS.unit, derived=True),
        THREADS,
        Col("descriptors", "u32", "Open descriptors; NULL if unknown.", derived=True),
    ),
)

PSS = Kind(
    "pss",
    "pss",
    "Private memory of a process, and its share of shared memory (PSS), as /proc/PID/smaps_rollup shows them. The "
    "kernel walks all page tables of the process for this, so not every process is read: first the largest that "
    "may share most, then the others, again after 10 s or more if they ran, and at the end. All readings together "
    "take at most 0.2 % of a CPU, and processes above 8 GiB are skipped. `record --with pss` reads every process. "
    "A process that was not read has a row that says why.",
    cols=(
        TS,
        PID,
        START,
        _had("pss_bytes", "Proportional set size: each resident page divided by the number of processes that map it."),
        _had("pss_anon_bytes", "Of that, anonymous memory."),
        _had("pss_file_bytes", "Of that, pages of files."),
        _had("pss_shmem_bytes", "Of that, shared memory: tmpfs, System V, shared anonymous mappings."),
        _had(
            "private_dirty_bytes",
            "Dirty pages that only this process maps, which its end frees. Includes shared memory that no other "
            "process has touched.",
        ),
        _had("private_clean_bytes", "Clean pages of files that only this process maps."),
        _had("shared_dirty_bytes", "Dirty pages that several processes map."),
        _had("shared_clean_bytes", "Clean pages of files that several processes map."),
        _had(
            "anonymous_bytes", "All anonymous pages; the excess over `pss_anon_bytes` is the share of other processes."
        ),
        _had("swap_pss_bytes", "Its share of the anonymous memory in swap."),
        Col(
            "reading_ns",
            "u64",
            "How long the reading took: the longest that a change to the process's mappings had to wait.",
            "ns",
            derived=True,
        ),
        Col(
            "unread",
            "text",
            "Why there are no figures; NULL if there are. 'too large': above 8 GiB, which takes too long. 'no "
            "time': the recording or the process ended before its turn. 'not permitted': another user's process, "
            "without CAP_SYS_PTRACE. 'ended': the process ended before it was read. 'no answer': when the "
            "recording ended it was still being read, or its mmap lock was held.",
            derived=True,
        ),
    ),
)

KINDS = (MEMORY, PSS)
