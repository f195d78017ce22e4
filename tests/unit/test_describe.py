"""What a trace says of itself."""

from typing import Any

import pytest

from analyze import describe
from tests import traces


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "all"),
        ({"command": ["make"]}, "only the command and its descendants"),
        ({"pids": [7, 8], "children": True}, "only pids 7, 8, and their descendants"),
    ],
)
def test_which_processes(asked: dict[str, Any], said: str) -> None:
    assert describe.followed(traces.recording(**asked)) == said  # type: ignore[arg-type]
