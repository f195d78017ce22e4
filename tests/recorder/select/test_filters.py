"""What can be chosen."""

import pytest

from sysmon.errors import BadRequest
from sysmon.recorder.select.filters import Filters


def test_more_names_than_the_programs_hold_are_refused() -> None:
    Filters(comms=tuple(f"name{i}" for i in range(64)))
    with pytest.raises(BadRequest, match=r"^--comm was given 65 times; at most 64 are allowed$"):
        Filters(comms=tuple(f"name{i}" for i in range(65)))
