"""Which records are current: of a cell that was measured again on changed files, only the newest.

Layer: beside `frame`, which marks what this module finds. A checkpoint that was repaired, or data that were edited,
change the fingerprint of a cell and thereby its identity, so that the store keeps the older record as well.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from harness.records import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.analysis.frame import Study
    from harness.records import Cell, Record


def superseded(records: Iterable[Record]) -> frozenset[str]:
    """Ids of the cells that were measured again later with the same labels and settings, whatever came of it.

    Of records that started at the same second the one with a result is the newer one: a failure is tried again.
    """
    newest: dict[str, tuple[str, bool, str]] = {}
    ids: set[str] = set()
    for record in records:
        cell = record.cell.id
        age = (str(record.provenance.get("started") or ""), record.status is Status.OK, cell)
        key = _settings(record.cell)
        newest[key] = max(newest.get(key, age), age)
        ids.add(cell)
    return frozenset(ids - {cell for _, _, cell in newest.values()})


def current(study: Study) -> Study:
    """The study without its superseded records; `older` says how many were left out."""
    cells, numbers = study.cells, study.measurements
    old = int(cells["superseded"].sum())
    return replace(
        study,
        cells=cells[~cells["superseded"]].reset_index(drop=True),
        measurements=numbers[~numbers["superseded"]].reset_index(drop=True),
        older=study.older + old,
    )


def _settings(cell: Cell) -> str:
    """The cell as canonical JSON without what its files contained."""
    data = {one.name: getattr(cell, one.name) for one in fields(cell)}
    data["spec"] = {name: _unmarked(part) for name, part in cell.spec.items()}
    return json.dumps(data, sort_keys=True)


def _unmarked(part: Any) -> Any:
    return {key: value for key, value in part.items() if key != "fingerprint"} if isinstance(part, dict) else part
