"""When kinds were throttled: the programs decide that, and note when and why (`bpf/programs/throttle.bpf.h`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from sysmon.bpf.kinds import throttle
from sysmon.bpf.programs.structs import RATE
from sysmon.recorder.load import bpf_maps
from sysmon.recorder.load.loader import Loaded


class Throttling:
    """What the programs note. Only the latest for each kind, so read it more often than every `FULL_NS`."""

    def __init__(self, loaded: Loaded) -> None:
        self._fd = loaded.maps.get("rates")
        self._seen = dict.fromkeys(throttle.THROTTLED, 0)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the kind `step` for what was throttled since the last call. `ts` is CLOCK_BOOTTIME ns."""
        found = []
        for number, kind in enumerate(throttle.THROTTLED if self._fd is not None else ()):
            assert self._fd is not None
            raw = bpf_maps.lookup(self._fd, number.to_bytes(4, "little"), RATE.dtype.itemsize)
            (rate,) = np.frombuffer(raw, RATE.dtype)
            down_at, up_at, reason = int(rate["down_at"]), int(rate["up_at"]), int(rate["reason"])
            if down_at > self._seen[kind]:
                self._seen[kind] = down_at
                why = throttle.REASONS[reason] if reason < len(throttle.REASONS) else None
                found.append({"ts": down_at, "stepped": kind, "reason": why, "down_ns": max(0, up_at - down_at)})
        return found
