"""Study -> every frame of fine-tuning: what trainings took, what they gained, and what was forgotten.

Layer: above `derive`, below tables and figures. `finetune_join` says which cells belong together, `finetune_costs`,
`finetune_gains`, `finetune_sizes` and `finetune_switches` make the frames, `finetune_stats` holds the numbers behind
them.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from harness.analysis import (
    finetune_costs,
    finetune_gains,
    finetune_join,
    finetune_sizes,
    finetune_switches,
    robust_documents,
)
from harness.analysis.derive import FALLING
from harness.analysis.finetune_gains import TEXT, Scored
from harness.analysis.robust_drops import Scale
from harness.analysis.rows import TRAINING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    import pyarrow as pa

    from harness.analysis.derive import Comparison
    from harness.analysis.finetune_join import Evaluation
    from harness.analysis.frame import Study

__all__ = ["Finetune", "measure"]


@final
@dataclass(frozen=True, kw_only=True)
class Finetune:
    """Every frame of fine-tuning; an empty one where nothing was measured of its kind.

    Seeds of a training are replicates: frames other than `trainings` have one row for all of them.

    Attributes:
        trainings: every training, failed ones included: `finetune_costs.TRAININGS`.
        settings: what each setting took and how its losses ended: `finetune_costs.SETTINGS`.
        curves: losses and accuracy by step: `finetune_costs.CURVES`.
        gains: settings on tasks with an answer, beside the model as it is: `finetune_gains.GAINS`.
        forgetting: the same on text; its gain is negative where the model became worse.
        rivals: recipes beside each other: `finetune_gains.RIVALS`.
        sizes: scores against numbers of examples: `finetune_sizes.SIZES`.
        worth: how many examples those in a prompt are worth: `finetune_sizes.WORTH`.
        switches: what is done against overfitting: `finetune_switches.SWITCHES`.
        absent: what could not be compared, and why: `finetune_gains.ABSENT`.
    """

    trainings: pd.DataFrame
    settings: pd.DataFrame
    curves: pd.DataFrame
    gains: pd.DataFrame
    forgetting: pd.DataFrame
    rivals: pd.DataFrame
    sizes: pd.DataFrame
    worth: pd.DataFrame
    switches: pd.DataFrame
    absent: pd.DataFrame


def measure(study: Study, documents: pa.Table, comparison: Comparison) -> Finetune | None:
    """Every frame of fine-tuning, or None where nothing was trained.

    Args:
        study: its current records.
        documents: its documents.
        comparison: its clean cells.
    """
    if not (study.cells["kind"] == TRAINING).any():
        return None
    known = finetune_join.cells(study)
    order = list(dict.fromkeys(comparison.entries["model"]))
    rows = finetune_costs.ranked(finetune_join.trainings(known), order)
    made = finetune_costs.trainings(rows, finetune_join.facts(study, rows), study.measurements)
    held = robust_documents.documents(documents)
    asked = finetune_join.evaluations(known, finetune_costs.used(made))
    tried = [(one, finetune_gains.scored(one, held)) for one in asked]
    found = _ordered([one for _, one in tried if isinstance(one, Scored)], made)
    lines, prompts, scales = finetune_sizes.own(found), finetune_join.shots(known), _scales(comparison, asked)
    lacking = [(one, why) for one, why in tried if isinstance(why, str)]
    lacking += [(one.of, one.why) for one in found if one.why]
    specs = dict(zip(rows["id"], rows["subject_spec"], strict=True))
    return Finetune(
        trainings=made,
        settings=finetune_costs.settings(made),
        curves=finetune_costs.curves(made, rows, study.measurements),
        gains=finetune_gains.gains([one for one in found if one.of.kind != TEXT], scales),
        forgetting=finetune_gains.gains([one for one in found if one.of.kind == TEXT], scales),
        rivals=finetune_gains.rivals(found, scales),
        sizes=finetune_sizes.sizes(lines, prompts, held),
        worth=finetune_sizes.worth(lines, prompts, held, scales),
        switches=finetune_switches.switches(made, specs, found, scales),
        absent=finetune_gains.absent(lacking),
    )


def _scales(comparison: Comparison, found: Sequence[Evaluation]) -> dict[str, Scale]:
    """How the scores of each task are read; as the leaderboard does."""
    known = {
        str(task.task): Scale(higher=bool(task.higher), chance=float(task.chance) or float("nan"))
        for task in comparison.tasks.itertuples(index=False)
    }
    plain = {one.task: Scale(higher=one.metric not in FALLING, chance=float("nan")) for one in found}
    return {task: known.get(task, scale) for task, scale in plain.items()}


def _ordered(found: Sequence[Scored], made: pd.DataFrame) -> list[Scored]:
    """As the trainings stand; of each setting its own task first."""
    keys = finetune_costs.setting_keys(made)
    ranks = {key: rank for rank, key in enumerate(dict.fromkeys(keys))}
    return sorted(found, key=lambda one: (ranks.get(one.of.setting, len(ranks)), not one.of.own, one.of.task))
