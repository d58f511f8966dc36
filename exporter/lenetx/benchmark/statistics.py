"""Estimate percentiles and how far they can be trusted, from rounds of timed calls.

Calls of one round resemble each other (the same processor clock, the same neighbours), so intervals treat rounds, not
calls, as independent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "SOURCES", "Estimate", "differs", "median_interval", "noise", "percentile", "times_as_long"]

CONFIDENCE = 0.95
SOURCES = (
    "Intervals hold 95 % of 1,000 bootstrap resamples of whole rounds (percentile method; Davison and Hinkley, "
    "Bootstrap Methods and their Application, 1997, 3.8 and 5.3). Two rows differ if the 95 % interval of the median "
    "of their ratios, round by round, does not contain 1 (order statistics; Le Boudec, Performance Evaluation, 2010, "
    "theorem 2.1)."
)
_RESAMPLES = 1_000
_FEWEST = 6
_LEAST = 100
"""Fewest calls for a 99th percentile."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A percentile of the seconds of a call, and the ends of its interval."""

    value: float
    low: float
    high: float


def percentile(rounds: Sequence[Sequence[int]], share: float) -> Estimate | None:
    """Estimate a percentile of all calls.

    Args:
        rounds: nanoseconds of the calls of each round, at least one round, none empty.
        share: 0.5 for the median, 0.99 for the 99th percentile.

    Returns:
        The estimate in seconds; ``None`` if there are too few calls: for the median 1, for others 100.
    """
    sizes = [len(one) for one in rounds]
    if share > 0.5 and sum(sizes) < _LEAST:
        return None
    times = np.concatenate([np.asarray(one, np.float64) for one in rounds]) / 1e9
    order = np.argsort(times, kind="stable")
    times, owners = times[order], np.repeat(np.arange(len(sizes)), sizes)[order]
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), _RESAMPLES)
    found = [_weighted(times, weights[owners], share) for weights in drawn]
    low, high = np.quantile(found, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(_weighted(times, np.ones(len(times), np.int64), share), float(low), float(high))


def _weighted(times: NDArray[np.float64], counts: NDArray[np.int64], share: float) -> float:
    """Return the smallest time that at least ``share`` of the calls do not exceed; ``times`` ascend."""
    reached = counts.cumsum()
    return float(times[np.searchsorted(reached, share * reached[-1])])


def noise(medians: Sequence[float]) -> float:
    """Return the spread of the middle half of the rounds' medians, as a share of their median."""
    low, middle, high = np.quantile(medians, [0.25, 0.5, 0.75])
    return float((high - low) / middle)


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return an interval that holds the median with 95 % confidence; with fewer than 6 values, all of them."""
    ordered, count, rank = sorted(values), len(values), 0
    outside = 2 * 0.5**count  # both tails of the binomial distribution
    while (more := outside + 2 * math.comb(count, rank + 1) * 0.5**count) <= 1 - CONFIDENCE:
        rank, outside = rank + 1, more
    return ordered[rank], ordered[count - 1 - rank]


def differs(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether two rows can be told apart, given their medians of the same rounds, in order.

    Fewer than 6 rounds cannot tell any two rows apart with 95 % confidence.
    """
    low, high = median_interval(_ratios(one, other))
    return len(one) >= _FEWEST and not low <= 1 <= high


def times_as_long(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the median over the rounds of the ratio of two rows' medians."""
    return float(np.median(_ratios(one, other)))


def _ratios(one: Sequence[float], other: Sequence[float]) -> list[float]:
    return [mine / theirs for mine, theirs in zip(one, other, strict=True)]
