"""Everything that a report says of quality, computed once: verdicts, forest, draws, costs, ranks, confidence.

Layer: above `comparisons`, `forest`, `costs`, `ranking` and `confidence`; below `figures`, `page` and `verdict`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from harness.analysis import comparisons, confidence, costs, draws, forest, ranking
from harness.analysis.equivalence import MARGIN

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.analysis.comparisons import Judged
    from harness.analysis.confidence import Confidence
    from harness.analysis.costs import Costs
    from harness.analysis.derive import Comparison
    from harness.analysis.forest import Forest
    from harness.analysis.frame import Study
    from harness.analysis.ranking import Ranking


@final
@dataclass(frozen=True, kw_only=True)
class Findings:
    """What one study says of quality.

    Attributes:
        study: its current records.
        comparison: who is compared on what.
        judged: every pair of entries.
        forest: differences from the baseline; None where no pair could be compared.
        costs: where every entry stands on quality against cost.
        ranking: win rates and ranks; None where there are too few entries or tasks.
        confidence: calibration; None where no log-likelihoods of options are known.
    """

    study: Study
    comparison: Comparison
    judged: Judged
    forest: Forest | None
    costs: Costs
    ranking: Ranking | None
    confidence: Confidence | None


def find(
    study: Study, comparison: Comparison, documents: pa.Table, *, baseline: str | None = None, margin: float = MARGIN
) -> Findings:
    """Everything that the current records of a study say of quality.

    Args:
        study: the current records.
        comparison: who is compared on what.
        documents: of the same study; their texts are not needed.
        baseline: entry or model that the others are compared with.
        margin: difference that does not matter.

    Raises:
        ValueError: the margin is not positive.
    """
    judged = comparisons.judged(study, comparison, documents, margin=margin)
    drawn = draws.drawn(comparison, judged.answers)
    means = draws.means(comparison, drawn) if bool(comparison.tasks["counted"].to_numpy().any()) else None
    return Findings(
        study=study, comparison=comparison, judged=judged, forest=forest.of(judged, comparison, baseline=baseline),
        costs=costs.costs(study, comparison, comparison.efficiency, means=means),
        ranking=ranking.of(comparison, drawn), confidence=confidence.measure(study, comparison, documents),
    )  # fmt: skip
