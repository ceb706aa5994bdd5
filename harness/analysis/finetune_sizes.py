"""How many examples it takes: scores against training examples beside scores against examples in the prompt.

Layer: above `finetune_gains`, below `finetune`; pure. "k shots are worth n examples" is where the line through a
recipe's scores, straight between sizes in log n, first reaches the score of the model as it is with k examples in its
prompt; its interval is a bootstrap of both over the documents and seeds that they share.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, final

import numpy as np
import pandas as pd

from harness.analysis import finetune_stats as fs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.analysis.finetune_gains import Scored
    from harness.analysis.finetune_join import Shots
    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_drops import Scale
    from harness.analysis.robust_stats import Floats, Ints

SIZES = (
    "id", "entry", "how", "model", "method", "task", "asked", "metric", "source", "x", "seeds", "n", "value", "lo",
    "hi", "seed_sd",
)  # fmt: skip
"""Columns of curves over examples; `source` is `training` or `prompt`, `x` the number of examples."""

WORTH = (
    "id", "entry", "how", "model", "method", "task", "asked", "metric", "shots", "shots_value", "helps", "least",
    "most", "sizes", "n", "worth", "lo", "hi", "place", "sure",
)  # fmt: skip
"""Columns of the worth of examples in the prompt. `helps`: whether the score is better than without them; `place`:
`inside`, `below` or `above` the sizes that were measured; `sure`: the share of resamples that agree with it; `lo` 0 and
`hi` infinite stand for below and above."""


@final
@dataclass(frozen=True, kw_only=True)
class Line:
    """Scores of a recipe at rising numbers of examples, or of the model as it is.

    Attributes:
        keys: number of each document that all points have.
        x: numbers of examples, rising.
        tables: of each its scores, `(documents, seeds)`, more being better.
    """

    keys: Ints
    x: tuple[float, ...]
    tables: tuple[Floats, ...]

    def at(self, keys: Ints) -> Line:
        """The same on some of its documents."""
        own = np.searchsorted(self.keys, keys)
        return Line(keys=keys, x=self.x, tables=tuple(table[own] for table in self.tables))


def own(found: Sequence[Scored]) -> list[list[Scored]]:
    """Evaluations of each recipe on its own task, fewest examples first; of several ways to ask that of most sizes."""
    groups: dict[tuple[str, str], dict[str, dict[float, Scored]]] = {}
    for one in found:
        if one.of.own and math.isfinite(one.of.n_train):
            ways = groups.setdefault((one.of.id, one.of.trained_on), {})
            ways.setdefault(one.of.task, {})[one.of.n_train] = one
    best = [min(ways.values(), key=lambda way: (-len(way), _shots(way))) for ways in groups.values()]
    return [[way[size] for size in sorted(way)] for way in best]


def _shots(way: Mapping[float, Scored]) -> float:
    return next(iter(way.values())).of.shots


def sizes(
    lines: Sequence[Sequence[Scored]], prompts: Mapping[tuple[str, ...], list[Shots]], known: Documents
) -> pd.DataFrame:
    """One row per recipe and number of examples, and per model and number of examples in its prompt: `SIZES`."""
    rows, seen = [], set()
    for line in lines:
        rows += [{**_labels(one), "source": "training", "x": one.of.n_train, **_score(one.after)} for one in line]
        first = line[0]
        place = (*first.of.place, first.of.workload, first.of.ask)
        if place in seen:
            continue
        seen.add(place)
        for shot in prompts.get(place, ()):
            table = _table(shot, first.of.metric, known)
            if table is not None:
                plain = {"id": "|".join(place), "entry": first.of.model, "how": "", "method": "none"}
                rows.append({**_labels(first), **plain, "source": "prompt", "x": shot.number, **_score(table[1])})
    return pd.DataFrame(rows, columns=[*SIZES])


def _labels(one: Scored) -> dict[str, Any]:
    names = ("id", "entry", "how", "model", "method", "metric")
    return {**{name: getattr(one.of, name) for name in names}, "task": one.of.trained_on, "asked": one.of.task}


def _score(table: Floats) -> dict[str, Any]:
    found = fs.scores(table)
    return {"seeds": found.seeds, "n": found.n, "value": found.value, "lo": found.interval.lo,
            "hi": found.interval.hi, "seed_sd": found.seed_sd}  # fmt: skip


def _table(shot: Shots, metric: str, known: Documents) -> tuple[Ints, Floats] | None:
    """The documents of a prompt's draws and their scores; None where there are none."""
    rows = known.shared(list(shot.cells))
    values = known.of(metric, rows)
    good = ~np.isnan(values).any(axis=1) if len(rows) else np.zeros(0, dtype=bool)
    return (known.keys[rows[good, 0]], values[good]) if good.any() else None


