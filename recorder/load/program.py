"""The text of the BPF programs for this kernel, and the plan of what is loaded.

The C files of `bpf/programs/` follow what they depend on: structs and maps generated from the declarations, offsets of
kernel struct members from BTF, and macros for the features of this kernel. Features are probed; the kernel's version is
never asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sysmon.bpf import programs
from sysmon.bpf.kind import TICK_NS
from sysmon.bpf.kinds import DEFAULT_KINDS, PROGRAMS, block, stacks, syscall_events, syscalls
from sysmon.bpf.programs import csource, members, probes
from sysmon.bpf.programs.probes import Probe
from sysmon.errors import CannotLoad
from sysmon.recorder.load.btf import Bit, Btf, Member
from sysmon.recorder.load.cpus import possible_cpus, ticks_may_stop
from sysmon.recorder.load.syscall_names import SyscallNames

BPF_DIR = Path(programs.__file__).parent
STUB_DIR = Path(__file__).parent / "stub"

FILES = (
    "common.bpf.h",
    "again.bpf.h",
    "throttle.bpf.h",
    "interrupts.bpf.h",
    "calls.bpf.h",
    "paths.bpf.h",
    "identify.bpf.h",
    "events.bpf.c",
    "syscalls.bpf.c",
    "objects.bpf.h",
    "waits.bpf.h",
    "stacks.bpf.h",
    "cpu.bpf.c",
    "wakeups.bpf.c",
    "kernel_memory.bpf.c",
    "cgroups.bpf.c",
    "process_io.bpf.c",
    "block.bpf.c",
    "lifecycle.bpf.c",
    "files.bpf.c",
    "connections.bpf.h",
    "sockets.bpf.c",
    "dns.bpf.h",
    "peers.bpf.c",
    "object_io.bpf.c",
    "object_names.bpf.c",
    "polled.bpf.c",
    "tasks.bpf.c",
    "connections.bpf.c",
    "samples.bpf.c",
    *(program.file for _kind, program in PROGRAMS),
)
"""In the order of compilation: each file after those it uses. Files of a single kind come last."""

PER_CPU_OFFSETS = "__per_cpu_offset"
"""The symbol whose address exact memory peaks need. /proc/kallsyms has it with CONFIG_KALLSYMS_ALL."""

PARKED_ENTRIES = 65536
FOLLOWED_ENTRIES = 65536
FILTER_ENTRIES = 64
MARK_ENTRIES = 8192
LOCK_ENTRIES = 8192
CONNECTION_ENTRIES = 32768
DNS_ENTRIES = 4096

BLOCK_ENTRIES = 16384
"""Requests to disks that are in flight at once: 64 for each of 256 disks."""

TICKLESS_NS = 2_000_000_000
"""On a tickless CPU the kernel updates run times once a second (sched_tick_remote(), kernel/sched/core.c)."""

ALLOCATED_ENTRIES = 262144

SYSCALL_NR_MEMBER = {"x86_64": "orig_ax", "aarch64": "syscallno", "riscv64": "a7"}
"""Member of pt_regs with the system call's number (syscall_get_nr() of each architecture)."""

ARGUMENT_MEMBERS = {
    "x86_64": ("di", "si", "dx", "r10", "r8", "r9"),
    "aarch64": ("orig_x0", "regs+8", "regs+16", "regs+24", "regs+32", "regs+40"),
    "riscv64": ("orig_a0", "a1", "a2", "a3", "a4", "a5"),
}
"""Members with its arguments at its return (syscall_get_arguments()); `+N` is an offset into an array [bytes]."""

IA32_CLONES = {"fork": 2, "clone": 120, "vfork": 190, "clone3": 435}
"""Numbers of ia32 calls that create a thread (arch/x86/entry/syscalls/syscall_32.tbl)."""

IA32_ARGUMENT_MEMBERS = ("bx", "cx", "dx", "si", "di", "bp")
"""Members of x86-64's pt_regs with the arguments of an ia32 call."""


