"""What a test or an interval does over many simulated studies of which the truth is known: the frame for all of them.

Layer: below the scenarios. The rng of a scenario has a fixed seed: the same code gives the same rates.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harness.analysis import stats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

Rng = np.random.Generator

RUNS = 200
"""Simulated studies of a scenario, where it does not say otherwise."""


class Kind(StrEnum):
    """What a share of simulated studies is of."""

    ALARM = "type-I error"
    """The test says that there is something where there is nothing, or just not: nominal 5 %."""
    COVER = "coverage"
    """The interval holds the truth: nominal 95 %."""
    POWER = "power"
    """The test finds what the formula calls detectable: nominal 80 %."""


LIMITS = {Kind.ALARM: (0.0, 0.07), Kind.COVER: (0.93, 1.0), Kind.POWER: (0.74, 0.86)}
"""Least and largest share that is accepted."""


@final
@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that each study of a scenario says yes or no to.

    Attributes:
        what: the test or interval.
        kind: what the share of studies that say yes means.
        least: smallest share that is accepted, where that of the kind is not; None for that of the kind.
    """

    what: str
    kind: Kind
    least: float | None = None

    @property
    def limits(self) -> tuple[float, float]:
        """Least and largest share that is accepted."""
        lo, hi = LIMITS[self.kind]
        return lo if self.least is None else self.least, hi


@final
@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A kind of study that is simulated again and again.

    Attributes:
        name: what is simulated.
        once: one study -> an answer for each of `checks`: yes or no, or an array of them, of which the worst counts.
        checks: what the answers are about.
        runs: how many studies quick tests simulate.
        batch: how many studies one call simulates; its answers are shares of them.
    """

    name: str
    once: Callable[[Rng], Sequence[Any]]
    checks: tuple[Check, ...]
    runs: int = RUNS
    batch: int = 1


@final
@dataclass(frozen=True, kw_only=True)
class Rate:
    """What the studies of a scenario said of one check.

    Attributes:
        scenario: its name.
        check: what was asked.
        share: share of studies that said yes; of several answers the worst.
        runs: studies.
    """

    scenario: str
    check: Check
    share: float
    runs: int

    @property
    def kept(self) -> bool:
        """Whether the share is one that is accepted."""
        lo, hi = self.check.limits
        return lo <= self.share <= hi

    @property
    def plausible(self) -> bool:
        """Whether a share that is accepted may have shown itself as this one, by a luck of one in a thousand."""
        lo, hi = self.check.limits
        noise = stats.wilson(round(self.share * self.runs), self.runs, level=0.999)
        return noise.lo <= hi and lo <= noise.hi

    @property
    def noise(self) -> stats.Interval:
        """What the share may be but for the number of studies, 95 %."""
        return stats.wilson(round(self.share * self.runs), self.runs)


def rates(scenario: Scenario, *, runs: int | None = None) -> list[Rate]:
    """What `runs` studies of a scenario say, check by check."""
    rng = np.random.default_rng(zlib.crc32(scenario.name.encode()))
    calls = -(-(runs or scenario.runs) // scenario.batch)
    answers = [scenario.once(rng) for _ in range(calls)]
    found = []
    for check, given in zip(scenario.checks, zip(*answers, strict=True), strict=True):
        shares = np.atleast_1d(np.mean(np.array(given, dtype=float), axis=0))
        share = float(shares.max() if check.kind is Kind.ALARM else shares.min())
        found.append(Rate(scenario=scenario.name, check=check, share=share, runs=calls * scenario.batch))
    return found


def settled(scenario: Scenario, *, runs: int) -> list[Rate]:
    """As `rates`; where one is not accepted, over four times as many studies: of a hundred rates some are unlucky."""
    found = rates(scenario, runs=runs)
    return found if all(one.kept for one in found) else rates(scenario, runs=4 * runs)


def alarm(what: str) -> Check:
    """A test of something that is not there."""
    return Check(what=what, kind=Kind.ALARM)


def cover(what: str, *, least: float | None = None) -> Check:
    """An interval of something that is known."""
    return Check(what=what, kind=Kind.COVER, least=least)


def holds(interval: stats.Interval, truth: float) -> bool:
    """Whether the interval covers the truth."""
    return interval.lo - 1e-12 <= truth <= interval.hi + 1e-12


def outcomes(rng: Rng, n: int, *, gap: float = 0.0) -> tuple[Floats, Floats]:
    """Two models, right or wrong, that are alike on two items of three; the first better by `gap`."""
    easy, own, shared = rng.random(n), rng.random((2, n)), rng.random((2, n)) < 0.67  # noqa: PLR2004 - two of three
    luck = np.where(shared, easy, own)
    return (luck[0] < 0.5 + gap).astype(float), (luck[1] < 0.5).astype(float)  # noqa: PLR2004 - half is right


def graded(rng: Rng, n: int) -> tuple[Floats, Floats]:
    """Two models with equal, correlated scores of mean 4 that are skewed: F1, or bits per byte."""
    hard = rng.gamma(4, 1, n)
    return hard * rng.gamma(9, 1 / 9, n), hard * rng.gamma(9, 1 / 9, n)


def clustered(rng: Rng, groups: int, *, binary: bool) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Two equal models on clusters of 1 to 9 items that share their difficulty and what either model makes of them."""
    labels = np.repeat(np.arange(groups), rng.integers(1, 10, groups))
    hard, a, b = rng.normal(0, 0.7, (3, groups))
    x, y = (hard[labels] + own[labels] + rng.normal(0, 1, len(labels)) for own in (a, b))
    return ((x > 0).astype(float), (y > 0).astype(float), labels) if binary else (x, y, labels)
