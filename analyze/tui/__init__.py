"""The screen of `sysmon live` and `sysmon replay`: a cursor on a trace, moved with keys and the mouse.

`pages.py` declares what there is to see, all of it reports; a thread of its own reads (`reader.py`), and `app.py` puts
answers on the screen. Nothing of a trace reaches the terminal but as cells of text: no markup is ever parsed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmon.analyze.trace.trace import Trace
    from sysmon.analyze.tui.links import Link


def run(
    opens: Callable[[], Trace],
    file: str | None,
    *,
    at: str | None = None,
    speed: float = 1.0,
    link: Link | None = None,
) -> int:
    """Shows a trace until somebody leaves it; the exit status. `opens` is called in the thread that reads.

    `file`: of the trace, if it has one; `link`: to the recorder, if there is one. Raises SysmonError if the trace
    cannot be read.
    """
    from sysmon.analyze.tui.app import Viewer
    from sysmon.errors import SysmonError

    viewer = Viewer(opens, file=file, at=at, speed=speed, link=link)
    try:
        viewer.run()
    finally:
        viewer.leave()
    if viewer.failed and viewer.shown is None:
        raise SysmonError(viewer.failed)
    return viewer.return_code or 0