PREEMPTIBLE = "#define PROGRAMS_ARE_PREEMPTIBLE 1"

LOOP_HELPER = "#define LOOP_HELPER "

OTHER_MAPS = (
    "controls", "alive", "followed", "comms", "uids", "cgroups", "totals", "cpu_states", "cpu_times", "parked",
    "shapes", "hooks",
)  # fmt: skip

MAPS_OF = {
    probes.CONNECTION: ("connections",),
    syscall_events.SYSCALL.name: ("event_calls",),
    **dict.fromkeys(stacks.WITH_STACKS, csource.STACK_MAPS),
    block.BLOCK_IO.name: ("block_requests",),
}
"""Maps that are created only if the kind is recorded."""


def _found(btf: Btf, struct: str, path: str) -> Member | None:
    """The member or, with `+N`, the 8-byte word at that offset in it."""
    name, _, into = path.partition("+")
    found = btf.member(struct, name)
    return Member(found.offset + int(into), 8) if found and into else found


def _members(btf: Btf, machine: str) -> str:
    """OFFSET_…, SIZE_… and HAVE_… of each struct member that the programs read and this kernel has."""
    lines = [line for prefix, module in members.MODULES.items() for line in _of_module(btf, prefix, module)]
    for (struct, member), optional in members.declared().items():
        if struct.startswith(tuple(members.MODULES)):
            continue
        path = member
        if (struct, member) == ("pt_regs", "nr"):
            path = SYSCALL_NR_MEMBER.get(machine, "")
        elif struct == "pt_regs":
            path = ARGUMENT_MEMBERS[machine][int(member.removeprefix("arg")) - 1]
        found = _found(btf, struct, path)
        if found:
            lines += _defined(members.in_c(struct, member), found)
        elif not optional:
            raise CannotLoad(
                f"this kernel's BTF has no member {path} in struct {struct}: sysmon does not know this kernel yet"
            )
    types = {struct: btf.type_id(struct) for struct in members.CAST}
    lines += [f"#define TYPE_{struct} {type_id}" for struct, type_id in types.items() if type_id]
    for struct, member in members.BITS:
        lines += _bit_defined(members.in_c(struct, member), btf.bit(struct, member))
    return "\n".join(lines) + "\n"


def _defined(name: str, found: Member) -> list[str]:
    return [f"#define HAVE_{name} 1", f"#define OFFSET_{name} {found.offset}", f"#define SIZE_{name} {found.size}"]


def _bit_defined(name: str, found: Bit | None) -> list[str]:
    if found is None:
        return []
    return [f"#define HAVE_BIT_{name} 1", f"#define OFFSET_{name} {found.offset}", f"#define BIT_{name} {found.mask}"]


def _of_module(btf: Btf, prefix: str, module: str) -> list[str]:
    """The same macros for the structs of a module, built in or loaded."""
    mine = [(struct, member) for struct, member in members.declared() if struct.startswith(prefix)]
    if not btf.struct_size(mine[0][0]):
        btf = btf.with_module(module)
    found = {members.in_c(struct, member): btf.member(struct, member) for struct, member in mine}
    lines = [line for name, member in found.items() if member for line in _defined(name, member)]
    return [*lines, *([f"#define KNOWS_{module} 1"] if all(found.values()) else [])]


def _word(btf: Btf, member: str) -> int:
    """Index of a register in pt_regs, in 8-byte words."""
    name, _, into = member.partition("+")
    found = btf.member("pt_regs", name)
    if not found:
        raise CannotLoad(f"this kernel's BTF has no register {name} in struct pt_regs: record without --syscalls")
    return (found.offset + int(into or 0)) // 8


def _argument_words(btf: Btf, machine: str) -> str:
    words = [_word(btf, member) for member in ARGUMENT_MEMBERS[machine]]
    lines = [f"#define ARG_WORD_{i} {word}" for i, word in enumerate(words, 1)]
    if machine == "x86_64":
        ia32 = [_word(btf, member) for member in IA32_ARGUMENT_MEMBERS]
        lines += [f"#define IA32_WORD_{i} {word}" for i, word in enumerate(ia32, 1)]
        words += ia32
    return "\n".join([*lines, f"#define REGS_WORDS {max(words) + 1}"]) + "\n"


