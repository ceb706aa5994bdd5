"""Cells of a study -> which trainings there are, and which cells were answered by which of them.

Layer: above `frame` and `labels`, below the frames of fine-tuning. A *recipe* is a model with a method and all its
settings but the seed and the number of examples; a *setting* is a recipe with a task and a number of examples, and its
seeds are replicates of it.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis.finetune_names import names
from harness.analysis.labels import labelled
from harness.analysis.rows import TRAINING
from harness.records import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.frame import Study

ALL = "all"
"""How many examples were asked for where no number was."""

FREE = ("seed", "n_train")
"""Settings of a training that are no part of its recipe."""

SETTING = ("id", "trained_on", "size")
"""Columns that tell settings apart."""

PLACE = ("study", "model", "device", "dtype")
"""What a cell of a trained model and one of the model as it is have in common, beside what they were asked."""

PROMPT = ("shots", "seed")
"""Settings of a task that say which examples stand in its prompt."""


@final
@dataclass(frozen=True, kw_only=True)
class Shots:
    """The model as it is with examples in its prompt.

    Attributes:
        number: of examples.
        cells: one per draw of the examples.
    """

    number: int
    cells: tuple[str, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A setting on a task: the cells of its seeds beside that of the model as it is.

    Attributes:
        id: of the recipe, on its device in its study.
        entry: of the recipe, as it is written.
        how: the method, with what sets it apart from its other recipes.
        model: label of the model.
        method: label of the method.
        trained_on: task of the training.
        size: examples that were asked for: a number as text, or `ALL`.
        n_train: examples that were trained on; NaN where no record says so.
        task: label of the task that was asked.
        workload: the same without its settings.
        kind: of the task.
        metric: its primary metric.
        shots: examples in the prompt.
        seeds: of the trainings, rising.
        cells: one per seed, in the same order.
        base: cell of the model as it is on the same task; empty where there is none.
        place: the values of `PLACE`.
        ask: how the task was asked, but for the examples in its prompt.
    """

    id: str
    entry: str
    how: str
    model: str
    method: str
    trained_on: str
    size: str
    n_train: float
    task: str
    workload: str
    kind: str
    metric: str
    shots: float
    seeds: tuple[int, ...]
    cells: tuple[str, ...]
    base: str
    place: tuple[str, ...]
    ask: str

    @property
    def own(self) -> bool:
        """Whether it was trained on the very task that it is asked."""
        return self.workload == self.trained_on

    @property
    def setting(self) -> tuple[str, str, str]:
        """What tells its setting from all others: the values of `SETTING`."""
        return (self.id, self.trained_on, self.size)


def cells(study: Study) -> pd.DataFrame:
    """The clean cells of a study with `id`, `recipe`, `how`, `size`, `train_seed` and `ask` beside `entry` and `task`.

    Args:
        study: its current records.
    """
    frame = labelled(study.cells)
    specs = [json.loads(spec) for spec in frame["subject_spec"]]
    plain = [{name: value for name, value in spec.items() if not _free(name)} for spec in specs]
    bare = frame.assign(subject_spec=[json.dumps(spec, sort_keys=True) for spec in plain], trained_on="")
    labels = labelled(bare)["entry"].to_numpy()
    asked = [{name: value for name, value in spec.items() if name.startswith("method.")} for spec in plain]
    trained = [json.dumps(spec, sort_keys=True) for spec in asked]
    places = zip(*(frame[name].astype(str) for name in ("study", "model", "method", "device", "dtype")), strict=True)
    frame = frame.assign(
        recipe=labels,
        how=_how(frame, labels, trained),
        id=["|".join([*place, spec]) for place, spec in zip(places, trained, strict=True)],
        size=[_size(spec.get("method.training.n_train")) for spec in specs],
        train_seed=[int(spec.get("method.training.seed") or 0) for spec in specs],
        ask=[_ask(spec) for spec in frame["workload_spec"]],
    )
    control = frame["control"].isin(set(frame["model"]))
    return frame[(frame["perturbation"] == "none") & ~control].reset_index(drop=True)


def _how(frame: pd.DataFrame, labels: Sequence[str], specs: Sequence[str]) -> list[str]:
    """Short names of recipes beside each other; the label without its model where a short one would name two."""
    said = names(list(dict.fromkeys(zip(frame["method"], specs, strict=True))))
    short = [said[pair] for pair in zip(frame["method"], specs, strict=True)]
    rows = pd.DataFrame({"model": frame["model"].to_numpy(), "short": short, "label": labels})
    several = rows.groupby(["model", "short"])["label"].transform("nunique") > 1
    bare = [label.removeprefix(f"{model} + ") for label, model in zip(labels, rows["model"], strict=True)]
    return [long if clash else name for long, clash, name in zip(bare, several, short, strict=True)]


