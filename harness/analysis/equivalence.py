"""Better, worse, equivalent or inconclusive: what a comparison says, each word with its evidence.

Layer: above `difference`. Two families of p-values are adjusted by Holm's method, each by itself: those of "there is a
difference", and those of "it is smaller than the margin". Nothing is ever called equal because no difference was found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from harness.analysis import stats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.difference import Difference

ALPHA = 0.05
"""Level of every verdict, after adjustment."""

MARGIN = 0.01
"""Difference below which two models are as good as each other: one point of a score in 0..1."""


class Word(StrEnum):
    """What is said of `a` beside `b`."""

    BETTER = "better"
    WORSE = "worse"
    EQUIVALENT = "equivalent"
    INCONCLUSIVE = "inconclusive"


SIGNS: Mapping[str, str] = MappingProxyType({"better": "▲", "worse": "▼", "equivalent": "≈", "inconclusive": "?"})
"""The sign of each word; the word itself stands in the legend of every table and figure that uses it."""

LEGEND = "▲ better, ▼ worse, ≈ equivalent, ? inconclusive"
"""What the signs mean."""

OPPOSITE: Mapping[Word, Word] = MappingProxyType({Word.BETTER: Word.WORSE, Word.WORSE: Word.BETTER})
"""The word of `b` beside `a`, where it is another than that of `a` beside `b`."""


@final
@dataclass(frozen=True, kw_only=True)
class Claim:
    """A comparison to be judged.

    Attributes:
        a: one entry.
        b: the other.
        about: task, or `mean`.
        difference: of `a` from `b`; positive where `a` is better.
    """

    a: str
    b: str
    about: str
    difference: Difference


@final
@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A word and all that it rests on.

    Attributes:
        word: of `a` beside `b`.
        claim: what was judged.
        family: name of the family of tests that was adjusted together.
        tests: how many it holds.
        p_holm: of no difference, adjusted.
        p_equivalence: of a difference of the margin or more, not adjusted.
        p_equivalence_holm: the same, adjusted.
        margin: what counts as equivalent.
        negligible: whether the difference was shown, and shown to be smaller than the margin as well.
        required: items of this kind that it takes to show a difference of the margin with 80 % power; None where the
            scores did not vary.
    """

    word: Word
    claim: Claim
    family: str
    tests: int
    p_holm: float
    p_equivalence: float
    p_equivalence_holm: float
    margin: float
    negligible: bool
    required: int | None

    @property
    def evidence(self) -> str:
        """The numbers behind the word, in one line."""
        found = self.claim.difference
        units = f"{found.n} items" + (f" in {found.clusters} clusters" if found.clusters < found.n else "")
        line = (
            f"difference {found.value:+.4f} [{found.interval.lo:+.4f}, {found.interval.hi:+.4f}], {units}, "
            f"correlation {found.correlation:.2f}, {found.method} p = {found.p:.3g}, Holm p = {self.p_holm:.3g} "
            f"({self.tests} tests of {self.family})"
        )
        if self.word is Word.INCONCLUSIVE:
            size = f"; {self.required} items would show one of {self.margin:g}" if self.required else ""
            return f"{line}; a difference below {found.detectable:.4f} would mostly not show{size}"
        tost = f"TOST within ±{self.margin:g} p = {self.p_equivalence:.3g}, Holm p = {self.p_equivalence_holm:.3g}"
        return f"{line}; {tost}" if self.word is Word.EQUIVALENT or self.negligible else line


def tost(found: Difference, margin: float = MARGIN) -> float:
    """p-value that the true difference is `margin` or more, either way: two one-sided tests.

    Raises:
        ValueError: the margin is not positive.

    Source:
        Schuirmann (1987), Journal of Pharmacokinetics and Biopharmaceutics 15:657.
    """
    if not margin > 0:
        raise ValueError(f"margin={margin}: what counts as equivalent must be a positive difference")
    return max(found.tail(-margin), 1 - found.tail(margin))


def judge(claims: Sequence[Claim], *, family: str, margin: float = MARGIN, alpha: float = ALPHA) -> list[Verdict]:
    """A verdict on every claim of one declared family, in the given order.

    Better or worse: the adjusted p-value is below `alpha` and the interval excludes 0. Else equivalent: the adjusted
    p-value of the two one-sided tests is below `alpha`. Else inconclusive.

    Args:
        claims: all comparisons that one section of a report makes; leaving some out makes the others look surer.
        family: name of that section.
        margin: difference that does not matter.
        alpha: level after adjustment.

    Raises:
        ValueError: the margin is not positive.

    Source:
        Holm (1979), Scandinavian Journal of Statistics 6:65; Schuirmann (1987).
    """
    raw = [tost(claim.difference, margin) for claim in claims]
    differs = stats.holm([claim.difference.p for claim in claims])
    alike = stats.holm(raw)
    return [
        Verdict(
            word=_word(claim.difference, p, q, alpha=alpha), claim=claim, family=family, tests=len(claims), p_holm=p,
            p_equivalence=r, p_equivalence_holm=q, margin=margin,
            negligible=_shown(claim.difference, p, alpha=alpha) and q < alpha,
            required=claim.difference.required(margin),
        )
        for claim, p, r, q in zip(claims, differs, raw, alike, strict=True)
    ]  # fmt: skip


def seen_from(other: str, verdict: Verdict) -> Verdict:
    """The verdict with this entry second: that of the one compared with it, beside it."""
    claim = verdict.claim
    if claim.b == other:
        return verdict
    found = claim.difference
    turned = replace(found, value=-found.value, only_a=found.only_b, only_b=found.only_a,
                     interval=stats.Interval(-found.interval.hi, -found.interval.lo))  # fmt: skip
    return replace(verdict, word=OPPOSITE.get(verdict.word, verdict.word),
                   claim=Claim(a=claim.b, b=claim.a, about=claim.about, difference=turned))  # fmt: skip


def _shown(found: Difference, p: float, *, alpha: float) -> bool:
    return p < alpha and (found.interval.lo > 0 or found.interval.hi < 0)


def _word(found: Difference, p: float, q: float, *, alpha: float) -> Word:
    if _shown(found, p, alpha=alpha):
        return Word.BETTER if found.value > 0 else Word.WORSE
    return Word.EQUIVALENT if q < alpha else Word.INCONCLUSIVE
