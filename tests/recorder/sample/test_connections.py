"""What is said where the kernel does not show the connections that are there."""

import pytest

from sysmon.bpf.programs import probes
from sysmon.recorder.load import bpf_programs
from sysmon.recorder.load.loader import Loaded
from sysmon.recorder.sample import connections
from sysmon.recorder.sample.connections import Connections

OLD = "of those that are older than the recording only how they ended: "


def test_a_kernel_without_the_iterator() -> None:
    missing = Connections(Loaded({}, {}, ""))
    missing.look()
    missing.tell(0, lambda: pytest.fail("there is nothing to read"))
    missing.close()
    assert missing.missing == f"{OLD}the kernel has no iterator of descriptors"
    refused = Connections(Loaded({}, {}, "", refused={probes.DESCRIPTOR_PROGRAM: "Permission denied"}))
    assert refused.missing == f"{OLD}Permission denied"


def test_a_kernel_that_runs_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(program: int, *arguments: int) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(connections.bpf_maps, "keys", lambda fd, size: [bytes(8)])
    monkeypatch.setattr(bpf_programs, "run", refuse)
    some = Connections(Loaded({"connections": 0}, {probes.CONNECTION_PROGRAM: 0}, ""))
    some.tell(0, lambda: pytest.fail("there is nothing to read"))
    assert some.missing == "only those that ended: the kernel runs no program for the others: Invalid argument"
