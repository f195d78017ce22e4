"""Oracles for the live tests."""

import pytest

from tests.live.oracles.tools import find


def oracle(name: str) -> str:
    found = find(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.fixture(scope="session")
def strace() -> str:
    return oracle("strace")


@pytest.fixture(scope="session")
def perf() -> str:
    return oracle("perf")