def _features(btf: Btf, machine: str, names: SyscallNames) -> str:
    calls_by_name = ("execve", "execveat", "clone", "clone3", "fork", "vfork", "read", "write")
    numbers = {call: (names.numbers([call]) or [syscalls.UNKNOWN_NR])[0] for call in calls_by_name}
    lines = [f"#define NR_{call} {number}" for call, number in numbers.items()]
    lines += [f"#define PARKED_ENTRIES {PARKED_ENTRIES}", f"#define FOLLOWED_ENTRIES {FOLLOWED_ENTRIES}"]
    lines += [f"#define FILTER_ENTRIES {FILTER_ENTRIES}", f"#define ALLOCATED_ENTRIES {ALLOCATED_ENTRIES}"]
    lines += [f"#define LOCK_ENTRIES {LOCK_ENTRIES}", f"#define BLOCK_ENTRIES {BLOCK_ENTRIES}", *_of_block(btf)]
    lines += [f"#define CONNECTION_ENTRIES {CONNECTION_ENTRIES}", f"#define DNS_ENTRIES {DNS_ENTRIES}"]
    lines.append(f"#define SOCK_DONE {btf.enum_value('sock_flags', 'SOCK_DONE') or 1}")
    if "struct kmem_cache *" in (btf.tracepoint_args("kmem_cache_alloc") or ()):
        lines.append("#define CACHES_ARE_NAMED 1")  # since 6.1
    lines.append(f"#define SIZEOF_upid {btf.struct_size('upid')}")
    if len(btf.tracepoint_args("sched_process_exit") or ()) > 1:
        lines.append("#define EXIT_SAYS_GROUP_DEAD 1")  # since 6.16
        lines.append(f"#define SIZEOF_percpu_counter {btf.struct_size('percpu_counter')}")
        lines.append(f"#define POSSIBLE_CPUS {possible_cpus()}")
    if "struct task_struct *" in (btf.tracepoint_args("mark_victim") or ()):
        lines.append("#define VICTIM_IS_TASK 1")  # since 6.9
    if (memory := btf.enum_value("cgroup_subsys_id", "memory_cgrp_id")) is not None:
        lines.append(f"#define MEMORY_CONTROLLER {memory}")
    if len(btf.tracepoint_args("tcp_retransmit_skb") or ()) > 2:
        lines.append("#define RETRANSMIT_SAYS_ERROR 1")  # since 6.17: before, the tracepoint was for success only
    if btf.member("tp_transition_snapshot", "srcu_gp"):
        lines.append(PREEMPTIBLE)  # since 7.0: tracepoints are under SRCU
        lines += [f"#define COPY_{name.removeprefix('on_')} {i}" for i, name in enumerate(probes.COPIED)]
        lines += [f"#define MARK_ENTRIES {MARK_ENTRIES}"]
    lines.append(f"#define TICK_AT_MOST_NS {TICKLESS_NS if ticks_may_stop() else TICK_NS}ULL")
    if btf.tracepoint_args("sock_send_length") is not None:
        lines.append("#define SOCKETS_SAY_LENGTHS 1")  # since 6.3
    if len(btf.tracepoint_args("sched_switch") or ()) < 4:  # before 5.18; the member has been called __state since 5.14
        state = btf.member("task_struct", "__state") or btf.member("task_struct", "state")
        lines += [f"#define STATE_OFFSET {state.offset}"] if state else []
    helper = btf.enum_value("bpf_func_id", "BPF_FUNC_get_current_task_btf")
    if helper is not None:
        lines.append(f"#define CURRENT_TASK_BTF {helper}")  # since 5.11
    helper = btf.enum_value("bpf_func_id", "BPF_FUNC_task_pt_regs")
    if helper is not None:
        lines.append(f"#define TASK_PT_REGS {helper}")  # since 5.15
    cast = btf.cast()
    if cast is not None:
        lines.append(f"#define RDONLY_CAST {cast}")  # since 6.2
    helper = btf.enum_value("bpf_func_id", "BPF_FUNC_loop")
    if helper is not None:
        lines.append(f"{LOOP_HELPER}{helper}")  # since 5.17
        lines += [f"#define CALLBACK_{name} {i}" for i, name in enumerate(probes.CALLBACKS)]
        if machine == "x86_64":
            lines.append("#define TAIL_CALLS_BESIDE_FUNCTIONS 1")  # since 5.10; others have it since 6.0 or later
    if machine == "x86_64":
        lines += ["#define TS_COMPAT 2", "#define X32_BIT 0x40000000"]  # asm/thread_info.h, asm/unistd.h
        lines += [f"#define IA32_{call} (1 << ABI_SHIFT | {nr})" for call, nr in IA32_CLONES.items()]
    return "\n".join(lines) + "\n"


