"""Varied cells beside their clean ones, document by document, as arrays.

Layer: above `frame` and `labels`, below the frames of robustness. A varied cell is paired with the newest clean cell of
the same study, entry, task and device; what cannot be paired is told with a reason.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, final

import numpy as np

from harness.analysis.labels import varying

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from harness.analysis.robust_documents import Documents
    from harness.analysis.robust_stats import Floats, Ints

TEXT = ("strict", "soft", "fairness")
"""Groups of text perturbations, in the order in which they are shown."""

WEIGHT = "bytes"
"""Metric that bits per byte are weighted by."""

PLACE = ("study", "entry", "task", "device")
"""What a varied cell and its clean one have in common."""

FREE = frozenset({"name", "about", "group", "severity", "seed", "replicate", "replicates", "function", "format",
                  "fingerprint"})  # fmt: skip
"""Settings of a variation that are no part of its name."""

Key = tuple[str, str, str, float]
"""Entry, task, variation and severity."""


@final
@dataclass(frozen=True, kw_only=True)
class Variation:
    """The cells of one variation of one task under one entry at one severity: its draws.

    Attributes:
        entry: label of the model as it was run.
        model: bare label of the model.
        task: label of the task.
        name: label of the variation.
        group: `strict`, `soft`, `fairness`, `prompt`, `attack` or `transfer`.
        severity: its strength.
        metric: primary metric of the task.
        spec: the node of the first cell.
        cells: ids, in the order of the draws.
        labels: what each draw is, for people.
        replicates: numbers of the draws.
        clean: id of the clean cell; empty where there is none.
    """

    entry: str
    model: str
    task: str
    name: str
    group: str
    severity: float
    metric: str
    spec: Mapping[str, Any]
    cells: tuple[str, ...]
    labels: tuple[str, ...]
    replicates: tuple[int, ...]
    clean: str

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return (self.entry, self.task, self.name, self.severity)


def variations(cells: pd.DataFrame) -> list[Variation]:
    """The varied cells of tasks that have a result, draws of one variation together.

    Args:
        cells: current ones, with `entry` and `task`, as `labels.labelled` makes them.
    """
    good = cells[(cells["kind"] == "task") & (cells["status"] == "ok")].sort_values(["started", "cell"])
    whole = [*PLACE, "model", "perturbation", "severity", "primary_metric", "cell", "variation_spec"]
    rows = good[whole].to_dict("records")
    clean = {_place(row): row for row in rows if row["perturbation"] == "none"}
    varied = [row | {"node": json.loads(row["variation_spec"])} for row in rows if row["perturbation"] != "none"]
    groups: dict[tuple[Any, ...], dict[tuple[int, Any], dict[str, Any]]] = {}
    for row, name in zip(varied, _names(varied), strict=True):
        draw = row["node"].get("replicate") or 0
        own = groups.setdefault((*_place(row), name, row["severity"]), {})
        own[int(draw), row["node"].get("seed")] = row | {"name": name, "draw": int(draw)}  # the newest of the same
    drawn = [sorted(own.values(), key=lambda row: (row["draw"], row["cell"])) for own in groups.values()]
    return _once([_variation(own, clean.get(_place(own[0]))) for own in drawn])


def _place(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in PLACE)


def _variation(draws: Sequence[Mapping[str, Any]], clean: Mapping[str, Any] | None) -> Variation:
    """The draws as one variation beside the clean cell, where there is one."""
    first = draws[0]
    return Variation(
        entry=first["entry"], model=first["model"], task=first["task"], name=first["name"],
        severity=float(first["severity"]), group=str(first["node"].get("group", "")), spec=first["node"],
        metric=str((clean or first)["primary_metric"]), cells=tuple(row["cell"] for row in draws),
        labels=tuple(_format(row["node"]) for row in draws), replicates=tuple(row["draw"] for row in draws),
        clean="" if clean is None else str(clean["cell"]),
    )  # fmt: skip


def _once(found: Sequence[Variation]) -> list[Variation]:
    """Of the same variation in several studies or on several devices under one label the one with most draws."""
    kept: dict[Key, Variation] = {}
    for one in found:
        held = kept.get(one.key)
        if held is None or (bool(one.clean), len(one.cells)) > (bool(held.clean), len(held.cells)):
            kept[one.key] = one
    return list(kept.values())


def _names(varied: Sequence[Mapping[str, Any]]) -> list[str]:
    """The perturbation's label with the settings that vary under it (a scope, a budget of queries)."""
    names, settings = [], []
    for row in varied:
        node, name = row["node"], str(row["perturbation"])
        moved = node.get("group") == "transfer"
        names.append(f"{node.get('attack', 'attack')} from {node.get('victim', '?')}" if moved else name)
        known = {} if moved or node.get("group") == "prompt" else node
        settings.append({key: value for key, value in known.items() if key not in FREE})
    return varying(names, settings)


def _format(node: Mapping[str, Any]) -> str:
    """What a draw of a variation is: the fields of its format; empty where it has none."""
    shape = node.get("format")
    if isinstance(shape, dict):
        return ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted(shape.items()))
    return "" if shape is None else str(shape)


@final
@dataclass(frozen=True, kw_only=True)
class Paired:
    """A variation on the documents that it shares with its clean cell.

    Attributes:
        of: the variation.
        keys: number of each document.
        rows: where the documents stand: the clean cell's first, then one column per draw.
        clean: scores on clean input.
        varied: scores, one column per draw.
        weights: bytes of the documents, in the order of `rows`; None where documents count alike.
    """

    of: Variation
    keys: Ints
    rows: NDArray[np.intp]
    clean: Floats
    varied: Floats
    weights: Floats | None

    def at(self, keys: Ints) -> Paired:
        """The same on some of its documents."""
        if np.array_equal(keys, self.keys):
            return self
        own = np.searchsorted(self.keys, keys)
        weights = None if self.weights is None else self.weights[own]
        return replace(self, keys=keys, rows=self.rows[own], clean=self.clean[own], varied=self.varied[own],
                       weights=weights)  # fmt: skip


def paired(one: Variation, known: Documents) -> Paired | str:
    """The variation beside its clean cell, or the reason why there is nothing to compare."""
    if not one.clean:
        return "its clean cell has no result to compare with"
    if one.clean not in known.slices:
        return "the documents of its clean cell were not kept or cannot be read"
    cells = [one.clean, *one.cells]
    rows = known.shared(cells)
    if not len(rows):
        return "it shares no document with its clean cell"
    scores = known.of(one.metric, rows)
    good = ~np.isnan(scores).any(axis=1)
    if not good.any():
        return f"{one.metric or 'its metric'} is not known for single documents, so nothing can be paired"
    rows, scores = rows[good], scores[good]
    weights = known.of(WEIGHT, rows) if one.metric == "bits_per_byte" else None
    if weights is not None and np.isnan(weights).any():
        weights = None
    return Paired(of=one, keys=known.keys[rows[:, 0]], rows=rows, clean=scores[:, 0], varied=scores[:, 1:],
                  weights=weights)  # fmt: skip


def by_task(found: Sequence[Paired]) -> Iterator[tuple[tuple[str, str], list[Paired]]]:
    """Those of each entry and task together, in order of their first."""
    groups: dict[tuple[str, str], list[Paired]] = {}
    for one in found:
        groups.setdefault((one.of.entry, one.of.task), []).append(one)
    yield from groups.items()


def common(found: Sequence[Paired]) -> Ints:
    """The documents that all of them have."""
    first = found[0].keys
    if all(np.array_equal(first, other.keys) for other in found[1:]):
        return first
    return reduce(np.intersect1d, [one.keys for one in found])
