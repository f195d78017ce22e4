"""Finds the recording that is to be marked, among those that run and that this user may mark."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator

from sysmon.bpf.control import places
from sysmon.bpf.control.client import Client, NoAnswer
from sysmon.bpf.control.places import Place
from sysmon.errors import BadRequest, SysmonError
from sysmon.safe_text import shell_word

MOST_TRIED = 256
"""Sockets that are tried: a user may make as many as he likes where root looks for them."""

NOBODY_WAITS_S = 0.0
"""How long to wait for a connection only to see whether somebody listens."""


class NoRecording(SysmonError):
    """There is none that this user may mark."""


@contextlib.contextmanager
def chosen(uid: int, runtime: str | None, name: str | None) -> Iterator[Client]:
    """A connection to the recording of this name; None: to the only one. `runtime`: $XDG_RUNTIME_DIR.

    Raises NoRecording, BadRequest if there are several, NoAnswer.
    """
    with places.sockets(uid, runtime) as found:
        wanted = [place for place in found if name is None or name in (place.name, place.full_name)]
        run = list(_running(wanted[:MOST_TRIED]))
        if not run:
            raise NoRecording(_none(uid, name, _running(found[:MOST_TRIED])))
        if len(run) > 1:
            names = _names(run)
            raise BadRequest(f"{len(run)} recordings run, {', '.join(names)}: choose one, as with --to {names[0]}")
        with run[0].connect() as client:
            yield client


def _running(places_: Iterable[Place]) -> Iterator[Place]:
    """Those where somebody listens: a recorder that was killed leaves its socket."""
    for place in places_:
        with contextlib.suppress(OSError):
            with contextlib.suppress(NoAnswer):  # it is stopped, or has many clients
                place.connect(NOBODY_WAITS_S).close()
            yield place


def _names(run: list[Place]) -> list[str]:
    """What to type for each, as words of a command."""
    often = Counter(place.name for place in run)
    return [shell_word(place.name if often[place.name] == 1 else place.full_name) for place in run]


def _none(uid: int, name: str | None, others: Iterable[Place]) -> str:
    of_others = "" if uid == 0 else "; `sudo sysmon mark` reaches those of all users"
    if name is None:
        return f"no recording runs that this user may mark{of_others}"
    names = _names(list(others))
    hint = f"there {'is' if len(names) == 1 else 'are'} {', '.join(names)}" if names else f"none runs{of_others}"
    return f"no recording named {shell_word(name)} runs that this user may mark; {hint}"
