"""The BPF programs: the raw tracepoint each is attached to, and the kinds it records."""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.bpf.kinds import PROGRAMS, calls


@dataclass(frozen=True)
class Probe:
    """A program, the raw tracepoint it is attached to, and what it records.

    If `of` names kinds, the program is loaded only to record one of them. `copied`: it has a copy where programs are
    preemptible. `optional`: kernels may lack the tracepoint, and that is not reported. `instead_of`: it is attached
    only if the kernel lacks this one.
    """

    program: str
    tracepoint: str
    records: str
    of: tuple[str, ...] = ()
    copied: bool = True
    optional: bool = False
    instead_of: str = ""


CALLS = (
    "syscall_stats", "syscall_errors", "syscall_inflight", "syscall", "open", "file_op", "socket", "peer", "rename",
    "objects", "polled",
)  # fmt: skip
"""Kinds that need system calls traced; `rename`, as only the call tells that a rename is part of an execve."""

KERNEL_MEMORY, WAITS = "kernel_memory", "waits"

CONNECTION, RETRANSMIT = "connection", "retransmit"

BLOCK = ("block_io", "block_inflight")

MAKES_REQUEST = "block_io_start"
"""Where a request to a disk is made (Linux 6.5)."""

INTERRUPTS = {
    "irq": ("irq_handler_entry", "irq_handler_exit"),
    "softirq": ("softirq_entry", "softirq_exit"),
    "hrtimer": ("hrtimer_expire_entry", "hrtimer_expire_exit"),
    "irq_work": ("irq_work_entry", "irq_work_exit"),
    "call": ("call_function_single_entry", "call_function_single_exit"),
    "calls": ("call_function_entry", "call_function_exit"),
    "ipi": ("ipi_entry", "ipi_exit"),
}
"""Interrupts: where each begins and ends. x86 has no ipi_entry; other machines lack the three before it.

An exit is attached before its entry, so that none is missed. They have no copy: no thread preempts an interrupt.
"""


def _of_interrupts() -> tuple[Probe, ...]:
    return tuple(
        Probe(f"on_{name}_{end}", tracepoint, "interrupts", (KERNEL_MEMORY, WAITS), copied=False, optional=True)
        for name, (entry, exit_) in INTERRUPTS.items()
        for end, tracepoint in (("exit", exit_), ("enter", entry))
    )


def _of_memory(program: str, tracepoint: str) -> Probe:
    """A program for memory that the kernel allocates. It has no copy: events that it misses are counted as lost."""
    return Probe(program, tracepoint, "kernel memory", (KERNEL_MEMORY,), copied=False, optional=True)


