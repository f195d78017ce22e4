"""What can be wrong with a file that somebody sent, or that is to be made. Each is one line: the path, the reason, what
to do.
"""

from bpf.errors import SysmonError


class NotATrace(SysmonError):
    """The file is something else, or is not there."""


class NewerTrace(SysmonError):
    """A later sysmon wrote the trace."""


class BrokenTrace(SysmonError):
    """The file was a trace, but parts are missing or damaged."""


class CannotWrite(SysmonError):
    """The file that was asked for cannot be made."""


class NoData(SysmonError):
    """There is nothing to draw: it was not recorded, or did not happen in the part that was asked for."""
