"""The order in which a run measures: quality cells by model, probes in randomised blocks over all its jobs.

A machine drifts: it warms up, another user comes and goes. If each model were measured in one go, the drift would be
taken for a difference between models. So every block holds each model once, in random order: a block is one replicate
at one place of the probes' grids, and what drifts between blocks meets all models alike. The blocks come in the order
of information: the first points of all models before the second ones, and all points before they are repeated, so that
a run that ends early compares all models at fewer points.

Layer: above `plan`, below `execute`; stdlib only.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.plan import Plan
    from harness.records import Cell


@final
@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells of one subject that one process measures, and their place in the order of a run.

    Attributes:
        plan: where they come from.
        cells: one cell of a probe; several where the probe says `isolate: false`.
        replicate: which of the repetitions of its points it belongs to, counted from 0.
        place: of its first cell in the probe's grid, counted from 0.
    """

    plan: Plan
    cells: tuple[Cell, ...]
    replicate: int
    place: int


def merged(plans: Iterable[Plan]) -> tuple[Plan, ...]:
    """Plans that load the same model to the same place as one, so that it is loaded once; each cell stands in one.

    What is measured does not depend on it: every adapter is taken off again before the next one.
    """
    alike: dict[str, list[Plan]] = {}
    for plan in plans:
        alike.setdefault(_subject(plan), []).append(plan)
    return tuple(_joined(group) for group in alike.values())


def _subject(plan: Plan) -> str:
    first = plan.cells[0].spec
    return json.dumps([first["model"], first["device"], plan.aside, str(plan.folder), plan.retry], sort_keys=True)


def _joined(plans: Sequence[Plan]) -> Plan:
    cells = {cell.id: cell for plan in plans for cell in plan.cells}
    return replace(
        plans[0],
        cells=tuple(cells.values()),
        nodes={key: node for plan in reversed(plans) for key, node in plan.nodes.items()},
        commands={cell.id: plan.command for plan in reversed(plans) for cell in plan.cells},
    )


def blocks(plans: Sequence[Plan]) -> tuple[Group, ...]:
    """The probe cells of all `plans` as groups in the order in which they are to be measured, each cell once.

    The order within a block is drawn by a hash of the study's name, the replicate, the place and the cell: it is the
    same in every run of a study, and a further model leaves the order of the others as it is.
    """
    seen = set[str]()
    return tuple(sorted((group for plan in plans for group in _groups(plan, seen)), key=_rank))


def _groups(plan: Plan, seen: set[str]) -> Iterable[Group]:
    places = Counter[tuple[str, str, str, int]]()
    shared: dict[tuple[str, str, str, int], list[Cell]] = {}
    for cell in plan.cells:
        if cell.kind != "probe" or cell.id in seen:
            continue
        seen.add(cell.id)
        key = (cell.model, cell.method, cell.workload, cell.replicate)
        if plan.nodes[cell.id].get("isolate", True):
            yield Group(plan=plan, cells=(cell,), replicate=cell.replicate, place=places[key])
        else:
            shared.setdefault(key, []).append(cell)
        places[key] += 1
    for cells in shared.values():
        yield Group(plan=plan, cells=tuple(cells), replicate=cells[0].replicate, place=0)


def _rank(group: Group) -> tuple[int, int, str]:
    drawn = f"{group.plan.study}/{group.replicate}/{group.place}/{group.cells[0].id}"
    return group.replicate, group.place, hashlib.sha256(drawn.encode()).hexdigest()
