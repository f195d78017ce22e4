"""Shows a recording in one of the ways that there are, in a process that may not be able to read its own code."""

from __future__ import annotations

import importlib

from sysmon.analyze import follow
from sysmon.analyze.text.screen import Screen
from sysmon.analyze.trace import facts, reports, rules, views
from sysmon.analyze.viewer.session import Session
from sysmon.analyze.viewer.view import View
from sysmon.bpf.control.messages import Wanted

LATER = (
    *("encodings.idna", "multiprocessing", "pandas", "pyarrow.compute", "pyarrow.parquet", "pytz", "zoneinfo"),
    *("unicodedata", "_strptime", "locale", "stringprep"),
)
"""Modules that others import when they are used first."""


ON_SCREEN = (
    *(f"sysmon.analyze.tui.{name}" for name in ("app", "reading", "splitting", "copied")),
    *("textual.drivers.linux_driver", "textual.command"),
)
"""Modules that a screen imports when it is used."""


class ScreenLink:
    """What a screen asks of a recorder."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def follow_events(self, on: bool) -> None:
        """Whether each event is to be seen as it comes."""
        self._session.want(Wanted.EVENTS if on else Wanted.SNAPSHOTS)

    def mark(self, text: str) -> None:
        """Marks the instant of the recording. Raises SysmonError."""
        self._session.mark(text)

    def save(self, since_ns: int, until_ns: int) -> str:
        """Has a window written as a trace; the name of its file. Raises SysmonError."""
        return self._session.save(since_ns, until_ns)

    def end(self) -> None:
        """Ends the recording. Raises SysmonError."""
        self._session.end()


def preload(view: View) -> None:
    """Reads what is read when it is used first: modules and files of SQL."""
    for name in (*LATER, *(ON_SCREEN if view.name == "screen" else ())):
        importlib.import_module(name)
    views.shown()
    reports.reports()
    facts.facts()
    rules.shared_by()


def show(session: Session, view: View) -> None:
    """Shows what is recorded until it has ended, or the user has seen enough. Raises SysmonError."""
    if view.name == "screen":
        from sysmon.analyze import tui

        tui.run(session.open, view.file, link=ScreenLink(session))
        return
    options = follow.Options(view.form, view.every_ns, view.top, view.count)
    with session.open() as trace:
        if view.name == "plain":
            follow.plain(trace, Screen(), options)
        else:
            follow.events(trace, view.kinds, Screen(), options)
