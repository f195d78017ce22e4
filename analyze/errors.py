"""What can be wrong with a file that somebody sent. Each is one line: the path, the reason, what to do."""

from bpf.errors import SysmonError


class NotATrace(SysmonError):
    """The file is something else, or is not there."""


class NewerTrace(SysmonError):
    """A later sysmon wrote the trace."""


class BrokenTrace(SysmonError):
    """The file was a trace, but parts are missing or damaged."""
