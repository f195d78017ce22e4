"""Runs before the other live tests. Where it passes, every one of them must."""

import pytest

pytestmark = pytest.mark.live


@pytest.mark.quick
def test_this_machine_can_record(live_kernel: None) -> None:
    """`sysmon doctor` finds all that recording needs."""
