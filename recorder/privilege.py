"""What a process must be allowed to do to record."""

from __future__ import annotations

from recorder.errors import CannotRecord

CAPABILITIES = {"CAP_PERFMON": 38, "CAP_BPF": 39, "CAP_SYS_ADMIN": 21, "CAP_SYS_PTRACE": 19}
"""Bits of capabilities(7)."""


def effective() -> frozenset[str]:
    """Those of CAPABILITIES that this process has."""
    with open("/proc/self/status") as status:
        bits = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return frozenset(name for name, bit in CAPABILITIES.items() if bits >> bit & 1)


def may_record() -> bool:
    """Whether programs can be loaded and attached."""
    held = effective()
    return "CAP_SYS_ADMIN" in held or {"CAP_BPF", "CAP_PERFMON"} <= held


def check() -> None:
    """Raises CannotRecord."""
    if not may_record():
        raise CannotRecord("recording needs root: run it with sudo, `sudo sysmon record …`; reports need no privilege")
