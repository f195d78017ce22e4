"""What happens, as text, while it happens or as it did: a table for each interval, or a line for each event.

Both go through a trace from the beginning of its window, and on with it as long as it grows.
"""

from sysmon.analyze.follow.intervals import plain
from sysmon.analyze.follow.options import Options
from sysmon.analyze.follow.pages import events

__all__ = ["Options", "events", "plain"]