def _of_block(btf: Btf) -> list[str]:
    """What differs between kernels in the block layer."""
    arguments = btf.tracepoint_args("block_rq_issue") or ()
    append = btf.enum_value(None, "REQ_OP_ZONE_APPEND")
    lines = [
        f"#define REQUEST_ARGUMENT {max(0, len(arguments) - 1)}",  # before 5.11 the queue came first
        f"#define OP_ZONE_APPEND {13 if append is None else append}",
        *(f"#define REQ_{name}_BIT {btf.enum_value(None, f'__REQ_{name}')}" for name in ("SYNC", "IDLE")),
    ]
    limited = (btf.enum_value(None, name) for name in ("BIO_BPS_THROTTLED", "BIO_THROTTLED"))  # until 6.1: the second
    lines += [f"#define BIO_LIMITED {bit}" for bit in limited if bit is not None][:1]
    if btf.tracepoint_args(probes.MAKES_REQUEST) is None:
        lines.append("#define REQUESTS_START_UNSEEN 1")
    return lines


@dataclass(frozen=True)
class Plan:
    """What is loaded to record some kinds: the text, and the names of the maps and programs that user space uses.

    `probes` are in the order of attaching: each copy after its program. `hooks` are by index in the program array.
    """

    sizes: csource.Sizes
    text: str
    maps: tuple[str, ...]
    probes: tuple[Probe, ...]
    hooks: dict[int, Probe]
    iterators: dict[str, int]  # program → type id of its iterator
    callbacks: tuple[str, ...] = ()  # functions that the kernel calls from programs

    @property
    def programs(self) -> tuple[str, ...]:
        """Every program: the attached ones, and those that the recorder runs."""
        return (
            *(p.program for p in (*self.probes, *self.hooks.values())),
            probes.SNAPSHOT_PROGRAM,
            *((probes.CONNECTION_PROGRAM,) if probes.CONNECTION in self.sizes.kinds else ()),
            *self.iterators,
            *self.samplers,
        )

    @property
    def samplers(self) -> tuple[str, ...]:
        """The programs of perf events."""
        return (probes.SAMPLE_PROGRAM,) if stacks.SAMPLES.name in self.sizes.kinds else ()


NEEDS = {
    **dict.fromkeys(("memory", "thread", "waits", "off_cpu"), "cpu"),
    "block_inflight": "block_io",
    "retransmit": "connection",
    "dns": "peer",
}
"""Kinds that need the programs of another: `cpu` tells which processes ran, and only those are sampled; and when a
thread left its CPU, and why. `connection` knows whose a socket is, and `peer` to whom a datagram goes.
"""

OF_CONNECTIONS = frozenset((probes.CONNECTION, probes.RETRANSMIT))


