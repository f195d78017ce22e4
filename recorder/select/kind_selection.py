"""Which kinds of rows a recording has."""

from __future__ import annotations

from collections.abc import Iterable

from sysmon.bpf.kind import Kind
from sysmon.bpf.kinds import DEFAULT_KINDS, KINDS, ledger, lifecycle, remarks
from sysmon.bpf.kinds.objects import OBJECT_NAME, POLLED, WITH_NAMES
from sysmon.bpf.kinds.stacks import OF_STACKS, WITH_STACKS
from sysmon.errors import BadRequest, did_you_mean

ALWAYS = frozenset(k.name for k in (lifecycle.PROCESS, *ledger.KINDS))
"""Kinds that every trace needs."""

ALSO_CALLED = {
    "files": "open and file_op",
    "sockets": "socket",
    "opens": "open",
    "execs": "exec, which is always recorded",
    "forks": "fork, which is always recorded",
    "network": "socket, connection, retransmit or dns",
    "net": "socket, connection, retransmit or dns",
    "tcp": "connection and retransmit",
    "connections": "connection",
    "retransmits": "retransmit",
    "names": "dns",
    "errors": "syscall_errors",
    "wakers": "waits",
    "wakeups": "waits",
    "wakeup": "waits",
    "locks": "waits",
    "object": "objects",
    "object_io": "objects",
    "file_io": "objects",
    "connection_io": "objects",
    "sample": "samples",
    "offcpu": "off_cpu",
    "stacks": "samples or off_cpu",
    "flamegraph": "samples or off_cpu",
    "uss": "pss",
    "smaps": "pss",
    "syscalls": "syscall_stats (or give --syscalls, for each call as an event)",
    "processes": "fork, exec and exit, which are always recorded",
}
"""Names for groups of kinds."""

LIVES = frozenset(k.name for k in (lifecycle.FORK, lifecycle.EXEC, lifecycle.EXIT))
"""Kinds that identify processes."""

UNASKED = ALWAYS | LIVES | {remarks.MARK.name}
"""Kinds that are recorded with those that `--only` names."""


def kinds(only: Iterable[str], without: Iterable[str], also: Iterable[str]) -> frozenset[str]:
    """The kinds that `--only`, `--without` and `--with` choose, each given as any number of lists.

    With `only`, process lifecycles are recorded too, so that every row has a name. Raises BadRequest.
    """
    chosen = _named("--only", only)
    left_out, more = _named("--without", without), _named("--with", also)
    if left_out & ALWAYS:
        raise BadRequest(f"--without: {_listed(left_out & ALWAYS)} cannot be left out: no trace can be read without it")
    if left_out & (chosen | more):
        raise BadRequest(f"{_listed(left_out & (chosen | more))}: both requested and left out")
    asked = ((chosen | UNASKED if chosen else DEFAULT_KINDS) | more) - left_out
    if asked & WITH_NAMES:
        asked |= {OBJECT_NAME.name, POLLED.name}
    return asked | OF_STACKS if asked & WITH_STACKS else asked


def is_asked_for(kind: Kind, also: Iterable[str]) -> bool:
    """Whether `--with` names the kind: for one that is recorded anyway, this lifts its limits."""
    return kind.name in _named("--with", also)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


def _named(option: str, lists: Iterable[str]) -> frozenset[str]:
    known = {k.name for k in KINDS if not k.edited}
    names = [name.strip() for text in lists for name in text.split(",")]
    for name in names:
        if name not in known:
            other = ALSO_CALLED.get(name.lower())
            hint = f"did you mean {other}?" if other else did_you_mean(name, known, "`sysmon schema` shows them")
            raise BadRequest(f"{option}: there is no kind {name!r}; {hint}")
    return frozenset(names)
