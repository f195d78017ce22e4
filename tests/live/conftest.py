"""Oracles for the live tests."""

import shutil

import pytest


@pytest.fixture
def strace() -> str:
    found = shutil.which("strace")
    if not found:
        pytest.skip("strace is not installed")
    return found
