"""Finds -> samples and measurements.

Layer: attacks, pure.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from harness.attacks.examples import Example
from harness.records import Measurement, Sample
from harness.tasks import metrics
from harness.tasks.cautions import truncated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.attacks.search import Found
    from harness.attacks.target import Target
    from harness.attacks.victim import Verdict


def told(sample: Sample, target: Target, found: Found, names: Sequence[str]) -> Sample:
    """The sample of a document after the attack, with what the attack took and changed.

    `acc` is by the rule of the task's primary metric, as the attack is. Only attacked documents have `success`, only
    successes `success_queries`. Where nothing won, the sample is that of the text that came closest. It is `truncated`
    where the prompt was cut before the attack or after it.

    Args:
        sample: of the text in the end.
        target: the document.
        found: how the search ended.
        names: the fields of the target's texts.
    """
    noted = {
        "acc": float(found.verdict.best in target.gold),
        "clean_acc": float(found.clean.best in target.gold),
        "attacked": float(found.attacked),
        "queries": float(found.queries),
        "query_budget": float(target.budget),
        "words": float(target.words),
    }
    if found.attacked:
        noted |= {"success": float(found.success), "words_changed": len(found.chosen) / max(1, target.words)}
    if found.success:
        noted["success_queries"] = float(found.success_query)
    if found.similarity is not None:
        noted["similarity"] = found.similarity
    return dataclasses.replace(
        sample,
        metrics={**sample.metrics, **noted},
        edits=_edits(target, found, names) if found.chosen else "",
        truncated=sample.truncated or cut(found.clean),
    )


def cut(verdict: Verdict) -> bool:
    """Whether a prompt behind a verdict of a task lost tokens on the left."""
    return any(answer.truncated for answer in verdict.answers)


def measurements(samples: Sequence[Sample]) -> list[Measurement]:
    """Accuracy under attack, success rate over the attacked documents, and what the successes took.

    `queries` is the mean over the attacked documents, `words_changed` and `similarity` over the successes. Without
    attacked documents, or without successes, the means over them are left out.
    """
    attacked = [s.metrics for s in samples if s.metrics["attacked"]]
    won = [m for m in attacked if m["success"]]
    found = [
        _mean("acc", [s.metrics["acc"] for s in samples], higher=True),
        _mean("clean_acc", [s.metrics["clean_acc"] for s in samples], higher=True),
        _mean("attack_success_rate", [m["success"] for m in attacked], higher=False),
        _mean("queries", [m["queries"] for m in attacked if "queries" in m]),
        _mean("words_changed", [m["words_changed"] for m in won if "words_changed" in m]),
        _mean("similarity", [m["similarity"] for m in won if "similarity" in m]),
    ]
    return [one for one in found if one is not None]


def cautions(samples: Sequence[Sample], targets: Sequence[Target], *, available: int) -> list[str]:
    """Sentences that a reader of the numbers must see."""
    said: list[str] = []
    n, attacked = len(samples), [i for i, s in enumerate(samples) if s.metrics["attacked"]]
    if n < available:
        said.append(f"Attacked {n} of {available} documents: a limit is in force.")
    if not attacked:
        said.append("No document was answered right, so none could be attacked.")
    idle = sum(not targets[i].most for i in attacked)
    if idle:
        said.append(f"{idle} of the {len(attacked)} attacked documents have no word that this attack may change.")
    return [*said, *truncated(samples)]


def _mean(metric: str, values: Sequence[float], *, higher: bool | None = None) -> Measurement | None:
    if not values:
        return None
    one = metrics.mean(values)
    return Measurement(metric=metric, value=one.value, n=one.n, stderr=one.stderr, higher_is_better=higher)


def _edits(target: Target, found: Found, names: Sequence[str]) -> str:
    edits = dict(zip(names, target.edits(found.chosen), strict=True))
    before = dict(zip(names, target.texts, strict=True))
    return Example(item_id="", before=before, edits=edits).as_text()
