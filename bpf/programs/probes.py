"""The BPF programs: the raw tracepoint each is attached to, and the kinds it records."""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.bpf.kinds import PROGRAMS, calls


@dataclass(frozen=True)
class Probe:
    """A program, the raw tracepoint it is attached to, and what it records.

    If `of` names kinds, the program is loaded only to record one of them.
    """

    program: str
    tracepoint: str
    records: str
    of: tuple[str, ...] = ()


CALLS = (
    "syscall_stats", "syscall_errors", "syscall_inflight", "syscall", "open", "file_op", "socket", "peer", "rename",
)  # fmt: skip
"""Kinds that need system calls traced; `rename`, as only the call tells that a rename is part of an execve."""

KERNEL_MEMORY = ("kernel_memory",)

PROBES = (
    # In the order of attaching: an exit before its enter. Otherwise the start of a call that began in between would be
    # taken for the start of the thread's next call.
    Probe("on_sys_exit", "sys_exit", "system calls", CALLS),
    Probe("on_sys_enter", "sys_enter", "system calls", CALLS),
    Probe("on_sched_switch", "sched_switch", "CPU time"),
    Probe("on_cpuhp", "cpuhp_enter", "CPUs that go off line and come back", ("host",)),
    Probe("on_cgroup_mkdir", "cgroup_mkdir", "new control groups", ("cgroup",)),
    Probe("on_cgroup_move", "cgroup_attach_task", "moves to other control groups"),
    Probe("on_exit", "sched_process_exit", "exits"),
    Probe("on_exec", "sched_process_exec", "execs"),
    Probe("on_fork", "sched_process_fork", "forks"),
    Probe("on_rename", "task_rename", "renames"),
    Probe("on_sock_send", "sock_send_length", "datagrams by read, write and io_uring", ("peer",)),
    Probe("on_sock_recv", "sock_recv_length", "datagrams by read, write and io_uring", ("peer",)),
    Probe("on_irq_exit", "irq_handler_exit", "interrupts", KERNEL_MEMORY),
    Probe("on_irq_enter", "irq_handler_entry", "interrupts", KERNEL_MEMORY),
    Probe("on_softirq_exit", "softirq_exit", "interrupts", KERNEL_MEMORY),
    Probe("on_softirq_enter", "softirq_entry", "interrupts", KERNEL_MEMORY),
    Probe("on_kfree", "kfree", "kernel memory", KERNEL_MEMORY),
    Probe("on_cache_free", "kmem_cache_free", "kernel memory", KERNEL_MEMORY),
    Probe("on_pages_free", "mm_page_free", "kernel memory", KERNEL_MEMORY),
    Probe("on_kmalloc", "kmalloc", "kernel memory", KERNEL_MEMORY),
    Probe("on_kmalloc_node", "kmalloc_node", "kernel memory", KERNEL_MEMORY),
    Probe("on_cache_alloc", "kmem_cache_alloc", "kernel memory", KERNEL_MEMORY),
    Probe("on_cache_alloc_node", "kmem_cache_alloc_node", "kernel memory", KERNEL_MEMORY),
    Probe("on_pages_alloc", "mm_page_alloc", "kernel memory", KERNEL_MEMORY),
    *(Probe(f"on_{program.name}", program.tracepoint, program.records, (kind.name,)) for kind, program in PROGRAMS),
)

HOOKS = {
    calls.OPEN: Probe("on_open", "sys_exit", "files opened", ("open",)),
    calls.FILE_OP: Probe("on_file_op", "sys_exit", "files changed", ("file_op",)),
    calls.SOCKET: Probe("on_socket", "sys_exit", "sockets", ("socket",)),
    calls.MESSAGE_CALL: Probe("on_message", "sys_exit", "datagrams, and sends that connect", ("peer", "socket")),
}
"""Programs that on_sys_exit tail-calls, by index in its program array."""

SNAPSHOT_PROGRAM = "on_snapshot"

STANDING_PROGRAM, HOLDING_PROGRAM = "on_task", "on_holding"
"""Task iterators: the state of each thread, and the resources of each process."""

OFF_CPU_PROGRAM = "on_off_cpu"
"""A third task iterator: threads that are off the CPU."""

AGAIN = "_again"
"""Suffix of the name of a program's copy (bpf/programs/again.bpf.h)."""

COPIED = tuple(p.program for p in PROBES if p.tracepoint != "sched_switch" and p.of != KERNEL_MEMORY)
"""Programs that have a copy where programs are preemptible. sched_switch needs none: it runs with preemption off.

Programs for kernel memory have none either: events that they miss are counted as lost."""

CALLBACKS: dict[str, tuple[str, ...]] = {"go_up": (), "add_length": (), "count_word": (), "count_message": ("peer",)}
"""Callbacks of REPEAT (common.bpf.h), and the kinds that each is needed for; () for all."""
