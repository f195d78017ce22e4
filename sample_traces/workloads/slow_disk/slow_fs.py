#!/usr/bin/python3
"""A FUSE file system with one file, whose reads and writes take as long as asked.

`slow_fs.py FOLDER BYTES SECONDS`: it mounts itself, prints the file's path, and serves until its standard input is
closed.
Speaks the kernel's protocol (include/uapi/linux/fuse.h) over /dev/fuse.
"""

import ctypes
import errno
import os
import stat
import struct
import sys
import threading
import time

LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, STATFS, RELEASE, FSYNC, FLUSH, INIT = (
    1, 2, 3, 4, 14, 15, 16, 17, 18, 20, 25, 26,
)  # fmt: skip
BATCH_FORGET, INTERRUPT = 42, 36

HEADER = struct.Struct("<IIQQIIII")  # len, opcode, unique, nodeid, uid, gid, pid, padding
FILE_NODE = 2
NAME = b"disk"
MOST = 1 << 17  # bytes of a write


class SlowFile:
    def __init__(self, folder: str, size: int, seconds: float) -> None:
        self.fd = os.open("/dev/fuse", os.O_RDWR)
        self.data, self.seconds = bytearray(size), seconds
        libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.fd},rootmode=40000,user_id=0,group_id=0,allow_other,max_read={MOST}"
        if libc.mount(b"slow", folder.encode(), b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")

    def serve(self) -> None:
        while True:
            try:
                request = os.read(self.fd, MOST + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # ENODEV: unmounted
            _len, opcode, unique, node, *_ = HEADER.unpack_from(request)
            if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            answer = self.answer(opcode, node, request[HEADER.size :])
            error, body = (-answer, b"") if isinstance(answer, int) else (0, answer)
            os.write(self.fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)

    def answer(self, opcode: int, node: int, body: bytes) -> bytes | int:
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHII", 7, 31, 1 << 17, 0, 16, 16, MOST, 1, 32, 0, 0, 0) + bytes(24)
        if opcode == LOOKUP:
            if body.rstrip(b"\0") != NAME:
                return errno.ENOENT
            return struct.pack("<QQQQII", FILE_NODE, 0, 3600, 3600, 0, 0) + self.attributes(FILE_NODE)
        if opcode in (GETATTR, SETATTR):
            return struct.pack("<QII", 3600, 0, 0) + self.attributes(node)
        if opcode == OPEN:
            return struct.pack("<QII", 1, 0, 0)
        if opcode == READ:
            _fh, offset, size = struct.unpack_from("<QQI", body)
            time.sleep(self.seconds)
            return bytes(self.data[offset : offset + size])
        if opcode == WRITE:
            _fh, offset, size = struct.unpack_from("<QQI", body)
            time.sleep(self.seconds)
            self.data[offset : offset + size] = body[40 : 40 + size]
            return struct.pack("<II", size, 0)
        if opcode == STATFS:
            return struct.pack("<QQQQQIIII", 1 << 20, 1 << 19, 1 << 19, 10, 5, 4096, 255, 4096, 0) + bytes(24)
        if opcode in (RELEASE, FSYNC, FLUSH):
            return b""
        return errno.ENOSYS

    def attributes(self, node: int) -> bytes:
        size, mode = (len(self.data), stat.S_IFREG) if node == FILE_NODE else (0, stat.S_IFDIR)
        return struct.pack(
            "<QQQQQQIIIIIIIIII", node, size, size // 512, 0, 0, 0, 0, 0, 0, mode | 0o700, 1, 0, 0, 0, 4096, 0
        )


if __name__ == "__main__":
    folder, size, seconds = sys.argv[1:]
    slow = SlowFile(folder, int(size), float(seconds))
    threading.Thread(target=slow.serve, daemon=True).start()
    print(os.path.join(folder, NAME.decode()), flush=True)
    sys.stdin.read()
