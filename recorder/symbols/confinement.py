"""Limits a reader of symbols, so that whoever takes it over can do less than the user it runs as."""

from __future__ import annotations

import os
import resource

from sysmon.recorder.own import landlock, refused_calls

MEMORY_BYTES = 1 << 31
"""How much address space may be added to what the recorder had."""

CPU_S = 10
"""CPU time per question."""

FILES = 64
"""How many descriptors may be open."""

NICE = 0
"""Not the recorder's -20, as a large file takes seconds; nor 10, at which busy CPUs delayed an answer by 2 s: rows wait
for 5 s.
"""


def confine() -> None:
    """Limits this process for good. It has no capability, and gets none by executing a program."""
    with open("/proc/self/statm") as sizes:
        has = int(sizes.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    limits = {
        resource.RLIMIT_AS: has + MEMORY_BYTES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in limits.items():
        resource.setrlimit(kind, (most, most))
    os.setpriority(os.PRIO_PROCESS, 0, NICE)
    landlock.restrict(readable=None)
    refused_calls.refuse()


def begin_question() -> None:
    """Limits the CPU time from here on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + CPU_S, hard))
