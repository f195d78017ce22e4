"""The command line of a process: its arguments, or the title that it has put in their place."""

import pytest

from sysmon.recorder.sample.processes import arguments


@pytest.mark.parametrize(
    ("area", "expected"),
    [
        (b"ls\0-l\0", [b"ls", b"-l"]),
        (b"ls", [b"ls"]),
        (b"prog\0\0", [b"prog", b""]),  # `prog ""`
        (b"prog\0\0\0", [b"prog", b"", b""]),
        (b"prog\0\0a\0\0", [b"prog", b"", b"a", b""]),
        (b"nginx: worker process" + b"\0" * 40, [b"nginx: worker process"]),
        (b"nginx: worker process\0\0", [b"nginx: worker process"]),
        (b"daemon" + b"\0" * 40, [b"daemon"]),
        (b"\0", [b""]),
    ],
)
def test_arguments_or_a_title(area: bytes, expected: list[bytes]) -> None:
    assert arguments(area) == expected