def worth(
    lines: Sequence[Sequence[Scored]], prompts: Mapping[tuple[str, ...], list[Shots]], known: Documents,
    scales: Mapping[str, Scale],
) -> pd.DataFrame:  # fmt: skip
    """One row per recipe of two sizes or more and number of examples in the prompt: `WORTH`."""
    rows = []
    for line in lines:
        of = line[0].of
        sign, chosen = scales[of.task].sign, _line(line, scales[of.task].sign)
        for shot in prompts.get((*of.place, of.workload, of.ask), ()) if len(line) > 1 else ():
            table = _table(shot, of.metric, known)
            if shot.number < 1 or table is None:
                continue
            keys = np.intersect1d(chosen.keys, table[0])
            if not len(keys):
                continue
            level = sign * table[1][np.searchsorted(table[0], keys)]
            found = _worth(chosen.at(keys), level) | {"helps": _helps(line, keys, level, sign)}
            rows.append({**_labels(line[0]), "shots": shot.number, "shots_value": sign * float(level.mean()), **found})
    return pd.DataFrame(rows, columns=[*WORTH])


def _helps(line: Sequence[Scored], keys: Ints, level: Floats, sign: float) -> bool:
    """Whether a prompt with examples scores better than one without, as far as that is known."""
    first = line[0]
    if first.before is None or first.of.shots > 0:
        return True
    _, mine, theirs = np.intersect1d(first.keys, keys, return_indices=True)
    return not len(mine) or float(level[theirs].mean()) > float(sign * first.before[mine].mean())


def _line(line: Sequence[Scored], sign: float) -> Line:
    keys = reduce(np.intersect1d, [one.keys for one in line])
    tables = tuple(sign * one.after[np.searchsorted(one.keys, keys)] for one in line)
    return Line(keys=keys, x=tuple(one.of.n_train for one in line), tables=tables)


def _worth(line: Line, level: Floats) -> dict[str, Any]:
    """Where the line reaches the level, and in which share of resamples on the same side."""
    tables = (*line.tables, level)
    drawn = _drawn(tables)
    value = float(fs.crossing(line.x, np.array([table.mean() for table in line.tables]), float(level.mean())))
    found = fs.crossing(line.x, drawn[:, :-1], drawn[:, -1])
    lo, hi = np.quantile(found, (0.025, 0.975), method="closest_observation")  # some are infinite
    return {
        "least": line.x[0], "most": line.x[-1], "sizes": len(line.x), "n": len(line.keys), "worth": value, "lo": lo,
        "hi": hi, "place": _place(value), "sure": float((_places(found) == _place(value)).mean()),
    }  # fmt: skip


def _drawn(tables: Sequence[Floats]) -> Floats:
    """Means of each table over the same draws of documents, and over draws of seeds of its own: `(draws, tables)`."""
    cuts = np.cumsum([table.shape[1] for table in tables])[:-1]
    means = fs.resampled(np.column_stack([fs.widened(table) for table in tables]))
    parts = np.split(means, cuts, axis=1)
    return np.column_stack([fs.drawn_seeds(part, seed=place) for place, part in enumerate(parts)])


def _place(value: float) -> str:
    return "below" if value == 0 else "above" if math.isinf(value) else "inside"


def _places(values: Floats) -> np.ndarray:
    return np.where(values == 0, "below", np.where(np.isinf(values), "above", "inside"))
