"""What a reader of symbols says: kept as it is if it is honest, refused or made harmless if not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.recorder.symbols import wire
from sysmon.recorder.symbols.wire import Frame

FRAME = Frame("ns::f(int)", "/usr/bin/x", "93ac61ec", 0x1230, "/src/x.cc", 7)


def test_an_answer_is_read_as_it_was_said() -> None:
    answers = [(0x401000, (FRAME, Frame("main", None, None, None, None, None)), None), (2**64 - 1, (), "no map")]
    assert list(wire.unpack(b"".join(map(wire.pack, answers)))) == answers


def test_long_names_are_cut_and_an_address_has_its_limit() -> None:
    packed = wire.pack((1, (Frame("f" * 10_000, "m" * 10_000, None, 1, None, None),) * 200, "w" * 10_000))
    assert len(packed) <= wire.ADDRESS_BYTES
    [(_address, frames, missing)] = wire.unpack(packed)
    assert 1 <= len(frames) <= wire.FRAMES  # 4 KiB of reason and 8 KiB a frame: 3 fit into 32 KiB
    assert {len(frame.function) for frame in frames} == {wire.NAME_BYTES} and len(missing or "") == wire.NAME_BYTES


def test_text_acts_on_no_terminal() -> None:
    [(_address, [frame], _missing)] = wire.unpack(wire.pack((1, (Frame("\x1b[2Jf\n", None, None, 0, None, 0),), None)))
    assert frame.function == "\ufffd[2Jf\ufffd"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(message: bytes) -> None:
    try:
        answers = list(wire.unpack(message))
    except wire.Malformed:
        return
    assert len(answers) * 11 <= len(message)  # an address takes 11 bytes


@given(st.integers(0, 60), st.binary(min_size=1, max_size=8))
def test_damaged_answers_are_read_or_refused(at: int, damage: bytes) -> None:
    message = bytearray(wire.pack((0x401000, (FRAME,), "why")))
    message[at : at + len(damage)] = damage
    try:
        answers = list(wire.unpack(bytes(message)))
    except wire.Malformed:
        return
    assert all(len(frames) <= wire.FRAMES for _address, frames, _missing in answers)


def test_a_length_beyond_the_message_is_refused() -> None:
    with pytest.raises(wire.Malformed):
        list(wire.unpack(wire.pack((1, (FRAME,), None))[:-1]))
