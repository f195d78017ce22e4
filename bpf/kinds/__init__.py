"""Every kind of row, declared once: a module a subject. `KINDS` lists all of them."""

from sysmon.bpf.kind import Kind, Map, Program, Ring
from sysmon.bpf.kinds import (
    block,
    cgroup_limits,
    cgroups,
    connections,
    cpu,
    disks,
    dns,
    files,
    kernel_memory,
    ledger,
    lifecycle,
    machine,
    memory,
    objects,
    oom,
    peers,
    process_io,
    remarks,
    signals,
    sockets,
    stacks,
    syscall_events,
    syscalls,
    throttle,
    wakeups,
)

KINDS: tuple[Kind, ...] = (
    *lifecycle.KINDS,
    *signals.KINDS,
    *oom.KINDS,
    *syscall_events.KINDS,
    *syscalls.KINDS,
    *files.KINDS,
    *sockets.KINDS,
    *peers.KINDS,
    *connections.KINDS,
    *dns.KINDS,
    *cpu.KINDS,
    *wakeups.KINDS,
    *stacks.KINDS,
    *memory.KINDS,
    *process_io.KINDS,
    *block.KINDS,
    *disks.KINDS,
    *objects.KINDS,
    *kernel_memory.KINDS,
    *cgroups.KINDS,
    *cgroup_limits.KINDS,
    *machine.KINDS,
    *ledger.KINDS,
    *throttle.KINDS,
    *remarks.KINDS,
)

DEFAULT_KINDS = frozenset(k.name for k in KINDS if not k.opt_in and not k.edited)
"""What is recorded by default."""

RING_KINDS: tuple[Kind, ...] = tuple(k for k in KINDS if isinstance(k.source, Ring))

PROGRAMS: tuple[tuple[Kind, Program], ...] = tuple((k, k.program) for k in KINDS if k.program)
"""Kinds that have a program of their own."""

MAP_KINDS: tuple[Kind, ...] = tuple(k for k in KINDS if isinstance(k.source, Map))


def kind_named(name: str) -> Kind:
    """The kind with this name. Raises KeyError if there is none."""
    return {k.name: k for k in KINDS}[name]
