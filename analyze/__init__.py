"""From a trace to answers: anywhere, as any user, without bcc and without a kernel."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sysmon.analyze.api import Trace


def open_trace(path: str | os.PathLike[str], **chosen: Any) -> Trace:
    """The former name of `sysmon.open`, for scripts in a checkout."""
    from sysmon.analyze.api import Trace

    warnings.warn("analyze.open_trace is sysmon.open now", DeprecationWarning, stacklevel=2)
    return Trace(path, **chosen)
