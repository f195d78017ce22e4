"""The errors that a user can act on.

`sysmon.main()` prints their text as one line and exits with their status; everything else is a defect and keeps its
traceback. The text says what is wrong and what to do.
"""

import difflib
from collections.abc import Iterable, Mapping


class SysmonError(Exception):
    """Base of all errors caused by the user's situation rather than by a defect of sysmon."""

    exit_status = 1


class BadRequest(SysmonError):
    """The request contradicts itself, or names something that does not exist, such as an unknown report."""

    exit_status = 2


def did_you_mean(name: str, known: Iterable[str], otherwise: str, typed: Mapping[str, str] | None = None) -> str:
    """The end of a message about an unknown name: similar names or, if there are none, where to find them.

    `typed`: what to type for some of the names.
    """
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"did you mean {' or '.join((typed or {}).get(n, n) for n in near)}?" if near else otherwise


class CannotRecord(SysmonError):
    """This machine, or this user, cannot record."""


class NoBtf(CannotRecord):
    """The kernel does not describe its types, or not in a form that sysmon can read."""


class CannotLoad(CannotRecord):
    """The programs could not be compiled, or the kernel refused them."""


class CannotWrite(SysmonError):
    """The requested file cannot be created, or not there."""


class NotATrace(SysmonError):
    """The file is something else, or does not exist."""


class NewerTrace(SysmonError):
    """A later sysmon wrote the trace."""


class BrokenTrace(SysmonError):
    """The file was a trace, but parts are missing or damaged."""


class NoData(SysmonError):
    """There is nothing to draw: it was not recorded, or did not happen in the chosen part."""