def plan(
    btf: Btf,
    names: SyscallNames,
    kinds: frozenset[str] = DEFAULT_KINDS,
    buffer_bytes: int | None = None,
    max_rate: int | None = None,
) -> Plan:
    """The plan to record these kinds on this kernel. Raises CannotLoad if it lacks a required struct member.

    `buffer_bytes` and `max_rate` as in `csource.Sizes`.
    """
    machine = os.uname().machine
    kinds = kinds | {needed for kind, needed in NEEDS.items() if kind in kinds}
    if not _knows_connections(btf):
        kinds -= OF_CONNECTIONS
    sizes = csource.Sizes(possible_cpus(), os.sysconf("SC_PAGE_SIZE"), kinds, buffer_bytes, max_rate)
    common, *programs = ((BPF_DIR / name).read_text() for name in FILES)
    source = "".join((common, csource.functions(sizes), *programs))
    features = _features(btf, machine, names)
    if syscall_events.SYSCALL.name in kinds:
        features += _argument_words(btf, machine)
    text = csource.declarations(sizes) + features + _members(btf, machine) + source
    rings = (name for k in sizes.ring_kinds for name in csource.ring_names(k))
    maps = (name for k in sizes.map_kinds for name in (*csource.map_names(k), *csource.other_names(k)))
    own = dict.fromkeys(name for kind, some in MAPS_OF.items() if kind in kinds for name in some)
    attached = [p for p in probes.PROBES if not p.of or kinds & set(p.of)]
    attached = [p for p in attached if not p.optional or btf.tracepoint_args(p.tracepoint) is not None]
    attached = [p for p in attached if not p.instead_of or btf.tracepoint_args(p.instead_of) is None]
    if PREEMPTIBLE in text:
        pairs = ((p, replace(p, program=p.program + probes.AGAIN)) for p in attached)
        text += "".join(f"AGAIN({p.program.removeprefix('on_')})\n" for p in attached if p.program in probes.COPIED)
        attached = [p for pair in pairs for p in (pair if pair[0].program in probes.COPIED else pair[:1])]
    hooks = {place: hook for place, hook in probes.HOOKS.items() if kinds & set(hook.of)}
    names_of_maps = (*rings, *maps, *OTHER_MAPS, *own, *(("rates",) if max_rate else ()))
    return Plan(
        sizes,
        text,
        names_of_maps,
        tuple(attached),
        hooks,
        _iterators(btf, kinds),
        _callbacks(text, kinds),
    )


def _iterators(btf: Btf, kinds: frozenset[str]) -> dict[str, int]:
    """Each iterator program of these kinds, and the type id of its iterator."""
    wanted = {probes.STANDING_PROGRAM: "task", probes.HOLDING_PROGRAM: "task"}
    if "cpu" in kinds:
        wanted[probes.OFF_CPU_PROGRAM] = "task"
    if probes.CONNECTION in kinds:
        wanted[probes.DESCRIPTOR_PROGRAM] = "task_file"
    found = {program: btf.iterator(of) for program, of in wanted.items()}
    return {program: type_id for program, type_id in found.items() if type_id is not None}


def _knows_connections(btf: Btf) -> bool:
    return all(btf.member(struct, member) for struct, member in members.OF_CONNECTIONS)


def _callbacks(text: str, kinds: frozenset[str]) -> tuple[str, ...]:
    if LOOP_HELPER not in text:
        return ()
    return tuple(f"call_{name}" for name, of in probes.CALLBACKS.items() if not of or kinds & set(of))


def unmeasured(btf: Btf) -> dict[str, str]:
    """Columns whose values this kernel cannot tell, and why."""
    columns = {}
    if not btf.member("task_struct", "sched_info.run_delay"):
        columns["wait_ns"] = columns["runnable_ns"] = "the kernel was built without CONFIG_SCHED_INFO"
    if len(btf.tracepoint_args("sched_process_exit") or ()) < 2:
        columns["peak_rss_bytes"] = "of exits: the kernel traces them after the memory is freed"
    if not _knows_connections(btf):
        columns |= dict.fromkeys(sorted(OF_CONNECTIONS), "the kernel's TCP sockets have other members")
    return columns