def _free(name: str) -> bool:
    return name in {f"method.training.{one}" for one in FREE}


def _ask(spec: str) -> str:
    return json.dumps({name: value for name, value in json.loads(spec).items() if name not in PROMPT}, sort_keys=True)


def _size(value: Any) -> str:
    return ALL if value is None else str(value)


def trainings(known: pd.DataFrame) -> pd.DataFrame:
    """The trainings among the cells, the newest of each setting and seed; `trained_on` is the task of each."""
    rows = known[known["kind"] == TRAINING].sort_values(["started", "cell"])
    rows = rows.assign(trained_on=rows["workload"])
    return rows.drop_duplicates([*SETTING, "train_seed"], keep="last").reset_index(drop=True)


def facts(study: Study, rows: pd.DataFrame) -> list[Mapping[str, Any]]:
    """What the record of each training says beside its numbers; nothing where it cannot be read again."""
    folders = {folder.name: folder for folder in study.folders}
    found: list[Mapping[str, Any]] = []
    for name, file in zip(rows["study"], rows["file"], strict=True):
        try:
            record = Record.from_json((folders[name] / file).read_text(encoding="utf-8"))
        except (KeyError, OSError, ValueError):  # read once already: gone since, so its row says what is known
            found.append({})
            continue
        said = record.provenance.get("task")
        found.append(said if isinstance(said, dict) else {})
    return found


def evaluations(known: pd.DataFrame, used: Mapping[tuple[str, str, str], float]) -> list[Evaluation]:
    """Every setting on every task that it has a result on, seeds together.

    Args:
        known: as `cells` makes them.
        used: of each setting the examples that were trained on.
    """
    good = known[(known["kind"] == "task") & (known["status"] == "ok")].sort_values(["started", "cell"])
    plain = good[good["method"] == "none"]
    base = dict(zip(_texts(plain, (*PLACE, "task")), plain["cell"], strict=True))
    adapted = good[good["trained_on"].fillna("").astype(str) != ""]
    adapted = adapted.drop_duplicates([*SETTING, "task", "train_seed"], keep="last")
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in adapted.sort_index().sort_values("train_seed", kind="stable").to_dict("records"):
        groups.setdefault(tuple(row[name] for name in (*SETTING, "task")), []).append(row)
    return [_evaluation(rows, base, used) for rows in groups.values()]


def shots(known: pd.DataFrame) -> dict[tuple[str, ...], list[Shots]]:
    """What the model as it is was asked, by place, workload and `ask`: fewest examples in the prompt first."""
    good = known[(known["kind"] == "task") & (known["status"] == "ok") & (known["method"] == "none")]
    good = good.dropna(subset=["shots"]).sort_values(["started", "cell"])
    good = good.drop_duplicates([*PLACE, "workload", "ask", "shots", "seed"], keep="last")
    found: dict[tuple[str, ...], list[Shots]] = {}
    for (*place, number), rows in good.groupby([*PLACE, "workload", "ask", "shots"], sort=True, dropna=False):
        one = Shots(number=int(number), cells=tuple(rows.sort_values(["seed", "cell"])["cell"]))
        found.setdefault(tuple(map(str, place)), []).append(one)
    return found


def _texts(frame: pd.DataFrame, names: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in frame[list(names)].itertuples(index=False, name=None)]


def _evaluation(
    rows: Sequence[Mapping[str, Any]], base: Mapping[tuple[str, ...], str],
    used: Mapping[tuple[str, str, str], float],
) -> Evaluation:  # fmt: skip
    first = rows[0]
    setting = tuple(str(first[name]) for name in SETTING)
    place = tuple(str(first[name]) for name in PLACE)
    said = [float(row["n_train"]) for row in rows if pd.notna(row["n_train"])]
    return Evaluation(
        id=setting[0], entry=str(first["recipe"]), how=str(first["how"]), model=str(first["model"]),
        method=str(first["method"]), trained_on=setting[1], size=setting[2],
        n_train=used.get(setting, max(said) if said else _asked(setting[2])),
        task=str(first["task"]), workload=str(first["workload"]), kind=str(first["workload_kind"]),
        metric=str(first["primary_metric"]), shots=_number(first["shots"]),
        seeds=tuple(int(row["train_seed"]) for row in rows), cells=tuple(str(row["cell"]) for row in rows),
        base=base.get((*place, str(first["task"])), ""), place=place, ask=str(first["ask"]),
    )  # fmt: skip


def _asked(size: str) -> float:
    return np.nan if size == ALL else float(size)


def _number(value: Any) -> float:
    return np.nan if pd.isna(value) else float(value)
