"""What happens to events if nobody reads their rings."""

import contextlib
import os
import platform
import time
from collections.abc import Iterator
from struct import pack

import pytest

from sysmon.bpf.kind import ring_layouts
from sysmon.bpf.kinds.files import FILE_OP
from sysmon.bpf.programs import csource
from sysmon.recorder.load import bpf_maps, loader, program
from sysmon.recorder.load.btf import Btf
from sysmon.recorder.load.cpus import possible_cpus
from sysmon.recorder.load.syscall_names import SyscallNames
from sysmon.recorder.read.counters import TotalsMap
from sysmon.recorder.read.ring import Ring

pytestmark = pytest.mark.live

CALLS = 40_001
BY_PID = 1  # bpf/programs/common.bpf.h
ZERO_KEY = bytes(4)


@contextlib.contextmanager
def recording_itself(plan: program.Plan, names: SyscallNames) -> Iterator[loader.Loaded]:
    """Programs that run for this process, and from which nobody reads."""
    loaded = loader.Loading(plan).result()
    try:
        loaded.tell_shapes(names)
        loaded.attach()
        bpf_maps.update(loaded.maps["followed"], pack("<I", os.getpid()), b"\1")
        begin = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        bpf_maps.update(loaded.maps["controls"], ZERO_KEY, pack("<QIIQQ", begin, 1, BY_PID, 0, 0))
        yield loaded
    finally:
        loaded.close()


def test_an_event_is_lost_only_if_all_rings_are_full(live_kernel: None) -> None:
    """Failed unlinks fit into the smallest records: those that find that ring full go into the larger ones."""
    names = SyscallNames(platform.machine())
    plan = program.plan(Btf.of_kernel(), names, frozenset({FILE_OP.name}))
    with recording_itself(plan, names) as loaded:
        for _ in range(CALLS):
            with contextlib.suppress(FileNotFoundError):
                os.unlink("/no/such/file")
        made = []
        for layout, size in zip(ring_layouts(FILE_OP), plan.sizes.ring_bytes(FILE_OP), strict=True):
            ring = Ring(loaded.maps[f"{layout.struct}_ring"], size, layout)
            made.append(sum(len(piece) for piece in ring.pieces()))
            assert made[-1] >= size // ring.record.itemsize - 1  # it was full
            ring.close()
        causes = list(csource.losses())
        lost = TotalsMap(loaded, possible_cpus()).read().lost[causes.index("file_op_ring")]
        assert lost > 0
        assert sum(made) + lost == CALLS
