"""What people say of a recording: marks while it runs, and notes in the finished trace."""

from sysmon.bpf.columns import PID, TS, UID
from sysmon.bpf.kind import Col, Kind

MOST_MARK_BYTES, MOST_NOTE_BYTES = 200, 2000
"""Of their texts, in UTF-8."""

TOO_MANY = "too many marks"
"""Loss cause of marks beyond the limits of the recorder."""

TEXT = Col("text", "text", "What was said, without control characters.", derived=True)

MARK = Kind(
    "mark",
    "marks",
    "A moment that somebody marked while it was recorded, with `sysmon mark`. `pid` and `uid` are of the process that "
    "asked for it.",
    cols=(TS, PID, UID, TEXT),
)

NOTE = Kind(
    "note",
    "notes",
    "A note that somebody added to the finished trace, with `sysmon note`: about the moment `ts`, or what began then. "
    "`pid` is the process that it is about; NULL: none.",
    cols=(
        TS,
        PID,
        TEXT,
        Col("until", "time", "End of what the note is about; NULL: it is about a moment.", "UTC", derived=True),
        Col("noted", "time", "When the note was written.", "UTC", derived=True),
    ),
    edited=True,
)

KINDS = (MARK, NOTE)
