"""The p-value of each difference, from the tables of sums (`measures`), for the tests of `significance.py`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sysmon.analyze.diff import significance
from sysmon.analyze.diff.significance import Array, Side

FEW_ACTIVE = 4
"""With fewer active blocks, the variation of a command without its idle ends is not known."""


def _column(table: pa.Table, name: str) -> Array:
    """A column as floats, NULL as NaN."""
    found: Array = table[name].cast(pa.float64(), safe=False).to_numpy().astype(float)
    return found


def _active(table: pa.Table, exposures: tuple[float, float], blocks: tuple[int, int]) -> list[Array]:
    """How long each side was active, without its idle ends [s]; NaN if that is too short to know the variation."""
    lengths = []
    for which, exposure, count in zip(("before", "after"), exposures, blocks, strict=True):
        n = _column(table, f"active_blocks_{which}")
        lengths.append(np.where(n >= FEW_ACTIVE, n * exposure / count, np.nan))
    return lengths


def _agrees(whole: tuple[Array, Array], active: tuple[Array, Array], ratio: float) -> npt.NDArray[np.bool_]:
    """Where the active parts of both sides differ by `ratio`, too, in the same direction as the whole."""
    with np.errstate(all="ignore"):
        whole_up, active_up = whole[1] / whole[0], active[1] / active[0]
        more: npt.NDArray[np.bool_] = (whole_up > 1) & (active_up > ratio)
        return more | ((whole_up < 1) & (active_up < 1 / ratio))


def calls(table: pa.Table, exposures: tuple[float, float], blocks: tuple[int, int], ratio: float) -> dict[str, Array]:
    """Of rate, median, 99th percentile and errors of each call."""

    def side(which: str, count: str, variance: str) -> Side:
        columns = (f"{count}_{which}", f"blocks_{which}", f"{variance}_{which}")
        return Side(*(_column(table, c) for c in columns))

    def sides(count: str, variance: str) -> tuple[Side, Side]:
        return side("before", count, variance), side("after", count, variance)

    def share(count: str, hits: str) -> Array:
        pair = (_column(table, f"{hits}_before"), _column(table, f"{hits}_after"))
        return significance.share_p(*sides(count, f"{hits}_variance"), *pair)

    def counts(side: Side, of: int) -> Side:
        return Side(side.n, np.full(len(side.n), float(of)), side.variance)

    before, after = (counts(s, n) for s, n in zip(sides("calls", "dispersion"), blocks, strict=True))
    paces = [Side(s.blocks, s.blocks, np.full(len(s.n), np.nan)) for s in (before, after)]
    pace = significance.order_p(paces[0], paces[1], _column(table, "busier"), _column(table, "busier_ties"))
    rate = significance.either(significance.rate_p(before, after, *exposures), pace)
    order = significance.order_p(
        *sides("returned", "slower_variance"), _column(table, "slower"), _column(table, "ties")
    )
    return {
        "rate_q": significance.either(rate, _active_rate(table, exposures, blocks, ratio)),
        "p50_q": order,
        "p99_q": share("returned", "tail"),
        "errors_q": share("calls", "errors"),
    }


def _active_rate(table: pa.Table, exposures: tuple[float, float], blocks: tuple[int, int], ratio: float) -> Array:
    """p of the rates without the idle ends of each side; NaN where they contradict the rates of the whole."""
    lengths = _active(table, exposures, blocks)
    counts = [_column(table, f"active_calls_{w}") for w in ("before", "after")]
    sides = [
        Side(n, _column(table, f"active_blocks_{w}"), _column(table, f"active_dispersion_{w}"))
        for w, n in zip(("before", "after"), counts, strict=True)
    ]
    whole = [_column(table, f"calls_{w}") / (e or np.nan) for w, e in zip(("before", "after"), exposures, strict=True)]
    active = [n / length for n, length in zip(counts, lengths, strict=True)]
    p = significance.rate_p(sides[0], sides[1], lengths[0], lengths[1])
    return np.where(_agrees((whole[0], whole[1]), (active[0], active[1]), ratio), p, np.nan)


def cpu(table: pa.Table, exposures: tuple[float, float], blocks: tuple[int, int], ratio: float) -> dict[str, Array]:
    """Of the CPU time of each command."""

    def side(total: str, square: str, n: Array, exposure: Array | float) -> tuple[Side, Array]:
        """The blocks of a side, and their mean CPU time [s/s]."""
        sums = _column(table, total)
        with np.errstate(all="ignore"):
            spread = np.maximum(_column(table, square) - sums**2 / n, 0) / (n - 1)
            return Side(sums, n, spread * n / np.square(exposure)), sums / exposure

    rows, which = table.num_rows, ("before", "after")
    whole = [
        side(f"cpu_{w}_s", f"square_{w}", np.full(rows, float(n)), e or np.nan)
        for w, n, e in zip(which, blocks, exposures, strict=True)
    ]
    active = [
        side(f"active_{w}_s", f"active_square_{w}", _column(table, f"active_blocks_{w}"), length)
        for w, length in zip(which, _active(table, exposures, blocks), strict=True)
    ]
    p, p_active = (significance.mean_p(s[0][0], s[1][0], s[0][1], s[1][1]) for s in (whole, active))
    agree = _agrees((whole[0][1], whole[1][1]), (active[0][1], active[1][1]), ratio)
    return {"cpu_q": significance.either(p, np.where(agree, p_active, np.nan))}


def functions(table: pa.Table) -> dict[str, Array]:
    """Of the share of each function in the samples of its command."""
    sides = [
        Side(*(_column(table, f"{name}_{which}") for name in ("samples", "blocks", "self_variance")))
        for which in ("before", "after")
    ]
    hits = [_column(table, f"self_{which}") for which in ("before", "after")]
    return {"self_q": significance.share_p(sides[0], sides[1], hits[0], hits[1])}


def exits(table: pa.Table) -> dict[str, Array]:
    """Of the share of a command's processes that ended in each way."""
    unknown = np.full(table.num_rows, np.nan)
    sides = [Side(_column(table, f"ended_{w}"), unknown, unknown) for w in ("before", "after")]
    hits = [_column(table, f"processes_{w}") for w in ("before", "after")]
    return {"exits_q": significance.share_p(sides[0], sides[1], hits[0], hits[1])}
