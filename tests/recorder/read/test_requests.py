"""Requests in flight, as programs and kernel have them."""

import numpy as np

from sysmon.bpf import nulls
from sysmon.bpf.kinds import block
from sysmon.bpf.programs.structs import BLOCK_REQUEST
from sysmon.recorder.read import requests


def test_a_request_whose_end_was_missed_is_not_in_flight() -> None:
    found = np.zeros(4, BLOCK_REQUEST.dtype)
    found["disk_device"], found["pid"], found["start"] = 7, 5, 1
    found["made"] = (100, 300, 200, 0)
    found["issued"] = (150, 0, 250, 400)
    found["operation"][3] = block.OPERATIONS.index("flush")
    found["pid"][3] = nulls.NO_PROCESS_PID
    rows = list(requests._rows(requests._there(found, {7: 2}), 1000))
    of_process = [row for row in rows if row["pid"] == 5]
    assert [(row["requests_in_flight"], row["requests_in_queue"], row["oldest_ns"]) for row in of_process] == [
        (2, 1, 800)
    ]
    (flush,) = [row for row in rows if row["pid"] is None]
    assert (flush["operation"], flush["start"], flush["oldest_ns"]) == ("flush", None, None)
    assert requests._there(found, {}).size == 1, "the kernel does not count flushes"
