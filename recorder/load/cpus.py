"""CPUs, from /sys/devices/system/cpu."""

from __future__ import annotations


def possible_cpus() -> int:
    """The number of values in an element of a per-CPU map: one more than the highest possible CPU number."""
    with open("/sys/devices/system/cpu/possible") as f:
        return int(f.read().strip().replace("-", ",").split(",")[-1]) + 1


def online_cpus() -> list[int]:
    """The numbers of the CPUs that are online."""
    return _cpus("online")


def present_cpus() -> list[int]:
    """The numbers of the CPUs that the machine has, offline ones included."""
    return _cpus("present")


def ticks_may_stop() -> bool:
    """Whether some CPUs stop their tick while they run a single thread (nohz_full)."""
    try:
        with open("/sys/devices/system/cpu/nohz_full") as f:
            return f.read().strip() not in ("", "(null)")
    except OSError:
        return False


def _cpus(which: str) -> list[int]:
    with open(f"/sys/devices/system/cpu/{which}") as f:
        ranges = [part.split("-") for part in f.read().strip().split(",")]
    return [cpu for r in ranges for cpu in range(int(r[0]), int(r[-1]) + 1)]
