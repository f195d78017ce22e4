"""Why a recording cannot be made or cannot be written, each with what to do."""

from bpf.errors import SysmonError


class CannotRecord(SysmonError):
    """This machine, or this user, cannot record."""


class NoBtf(CannotRecord):
    """The kernel does not describe its types, or not in a way that sysmon can read."""


class CannotLoad(CannotRecord):
    """The programs could not be compiled, or the kernel refused them."""


class CannotWrite(SysmonError):
    """The trace cannot be written where it was asked for."""
