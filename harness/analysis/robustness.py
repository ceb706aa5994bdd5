"""Study -> every frame of robustness: what varied input does to the models, paired with clean input.

Layer: above `derive`, below tables and figures. `robust_join` pairs documents, `robust_drops`, `robust_prompts`,
`robust_attacks` and `robust_domains` make the frames, `robust_stats` holds the numbers behind them.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, final

import pandas as pd

from harness.analysis import robust_attacks, robust_documents, robust_domains, robust_drops, robust_join, robust_prompts
from harness.analysis.labels import labelled
from harness.analysis.robust_attacks import Attack
from harness.analysis.robust_drops import ALL_STRICT, Scale
from harness.analysis.robust_join import TEXT, Paired, Variation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from harness.analysis.derive import Comparison
    from harness.analysis.frame import Study
    from harness.analysis.robust_documents import Documents

__all__ = ["ALL_STRICT", "Robustness", "measure", "varied"]

Made = TypeVar("Made", Paired, Attack)

ABSENT = ("entry", "model", "task", "variation", "group", "severity", "reason")
"""Columns of what could not be compared."""


@final
@dataclass(frozen=True, kw_only=True)
class Robustness:
    """Every frame of robustness; an empty one where nothing was measured of its kind.

    A drop is positive where varied input is worse, also where a lower score is better. Rows are ordered by the
    leaderboard, then by task.

    Attributes:
        drops: entry x task x text perturbation x severity: `robust_drops.DROPS`.
        curves: points of severity curves: `robust_drops.CURVES`.
        worst: worst cases of each entry and task: `robust_drops.WORST`.
        prompts: kinds of prompt variants: `robust_prompts.PROMPTS`.
        prompt_points: every variant: `robust_prompts.POINTS`.
        positions: where right options were shown and found: `robust_prompts.POSITIONS`.
        attacks: attacks beside random edits: `robust_attacks.ATTACKS`.
        attack_curve: success against queries: `robust_attacks.CURVE`.
        transfer: examples found on one model given to another: `robust_attacks.TRANSFER`.
        domains: in domain beside out of domain: `robust_domains.DOMAINS`.
        absent: what could not be compared, and why: `ABSENT`.
    """

    drops: pd.DataFrame
    curves: pd.DataFrame
    worst: pd.DataFrame
    prompts: pd.DataFrame
    prompt_points: pd.DataFrame
    positions: pd.DataFrame
    attacks: pd.DataFrame
    attack_curve: pd.DataFrame
    transfer: pd.DataFrame
    domains: pd.DataFrame
    absent: pd.DataFrame


def varied(study: Study) -> bool:
    """Whether a study has a cell whose task is varied, with a result or without."""
    return bool((study.cells["perturbation"] != "none").any())


def measure(study: Study, documents: pa.Table, comparison: Comparison) -> Robustness | None:
    """Every frame of robustness, or None where a study has neither a varied cell nor a pair of domains.

    Args:
        study: its current records.
        documents: its documents.
        comparison: its clean cells.
    """
    asked = robust_domains.asked(comparison)
    if not varied(study) and not asked:
        return None
    found = _ordered(robust_join.variations(labelled(study.cells)), comparison)
    known = robust_documents.documents(documents)
    pairs, lacking = _sorted_out([one for one in found if one.group in {*TEXT, "prompt"}], known, robust_join.paired)
    runs, missing = _sorted_out([one for one in found if one.group in {"attack", "transfer"}], known,
                                robust_attacks.attack)  # fmt: skip
    scales = _scales(comparison, found)
    texts, variants = _split(pairs, "prompt")
    own, moved = _split(runs, "transfer")
    seen = robust_prompts.positions(variants, known)
    return Robustness(
        drops=robust_drops.drops(texts, scales, known),
        curves=robust_drops.curves(texts, scales),
        worst=robust_drops.worst(texts, scales),
        prompts=robust_prompts.prompts(variants, known, seen),
        prompt_points=robust_prompts.points(variants),
        positions=seen,
        attacks=robust_attacks.attacks(own, known),
        attack_curve=robust_attacks.curve(own, known),
        transfer=robust_attacks.transfer(moved),
        domains=robust_domains.domains(comparison, known, asked),
        absent=_absent([*lacking, *missing]),
    )


def _sorted_out(
    found: Sequence[Variation], known: Documents, make: Callable[[Variation, Documents], Made | str]
) -> tuple[list[Made], list[tuple[Variation, str]]]:
    """What could be made of the variations, and those of which nothing could, with the reason."""
    made = [(one, make(one, known)) for one in found]
    return ([result for _, result in made if not isinstance(result, str)],
            [(one, result) for one, result in made if isinstance(result, str)])  # fmt: skip


def _split(found: Sequence[Made], group: str) -> tuple[list[Made], list[Made]]:
    """Those of other groups, and those of this one."""
    return ([one for one in found if one.of.group != group], [one for one in found if one.of.group == group])


def _scales(comparison: Comparison, found: Sequence[Variation]) -> dict[str, Scale]:
    """How the scores of each task are read; as the leaderboard does."""
    known = {
        str(task.task): Scale(higher=bool(task.higher), chance=float(task.chance) or float("nan"))
        for task in comparison.tasks.itertuples(index=False)
    }
    return {one.task: known.get(one.task, Scale(higher=True, chance=float("nan"))) for one in found}


def _ordered(found: Sequence[Variation], comparison: Comparison) -> list[Variation]:
    """By the leaderboard, by task, by group, by name, by severity."""
    entries = {entry: rank for rank, entry in enumerate(comparison.entries["entry"])}
    groups = {group: rank for rank, group in enumerate((*TEXT, "prompt", "attack", "transfer"))}
    return sorted(found, key=lambda one: (entries.get(one.entry, len(entries)), one.entry, one.task,
                                          groups.get(one.group, len(groups)), one.name, one.severity))  # fmt: skip


def _absent(found: Sequence[tuple[Variation, str]]) -> pd.DataFrame:
    rows = [(one.entry, one.model, one.task, one.name, one.group, one.severity, reason) for one, reason in found]
    return pd.DataFrame(rows, columns=[*ABSENT])
