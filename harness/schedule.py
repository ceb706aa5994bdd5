"""The order in which a run measures its probes: randomised blocks over all its jobs.

A machine drifts: it warms up, another user comes and goes. If each model were measured in one go, the drift would be
taken for a difference between models. So every block holds each model once, in random order: a block is one replicate
at one place of the probes' grids, and what drifts between blocks meets all models alike. The blocks come in the order
of information: the first points of all models before the second ones, and all points before they are repeated, so that
a run that ends early compares all models at fewer points.

Layer: above `plan`, below `execute`; stdlib only.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
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
