"""Where threads were: samples of running ones, time of blocked ones, and the stacks that both refer to.

A stack is stored once, as a path in a tree: a row of `stack` is a function and the stack that called it, so stacks
share the rows of their callers. The nodes are functions, not addresses: all processes that run a program share its
stacks, and so do all addresses of a function. With a node for each address, most of a trace would be stacks.
"""

from dataclasses import replace

from sysmon.bpf.columns import PID, START, TID, TS, key
from sysmon.bpf.kind import Col, Kind, Map
from sysmon.bpf.kinds import cpu

DEPTH = 127
"""Most frames of a stack that the kernel walks, in user space and in the kernel each (kernel.perf_event_max_stack)."""

ENTRIES = 8192
"""Stacks of one interval that there is room for: 8 MB in each of two maps."""

NONE, NO_ROOM, UNREADABLE, NOT_TAKEN = range(4)
"""In C, in place of a stack's hash, which is larger: there is none; no room was left; it cannot be read; it was not
taken."""

SKIPPED = "caller skipped"
"""`missing` of the frame that stands between two functions of which the outer one did not call the inner one."""

DEFAULT_RATE, MOST_RATE = 99, 1000
"""Samples of each CPU per second. 99, so as not to keep pace with what happens 100 times a second."""

USER_STACK = Col(
    "user_stack",
    "u64",
    "`stack` of its innermost function in user space; NULL if it has none, as a thread of the kernel.",
    role="key",
    null=NONE,
)
KERNEL_STACK = Col(
    "kernel_stack",
    "u64",
    "`stack` of its innermost function in the kernel; NULL if it ran in user mode.",
    role="key",
    null=NONE,
)
"""In C they are hashes of the addresses; `recorder/stacks` turns them into numbers of rows."""

_COLUMNS = {col.name: col for col in cpu.CPU.cols}

SAMPLES = Kind(
    "samples",
    "samples",
    "How often one thread was found on a CPU with one stack, since the previous snapshot. The clock of each CPU looks "
    "at a fixed rate while it is not idle (PERF_COUNT_SW_CPU_CLOCK). What is found is a sample: a share of it has an "
    "interval, and is no share of exact CPU time.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(replace(TID, null=0)),
        _COLUMNS["thread"],
        USER_STACK,
        KERNEL_STACK,
        Col("samples", "u64", "Times that it was found so.", role="sum"),
    ),
    source=Map(4096, forgets=("tid", "user_stack", "kernel_stack")),
    opt_in=True,
)

OFF_CPU = Kind(
    "off_cpu",
    "off_cpu",
    "How long one thread waited with one stack, of the waits that ended since the previous snapshot. Exact, as in "
    "`cpu`: each wait is measured. Time in which it was ready to run is not part of it.",
    cols=(
        TS,
        key(PID),
        key(START),
        key(replace(TID, null=0)),
        _COLUMNS["thread"],
        _COLUMNS["waited_for"],
        USER_STACK,
        KERNEL_STACK,
        _COLUMNS["waits"],
        _COLUMNS["waited_ns"],
        _COLUMNS["max_waited_ns"],
    ),
    source=Map(8192, forgets=("tid", "user_stack", "kernel_stack")),
    opt_in=True,
)

FRAME = Kind(
    "frame",
    "frames",
    "A function that a stack has, or an address whose function is unknown.",
    cols=(
        TS,
        Col("frame", "u64", "Its number in this recording.", derived=True),
        Col("function", "text", "Its name; NULL if that is unknown.", derived=True),
        Col(
            "module",
            "text",
            "File that it is in; of the kernel 'kernel' or the name of its module; NULL if unknown.",
            derived=True,
        ),
        Col("build_id", "text", "GNU build id of that file, in hexadecimal; NULL if it has none.", derived=True),
        Col("file", "text", "Source file, from debug information; NULL without.", derived=True),
        Col(
            "address",
            "u64",
            "If the function is unknown: where it begins, or the address in it if that is unknown, too; in the file if "
            "`module` is known, otherwise in memory; NULL if the function is known or the kernel's.",
            derived=True,
        ),
        Col(
            "missing",
            "text",
            "Why the function, or the whole stack, is unknown; NULL if it is known. 'caller skipped' stands between "
            "two functions of which the outer one did not call the inner one: at least one in between is unknown, as "
            "the inner one had no frame of its own, or is where a signal's handler returns to.",
            derived=True,
        ),
    ),
    opt_in=True,
)

STACK = Kind(
    "stack",
    "stacks",
    "A function with the stack that called it.",
    cols=(
        TS,
        Col("stack", "u64", "Its number in this recording; larger than that of its `caller`.", derived=True),
        Col("caller", "u64", "`stack` of the function that called it; NULL for the outermost.", derived=True),
        Col("frame", "u64", "Its number in this recording.", derived=True),
    ),
    opt_in=True,
)

KINDS = (SAMPLES, OFF_CPU, FRAME, STACK)

NUMBERS = ("user_stack", "kernel_stack", "frame", "stack", "caller")
"""Columns of numbers that are given in order: a row's are near those of the row before."""

WITH_STACKS = frozenset((SAMPLES.name, OFF_CPU.name))
"""Kinds whose rows refer to stacks."""

OF_STACKS = frozenset((FRAME.name, STACK.name))
"""Kinds that tell what these stacks are."""
