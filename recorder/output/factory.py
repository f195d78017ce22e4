"""Chooses the output by the options."""

from __future__ import annotations

from sysmon.recorder.options import Options
from sysmon.recorder.output.flight import FlightWriter
from sysmon.recorder.output.protocol import Output
from sysmon.recorder.output.rotate import RotatingWriter
from sysmon.recorder.output.single import SingleFile


def chosen(options: Options) -> Output:
    """The output of such a recording, not yet begun. Raises CannotWrite."""
    if options.keep_last:
        return FlightWriter(options.path, options.force, options.keep_last, discard=options.discard)
    if options.rotate:
        return RotatingWriter(options.path, options.force, options.rotate)
    return SingleFile(options.path, options.force, options.max_bytes)
