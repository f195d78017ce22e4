"""Everything that a recording with stacks has besides others: sampling, the names, and the rows that wait for them."""

from __future__ import annotations

from sysmon.bpf.kinds.stacks import SAMPLES, WITH_STACKS
from sysmon.bpf.trace_file.metadata import Probe
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.load.sampling import Sampling
from sysmon.recorder.stacks.maps import StackMaps
from sysmon.recorder.stacks.names import Names
from sysmon.recorder.stacks.stacks import Stacks
from sysmon.recorder.symbols.kernel import KernelSymbols
from sysmon.recorder.symbols.resolver import Resolver


class Capture:
    """Takes stacks from `attach` to `detach`."""

    def __init__(self, kinds: frozenset[str], loaded: Loaded, rate: int) -> None:
        """`kinds`: has one or both of WITH_STACKS. Reads the kernel's symbols: make it while they are not hidden."""
        self._sampling = Sampling(loaded, rate) if SAMPLES.name in kinds else None
        self._resolver = Resolver()
        self.stacks = Stacks(StackMaps(loaded), Names(self._resolver, KernelSymbols()))

    @classmethod
    def of(cls, kinds: frozenset[str], loaded: Loaded, rate: int) -> Capture | None:
        """None if these kinds have no stacks."""
        return cls(kinds, loaded, rate) if kinds & WITH_STACKS else None

    def delegate(self) -> None:
        """Starts the child processes for what takes more privileges than we keep."""
        if self._sampling:
            self._sampling.delegate()

    def attach(self) -> list[Probe]:
        """Starts sampling. Returns the outcome, as of probes."""
        return self._sampling.attach() if self._sampling else []

    def follow_cpus(self) -> None:
        """Samples CPUs that have come online since the last call."""
        if self._sampling:
            self._sampling.follow_cpus()

    def cpu_ns(self) -> int:
        """CPU time of the child processes."""
        return self._resolver.cpu_ns() + (self._sampling.cpu_ns() if self._sampling else 0)

    def detach(self) -> None:
        """Ends sampling."""
        if self._sampling:
            self._sampling.detach()

    def close(self) -> None:
        """Ends everything."""
        if self._sampling:
            self._sampling.close()
        self._resolver.close(0)
