"""Prepares what a recording needs from the kernel: its types, and programs that fit them.

Half of this is waiting for the kernel, so `sysmon record` does it in a thread while it imports numpy and pyarrow.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.recorder.load import bpf_maps, loader, program, symbols
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames


@dataclass(frozen=True)
class Prepared:
    """The result of `prepare`. `unmeasured`: columns that this kernel cannot supply, and why."""

    names: SyscallNames
    plan: program.Plan
    unmeasured: dict[str, str]
    loading: loader.Loading


def prepare(kinds: frozenset[str], buffer_bytes: int | None, max_rate: int | None) -> Prepared:
    """Also loads the programs if they are cached. Raises CannotRecord.

    Starts no process: while another thread imports, a forked child would hold that thread's locks for ever.
    """
    bpf_maps.raise_memlock_limit()
    names, btf = SyscallNames(), Btf.of_kernel()
    plan = program.plan(btf, names, kinds, buffer_bytes, max_rate)
    loading = loader.Loading(plan)
    loading.load_kept()
    symbols.address(program.PER_CPU_OFFSETS)  # takes 50 ms the first time
    return Prepared(names, plan, program.unmeasured(btf), loading)
