"""Runs before the other live tests. If it passes, every one of them must."""

import pytest

pytestmark = pytest.mark.live


@pytest.mark.quick
def test_this_machine_can_record(live_kernel: None) -> None:
    """`sysmon doctor` finds everything that recording needs."""
