"""What is recorded: the contract between the recorder and the analysis.

Each subject is a C program (`*.bpf.c`) and the declarations of its rows (the Python module of the same name).
`KINDS` lists all of them. Nothing here imports bcc, pyarrow or duckdb, except `schema`, which imports pyarrow.
"""

from bpf import (
    cgroups,
    cpu,
    events,
    files,
    kernel_memory,
    ledger,
    lifecycle,
    machine,
    memory,
    peers,
    process_io,
    sockets,
    steps,
    syscalls,
)
from bpf.kind import Kind, Map, Ring

KINDS: tuple[Kind, ...] = (
    *lifecycle.KINDS,
    *events.KINDS,
    *syscalls.KINDS,
    *files.KINDS,
    *sockets.KINDS,
    *peers.KINDS,
    *cpu.KINDS,
    *memory.KINDS,
    *process_io.KINDS,
    *kernel_memory.KINDS,
    *cgroups.KINDS,
    *machine.KINDS,
    *ledger.KINDS,
    *steps.KINDS,
)

DEFAULT_KINDS = frozenset(k.name for k in KINDS if not k.opt_in)
"""What is recorded unless something else is asked for."""

RING_KINDS: tuple[Kind, ...] = tuple(k for k in KINDS if isinstance(k.source, Ring))

MAP_KINDS: tuple[Kind, ...] = tuple(k for k in KINDS if isinstance(k.source, Map))


def kind(name: str) -> Kind:
    """The kind of this name. Raises KeyError if there is none."""
    return {k.name: k for k in KINDS}[name]
