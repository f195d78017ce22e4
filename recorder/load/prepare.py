"""What a recording needs of the kernel before it begins: its types, and programs that fit them.

Half of that is waiting for the kernel, so `sysmon record` has it done by a thread while it imports numpy and pyarrow.
"""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.recorder.load import kernel, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.syscall_names import SyscallNames


@dataclass(frozen=True)
class Prepared:
    """What `prepare` gives. `unmeasured` are columns that this kernel does not know the values of, and why."""

    names: SyscallNames
    plan: program.Plan
    unmeasured: dict[str, str]
    loading: loader.Loading


def prepare(kinds: frozenset[str], buffer_bytes: int | None, max_rate: int | None) -> Prepared:
    """Loads the programs, too, if they were compiled before. Raises CannotRecord.

    It starts no process, as it must not from a thread while another imports: that one's locks would be held for ever.
    """
    kernel.raise_memlock_limit()
    names, btf = SyscallNames(), Btf.of_kernel()
    plan = program.plan(btf, names, kinds, buffer_bytes, max_rate)
    loading = loader.Loading(plan)
    loading.load_kept()
    kernel.symbol(program.PER_CPU_OFFSETS)  # which takes 50 ms the first time
    return Prepared(names, plan, program.unmeasured(btf), loading)
