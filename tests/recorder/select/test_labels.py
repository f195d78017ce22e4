"""What `record --label` takes."""

import pytest

from sysmon.errors import BadRequest
from sysmon.recorder.select.labels import labels


def test_labels_are_keys_and_values() -> None:
    assert labels(["version=1.2", "a.b-c_D=x=y", "empty=", "odd=\udcff"]) == {
        "version": "1.2",
        "a.b-c_D": "x=y",
        "empty": "",
        "odd": "\\xff",
    }


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["version"], "KEY=VALUE"),
        (["=1"], "the key has"),
        (["a b=1"], "the key has"),
        ([f"{'k' * 65}=1"], "the key has"),
        ([f"a={'é' * 101}"], "longer than 200 bytes"),
        (["a=1", "a=2"], "given before"),
        ([f"k{n}=" for n in range(65)], "65 labels"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(given: list[str], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        labels(given)
    assert len(labels([f"k{n}={'v' * 200}" for n in range(64)])) == 64
