"""What was measured, as data; every figure in the tables is derived from the raw rounds here.

Layer: stdlib only.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from benchmarks.work import Work


@final
@dataclass(frozen=True, kw_only=True)
class Speed:
    """One workload, ours and lm-eval's in turns.

    Attributes:
        name: key of `workloads.TITLES`.
        source: real or synthetic prompts.
        documents: documents or texts.
        requests: requests of all of them.
        work: token counts of the requests.
        flops: operations needed at least; see `work.Cost`.
        batch: lm-eval's batch size, the fastest of `batches`.
        batches: seconds of lm-eval on a slice at each batch size that was tried.
        ours: seconds of each round, all documents each.
        theirs: seconds of each round of lm-eval, on the share of the documents in `shares`.
        shares: share of the input tokens that each round of lm-eval had.
        products: FLOP/s of matrix products around each round.
        facts: what the engine says of its rounds, in all; see `harness.scoring.account`.
        reference: seconds of the plain reference per input token, on a sample; NaN where not measured.
        difference: largest difference of a log-likelihood in nats.
        flips: documents that are answered differently.
        left_out: requests that were not compared; see `rounds.ambiguous`.
    """

    name: str
    source: str
    documents: int
    requests: int
    work: Work
    flops: float
    batch: int
    batches: dict[int, float]
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    shares: tuple[float, ...]
    products: tuple[float, ...]
    facts: dict[str, Any]
    reference: float
    difference: float
    flips: int
    left_out: int

    @property
    def our_seconds(self) -> float:
        """Median seconds of ours on all documents."""
        return statistics.median(self.ours)

    @property
    def their_seconds(self) -> float:
        """Seconds of lm-eval's on all documents."""
        return sum(self.theirs) / sum(self.shares)

    @property
    def ratios(self) -> tuple[float, ...]:
        """lm-eval's time over ours, round by round."""
        return tuple(t / s / o for t, s, o in zip(self.theirs, self.shares, self.ours, strict=True))

    @property
    def ratio(self) -> float:
        """lm-eval's time over ours, all rounds taken together."""
        return self.their_seconds / statistics.mean(self.ours)

    @property
    def product_rate(self) -> float:
        """FLOP/s of matrix products during this workload."""
        return statistics.mean(self.products)

    @property
    def product_fraction(self) -> float:
        """Operations needed at least, over those that matrix products would have done in the time of ours."""
        return self.flops / statistics.mean(self.ours) / self.product_rate

    @property
    def bound(self) -> float:
        """The ratio if every needed operation ran at the rate of matrix products, and nothing else took time."""
        return self.their_seconds / (self.flops / self.product_rate)

    @property
    def computed(self) -> float:
        """Tokens of one round that went through the model, padding included; NaN where the engine does not say."""
        known = self.facts.get("padded_tokens") or self.facts.get("computed_tokens") or math.nan
        return known / len(self.ours)

    @property
    def padding(self) -> float:
        """Tokens computed beyond the unique ones, as a share of these."""
        return self.computed / self.work.unique - 1

    @property
    def planning_share(self) -> float:
        """Share of our time that planning took; NaN where the engine does not say."""
        return self.facts.get("planning_seconds", math.nan) / sum(self.ours)

    @property
    def reference_ratio(self) -> float:
        """The plain reference's time, extrapolated by tokens from its sample, over ours."""
        return self.reference * self.work.naive / statistics.mean(self.ours)


@final
@dataclass(frozen=True, kw_only=True)
class Screening:
    """`scoring=screened` beside our own full precision.

    Attributes:
        name: key of `workloads.TITLES`.
        documents: documents.
        full: seconds of each round in full precision.
        screened: seconds of each round of the screened mode.
        flips: documents that are answered differently.
        products: rate of matrix products in bf16 over that in full precision, before each round.
        facts: what the engine says of the last screened round.
    """

    name: str
    documents: int
    full: tuple[float, ...]
    screened: tuple[float, ...]
    flips: int
    products: tuple[float, ...]
    facts: dict[str, Any]

    @property
    def ratio(self) -> float:
        """Full precision's time over the screened mode's."""
        return sum(self.full) / sum(self.screened)

    @property
    def bound(self) -> float:
        """The ratio if everything were matrix products: in bf16, and again in full precision for the share."""
        return 1 / (1 / statistics.median(self.products) + self.rescored_share)

    @property
    def rescored_share(self) -> float:
        """Share of the documents that were scored again in the last round; NaN where the engine does not say."""
        return self.facts.get("rescored_documents", math.nan) / self.documents

    @property
    def error_bound(self) -> float:
        """The bound on the error of bf16 in nats; NaN where the engine does not say."""
        return self.facts.get("error_bound_per_root_token", math.nan)


@final
@dataclass(frozen=True, kw_only=True)
class Decoding:
    """One kind of generation, ours and another in turns.

    Attributes:
        name: `mixed lengths`, or `equal, batch N`.
        other: who is compared with.
        prompts: number of prompts.
        tokens: tokens of our answers.
        lengths: shortest, quartiles and longest answer in tokens.
        ours: seconds of each round.
        theirs: seconds of each round of the other, for as many tokens.
        same: share of the answers that are identical.
    """

    name: str
    other: str
    prompts: int
    tokens: int
    lengths: tuple[int, ...]
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    same: float

    @property
    def ratio(self) -> float:
        """The other's time over ours."""
        return sum(self.theirs) / sum(self.ours)

    @property
    def ratios(self) -> tuple[float, ...]:
        """The other's time over ours, round by round."""
        return tuple(t / o for t, o in zip(self.theirs, self.ours, strict=True))


@final
@dataclass(frozen=True, kw_only=True)
class Bandwidth:
    """Decoding one row, against the time that reading the weights takes.

    Attributes:
        token_bytes: bytes that one token reads: weights, and keys and values of half the text.
        steps: seconds of each token after the first.
        reads: seconds of reading as many bytes, after each of them.
        pieces: seconds of reading the weights themselves, matrix by matrix, after each of them.
    """

    token_bytes: float
    steps: tuple[float, ...]
    reads: tuple[float, ...]
    pieces: tuple[float, ...]

    @property
    def tokens_per_second(self) -> float:
        """Median rate of decoding."""
        return 1 / statistics.median(self.steps)

    @property
    def read_rate(self) -> float:
        """Median rate of reading, in bytes/s."""
        return self.token_bytes / statistics.median(self.reads)

    @property
    def fraction(self) -> float:
        """Share of the bound that is reached: median over the pairs of a step and the reading after it."""
        return statistics.median(read / step for read, step in zip(self.reads, self.steps, strict=True))

    @property
    def fraction_of_pieces(self) -> float:
        """The same against reading the weights matrix by matrix, as any step must that is one operation a matrix."""
        return statistics.median(read / step for read, step in zip(self.pieces, self.steps, strict=True))


@final
@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peak memory above the weights, each contestant in a process of its own, in bytes."""

    workload: str
    documents: int
    ours: int
    theirs: int

    @property
    def ratio(self) -> float:
        """Ours over lm-eval's."""
        return self.ours / self.theirs if self.theirs > 0 else math.nan