PROBES = (
    # In the order of attaching: an exit before its enter. Otherwise the start of a call that began in between would be
    # taken for the start of the thread's next call.
    Probe("on_sys_exit", "sys_exit", "system calls", CALLS),
    Probe("on_sys_enter", "sys_enter", "system calls", CALLS),
    Probe("on_sched_switch", "sched_switch", "CPU time", copied=False),  # preemption is off there
    Probe("on_cpuhp", "cpuhp_enter", "CPUs that go off line and come back", ("host",)),
    Probe("on_cgroup_mkdir", "cgroup_mkdir", "new control groups", ("cgroup",)),
    Probe("on_cgroup_move", "cgroup_attach_task", "moves to other control groups"),
    Probe("on_exit", "sched_process_exit", "exits"),
    Probe("on_exec", "sched_process_exec", "execs"),
    Probe("on_fork", "sched_process_fork", "forks"),
    Probe("on_rename", "task_rename", "renames"),
    Probe("on_sock_send", "sock_send_length", "datagrams by read, write and io_uring", ("peer",)),
    Probe("on_sock_recv", "sock_recv_length", "datagrams by read, write and io_uring", ("peer",)),
    Probe("on_block_complete", "block_rq_complete", "the ends of requests to disks", BLOCK),
    Probe("on_block_requeue", "block_rq_requeue", "requests that drivers give back", BLOCK),
    Probe("on_block_merge", "block_rq_merge", "requests that become one", BLOCK),
    Probe("on_block_issue", "block_rq_issue", "requests to disks", BLOCK),
    Probe("on_block_insert", "block_rq_insert", "who makes requests to disks", BLOCK, instead_of=MAKES_REQUEST),
    Probe("on_block_start", MAKES_REQUEST, "who makes requests to disks", BLOCK, optional=True),
    Probe("on_tcp_destroy", "tcp_destroy_sock", "TCP connections", (CONNECTION,)),
    Probe("on_tcp_state", "inet_sock_set_state", "TCP connections", (CONNECTION,)),
    Probe("on_tcp_retransmit", "tcp_retransmit_skb", "TCP segments that are sent again", (RETRANSMIT,)),
    Probe("on_tcp_synack", "tcp_retransmit_synack", "TCP segments that are sent again", (RETRANSMIT,)),
    *_of_interrupts(),
    Probe("on_waking", "sched_waking", "who wakes threads", (WAITS,), copied=False),  # interrupts are off there
    _of_memory("on_kfree", "kfree"),
    _of_memory("on_cache_free", "kmem_cache_free"),
    _of_memory("on_pages_free", "mm_page_free"),
    _of_memory("on_kmalloc", "kmalloc"),
    _of_memory("on_kmalloc_node", "kmalloc_node"),
    _of_memory("on_cache_alloc", "kmem_cache_alloc"),
    _of_memory("on_cache_alloc_node", "kmem_cache_alloc_node"),
    _of_memory("on_pages_alloc", "mm_page_alloc"),
    *(Probe(f"on_{program.name}", program.tracepoint, program.records, (kind.name,)) for kind, program in PROGRAMS),
)

HOOKS = {
    calls.OPEN: Probe("on_open", "sys_exit", "files opened", ("open",)),
    calls.FILE_OP: Probe("on_file_op", "sys_exit", "files changed", ("file_op",)),
    calls.SOCKET: Probe("on_socket", "sys_exit", "sockets", ("socket", CONNECTION)),
    calls.MESSAGE_CALL: Probe("on_message", "sys_exit", "datagrams, and sends that connect", ("peer", "socket")),
    calls.IDENTIFY_CALL: Probe("on_identify", "sys_exit", "what system calls are about", ("syscall",)),
    calls.POLL_CALL: Probe("on_poll", "sys_exit", "polls", ("polled",)),
    calls.POLLED_CALL: Probe("on_polled", "sys_exit", "what is polled", ("polled",)),
    calls.EVENT_CALL: Probe("on_call", "sys_exit", "system calls as events", ("syscall",)),
    calls.OBJECT_CALL: Probe("on_object", "sys_exit", "reads and writes by file and socket", ("objects",)),
    calls.NAME_CALL: Probe("on_object_name", "sys_exit", "names of files and sockets", ("object_name",)),
}
"""Programs that on_sys_exit tail-calls, by index in its program array."""

SNAPSHOT_PROGRAM = "on_snapshot"

SAMPLE_PROGRAM = "on_sample"
"""Runs on perf events of each CPU's clock."""

STANDING_PROGRAM, HOLDING_PROGRAM = "on_task", "on_holding"
"""Task iterators: the state of each thread, and the resources of each process."""

OFF_CPU_PROGRAM = "on_off_cpu"
"""A third task iterator: threads that are off the CPU."""

DESCRIPTOR_PROGRAM, CONNECTION_PROGRAM = "on_descriptor", "on_connection"
"""An iterator of the descriptors of all processes, and what the recorder runs for a connection that goes on."""

AGAIN = "_again"
"""Suffix of the name of a program's copy (bpf/programs/again.bpf.h)."""

COPIED = tuple(p.program for p in PROBES if p.copied)
"""Programs that have a copy where programs are preemptible."""

CALLBACKS: dict[str, tuple[str, ...]] = {
    "go_up": (),
    "add_length": (),
    "count_word": (),
    "count_message": ("peer",),
    "look_at_message": ("dns",),
    "poll_one": ("polled",),
    "poll_next": ("polled",),
}
"""Callbacks of REPEAT (common.bpf.h), and the kinds that each is needed for; () for all."""
