"""Whether a difference between two recordings is more than chance: p-values from sums, in numpy.

The method and its sources are in docs/diff.md.

Calls are not independent: those of one moment share their conditions. Each recording is therefore cut into blocks of
time, and variances are taken between blocks, but never smaller than if calls were independent. All functions take
arrays, or what broadcasts to them, and return two-sided p-values; NaN where there is nothing to test.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, lgamma

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

STEPS = 300
"""Steps of the continued fraction. It needs about sqrt(df) of them."""

LARGE_DF = 1e4
"""From this many degrees of freedom on, Student's t is taken as normal: p differs by under 1 % down to p = 1e-6."""


@dataclass(frozen=True)
class Side:
    """Sums over one recording, each an array over what is compared.

    `n` counts what is tested, such as calls; `blocks` counts the blocks with any; `variance` is that of the mean or
    share, taken between blocks, NaN if there are fewer than two.
    """

    n: Array
    blocks: Array
    variance: Array


def share_p(before: Side, after: Side, hits_before: Array, hits_after: Array) -> Array:
    """Whether the share of hits, such as errors among calls, differs: chi-squared of the 2×2 table after Yates.

    The variance between blocks reduces the effective number of calls, as in Rao and Scott (1992).
    """
    with np.errstate(all="ignore"):
        pooled = (hits_before + hits_after) / (before.n + after.n)
        alone = pooled * (1 - pooled) * (1 / before.n + 1 / after.n)
        variance, df = _with_blocks(before, after, alone)
        step = (1 / before.n + 1 / after.n) / 2 * variance / alone
        distance = np.abs(hits_after / after.n - hits_before / before.n)
        return _p(np.maximum(distance - step, 0), variance, df, distance)


def order_p(before: Side, after: Side, slower: Array, ties: Array) -> Array:
    """Whether calls of one recording are slower than those of the other: Mann and Whitney (1947), corrected for ties.

    `slower` is the probability that a call of `after` is slower than one of `before`, a tie counting half: U / (n·m).
    `ties` is the sum of t³ - t over the buckets, of t calls each. Variances between blocks are those of
    placements, as in Obuchowski (1997).
    """
    with np.errstate(all="ignore"):
        n, m = before.n, after.n
        both = n + m
        alone = ((both + 1) - ties / (both * (both - 1))) / (12 * n * m)
        variance, df = _with_blocks(before, after, np.maximum(alone, 0))
        distance = np.abs(slower - 0.5)
        return _p(np.maximum(distance - 0.5 / (n * m), 0), variance, df, distance)


def rate_p(before: Side, after: Side, exposure_before: Array | float, exposure_after: Array | float) -> Array:
    """Whether counts differ by more than the exposures do: the test of two Poisson rates of Przyborowski and Wilenski
    (1940), given their sum, with a normal approximation. `variance` is here the dispersion: that of a block's count
    over its mean.
    """
    with np.errstate(all="ignore"):
        total = before.n + after.n
        known = np.logical_and(exposure_before, exposure_after)
        part = np.where(known, np.divide(exposure_after, np.add(exposure_before, exposure_after)), np.nan)
        varied = [np.maximum(s.variance, 1) for s in (before, after)]
        one, other = (np.where(np.isnan(a), np.where(np.isnan(b), 1, b), a) for a, b in (varied, varied[::-1]))
        spread = other * (1 - part) + one * part
        df = _df(before, after)
        distance = np.abs(after.n - total * part)
        return _p(np.maximum(distance - spread / 2, 0), total * part * (1 - part) * spread, df, distance)


def either(one: Array, other: Array) -> Array:
    """The smaller p of two tests, doubled as there are two (Bonferroni); of a single test, where the other is NaN."""
    both = np.minimum(2 * np.fmin(one, other), 1)
    return np.where(np.isnan(one) | np.isnan(other), np.fmin(one, other), both)


def mean_p(before: Side, after: Side, mean_before: Array, mean_after: Array) -> Array:
    """Whether the means of blocks differ: Welch (1947). NaN if either recording has fewer than two blocks."""
    with np.errstate(all="ignore"):
        variance = before.variance + after.variance
        df = variance**2 / (before.variance**2 / (before.blocks - 1) + after.variance**2 / (after.blocks - 1))
        distance = np.abs(mean_after - mean_before)
        p = _p(distance, variance, np.where(variance > 0, df, np.inf), distance)
        return np.where(np.isnan(variance), np.nan, p)


def adjusted(p: Array) -> Array:
    """p-values corrected for their number: the smallest false discovery rate at which each is significant.

    Benjamini and Hochberg (1995). NaN stays NaN and is not counted.
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known])[::-1]]
    ranks = np.arange(len(order), 0, -1)
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.minimum.accumulate(p[order] * (len(order) / ranks)), 1) if len(order) else 1
    return out


def _with_blocks(before: Side, after: Side, alone: Array) -> tuple[Array, Array]:
    """The variance of a difference, and its degrees of freedom.

    A recording of one block is assumed to vary as the other one does.
    """
    one = np.where(np.isnan(before.variance), after.variance * after.n / before.n, before.variance)
    other = np.where(np.isnan(after.variance), before.variance * before.n / after.n, after.variance)
    return np.fmax(alone, one + other), _df(before, after)


def _df(before: Side, after: Side) -> Array:
    known = [np.where(np.isnan(s.variance), 0, s.blocks - 1) for s in (before, after)]
    df = known[0] + known[1]
    return np.where(df > 0, df, np.inf)


def _p(excess: Array, variance: Array, df: Array, distance: Array) -> Array:
    """p of a distance, of which `excess` remains after the continuity correction; 1 if there is no distance."""
    t = np.where(distance == 0, 0.0, excess / np.sqrt(variance))
    return np.where(np.isnan(distance), np.nan, student_p(np.where(np.isnan(t), 0.0, t), df))


def student_p(t: Array, df: Array) -> Array:
    """The probability that |t| is at least this large, for Student's t with these degrees of freedom."""
    t, df = np.broadcast_arrays(np.abs(np.asarray(t, float)), np.asarray(df, float))
    out = np.array([erfc(x / 2**0.5) for x in t.ravel()]).reshape(t.shape)
    few = df < LARGE_DF
    if few.any():
        out[few] = _beta(df[few] / 2, np.full(int(few.sum()), 0.5), df[few] / (df[few] + t[few] ** 2))
    return out


def _beta(a: Array, b: Array, x: Array) -> Array:
    """The regularised incomplete beta function, by its continued fraction: https://dlmf.nist.gov/8.17#v."""
    swapped = x > (a + 1) / (a + b + 2)  # it converges fast below that
    a, b, x = np.where(swapped, b, a), np.where(swapped, a, b), np.where(swapped, 1 - x, x)
    log = np.vectorize(lgamma, otypes=[float])
    with np.errstate(divide="ignore"):
        front = np.exp(a * np.log(x) + b * np.log1p(-x) + log(a + b) - log(a) - log(b)) / a
    result = front * _fraction(a, b, x)
    out: Array = np.clip(np.where(swapped, 1 - result, result), 0, 1)
    return out


def _fraction(a: Array, b: Array, x: Array) -> Array:
    """1 / (1 + d1 / (1 + d2 / (1 + …))), from its end, with enough terms to converge."""
    value = np.ones_like(x)
    for step in range(STEPS, 0, -1):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        value = 1 + d / value
    return 1 / value
