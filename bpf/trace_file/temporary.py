"""Where temporary files go."""

from __future__ import annotations

import errno
import os
import tempfile


def directory() -> str:
    """The directory that `tempfile` finds, but never the working directory, its last resort: anybody may own that.

    Raises OSError.
    """
    if tempfile.tempdir is None:
        found = tempfile.gettempdir()
        asked = {os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")}
        if found == os.getcwd() and found not in {*asked, "/tmp", "/var/tmp", "/usr/tmp"}:
            tempfile.tempdir = None
            raise OSError(errno.ENOSPC, "cannot write to /tmp or /var/tmp; make room, or set TMPDIR")
    return tempfile.gettempdir()
