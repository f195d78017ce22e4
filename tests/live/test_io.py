"""Bytes read and written, compared with the program that transferred them."""

import sys
from pathlib import Path

import pytest

from tests.live.recording import record_command

pytestmark = pytest.mark.live

CODE = """
import os, socket
fd = os.open("x", os.O_RDWR | os.O_CREAT)
for i in range(101): os.write(fd, b"a" * i)              # 5050 bytes
os.pwrite(fd, b"b" * 13, 3); os.pwritev(fd, [b"c" * 5, b"d" * 6], 0)
for i in range(53): os.pread(fd, 100, i)                  # 5300
os.preadv(fd, [bytearray(7), bytearray(10)], 0)
one, other = socket.socketpair()
for i in range(31): one.send(b"e" * 17); other.recv(100)  # 527
one.sendmsg([b"f" * 19]); other.recvmsg(100)
out = os.open("y", os.O_RDWR | os.O_CREAT)
os.sendfile(out, fd, 0, 1009); os.copy_file_range(fd, out, 2003, 0)
os.close(fd)
for _ in range(23):
    try: os.write(fd, b"x")
    except OSError: pass
"""


def test_bytes_equal_those_transferred(tmp_path: Path) -> None:
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", CODE, cwd=tmp_path)
    r.assert_nothing_lost()
    found = r.rows("SELECT syscall, sum(calls), sum(errors), sum(bytes) FROM syscall_stats GROUP BY ALL")
    by_name = {name: rest for name, *rest in found}
    assert by_name["write"] == [124, 23, 5050]
    assert by_name["pwrite64"] == [1, 0, 13]
    assert by_name[next(n for n in by_name if n.startswith("pwritev"))] == [1, 0, 11]
    assert by_name["pread64"][2] >= 5300
    assert by_name[next(n for n in by_name if n.startswith("preadv"))] == [1, 0, 17]
    assert by_name["sendto"] == [31, 0, 527] and by_name["recvfrom"] == [31, 0, 527]
    assert by_name["sendmsg"] == [1, 0, 19] and by_name["recvmsg"] == [1, 0, 19]
    assert by_name["sendfile"] == [1, 0, 1009]
    assert by_name["copy_file_range"] == [1, 0, 2003]
    assert by_name["execve"][2] is None and by_name["close"][2] is None
    (io,) = r.rows("SELECT written_bytes, copied_bytes, write_errors FROM report.io")
    assert io == (5050 + 13 + 11 + 527 + 19, 1009 + 2003, 23)


RECEIVED = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None)
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
PEEK, TRUNC = socket.MSG_PEEK, socket.MSG_TRUNC
for i in range(11): one.send(b"a" * 1000); other.recv(2000, PEEK); other.recv(2000, PEEK); other.recv(2000)
for i in range(7): one.send(b"b" * 1000); assert other.recv(100, TRUNC) and True
for i in range(5): one.send(b"c" * 1000); other.recvmsg_into([bytearray(30), bytearray(40)], 0, TRUNC)
for i in range(3): one.send(b"d" * 1000); other.recvmsg(2000, 0, PEEK); other.recvmsg(2000)
class iovec(ctypes.Structure): _fields_ = [("at", ctypes.c_void_p), ("length", ctypes.c_size_t)]
class msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint), ("pieces", ctypes.POINTER(iovec)),
                ("count", ctypes.c_size_t), ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int)]
class mmsghdr(ctypes.Structure): _fields_ = [("message", msghdr), ("length", ctypes.c_uint)]
def vector(lengths):
    made = (mmsghdr * len(lengths))()
    kept = [ctypes.create_string_buffer(n) for n in lengths]
    for one_of, buffer, n in zip(made, kept, lengths):
        one_of.message.pieces = ctypes.pointer(iovec(ctypes.addressof(buffer), n)); one_of.message.count = 1
    return made, kept
sent, _kept = vector([10, 20, 30, 40]); room, _room = vector([500] * 8)
assert libc.sendmmsg(one.fileno(), sent, 4, 0) == 4
assert libc.recvmmsg(other.fileno(), room, 8, PEEK | socket.MSG_DONTWAIT, None) >= 1
got = libc.recvmmsg(other.fileno(), room, 8, socket.MSG_DONTWAIT, None)
assert got == 4, got
print(os.getpid())
"""


def test_peeked_and_truncated_messages(tmp_path: Path) -> None:
    """A peek transfers nothing, a truncated message transfers what fits, and vectors have lengths."""
    r = record_command(tmp_path / "t.parquet", sys.executable, "-I", "-S", "-c", RECEIVED, cwd=tmp_path)
    assert r.status == 0, r.output
    r.assert_nothing_lost()
    bytes_of = dict(r.rows("SELECT syscall, sum(bytes) FROM syscall_stats GROUP BY ALL"))
    assert bytes_of["recvfrom"] == 11 * 1000 + 7 * 100
    assert bytes_of["recvmsg"] == 5 * 70 + 3 * 1000
    assert bytes_of["sendmmsg"] == bytes_of["recvmmsg"] == 100
    assert bytes_of["sendto"] == 26 * 1000
