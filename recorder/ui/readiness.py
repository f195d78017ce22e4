"""Tells the program that started sysmon that recording has begun, so that it need not poll."""

from __future__ import annotations

import fcntl
import os

from sysmon import streams
from sysmon.errors import BadRequest

FIRST = 3
"""The lowest descriptor that may be given: those below are the standard streams."""

LINE = b"ready\n"


class Readiness:
    """Whom to tell: a descriptor that the caller opened, and the service manager, if it asks by NOTIFY_SOCKET.

    Raises BadRequest for a descriptor that is not open for writing.
    """

    def __init__(self, descriptor: int | None, notify_socket: bytes | None) -> None:
        if descriptor is not None:
            _refuse(descriptor)
            os.set_inheritable(descriptor, False)
        self._descriptor = descriptor
        self._notify_socket = notify_socket

    def tell(self) -> list[str]:
        """Tells each once, without waiting. Returns what went wrong."""
        return [*self._write(), *self._notify()]

    def _write(self) -> list[str]:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return []
        to = streams.without_blocking(descriptor)
        try:
            full = not streams.sent(to, LINE, 0)
        except OSError as error:
            return [f"--ready-fd {descriptor}: {error.strerror}"]
        finally:
            for each in {descriptor, to}:
                os.close(each)
        return [f"--ready-fd {descriptor}: nobody reads it, and it is full"] if full else []

    def _notify(self) -> list[str]:
        """As sd_notify(3) does."""
        name, self._notify_socket = self._notify_socket, None
        if not name:
            return []
        import socket  # takes 4 ms, and most recordings are no service

        address = b"\0" + name[1:] if name.startswith(b"@") else name
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as manager:
                manager.sendto(b"READY=1", address)
        except OSError as error:
            return [f"NOTIFY_SOCKET: cannot tell the service manager that recording has begun: {error}"]
        return []


def _refuse(descriptor: int) -> None:
    try:
        mode = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    except OSError:
        raise BadRequest(
            f"--ready-fd: descriptor {descriptor} is not open; in a shell, open it with {descriptor}>FILE"
        ) from None
    if mode == os.O_RDONLY:
        raise BadRequest(f"--ready-fd: descriptor {descriptor} is open for reading only")
