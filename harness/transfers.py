"""What attacks found on one model of a run, tried on the others: cells that are known when all jobs are.

Layer: above `plan`; no torch.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from harness import variations
from harness.attacks.examples import is_attack
from harness.nodes import build
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.plan import Plan
    from harness.records import Cell


def crossed(plans: Sequence[Plan]) -> list[Plan]:
    """For every job that asks for transfers, the plan of its model under the adversarial examples of the others.

    It is to be measured after the attacks of all jobs.

    Args:
        plans: all jobs of a run.
    """
    attacks = {c.id: (plan, c) for plan in plans for c in plan.cells if is_attack(c)}
    found = [
        _against(plan, [pair for pair in attacks.values() if pair[1].model != plan.cells[0].model]) for plan in plans
    ]
    return [plan for plan in found if plan.cells]


def _against(plan: Plan, attacks: Sequence[tuple[Plan, Cell]]) -> Plan:
    made = [pair for cell in plan.cells if plan.transfer and _is_clean(cell) for pair in _of(cell, plan, attacks)]
    return dataclasses.replace(plan, cells=tuple(cell for cell, _ in made), nodes={c.id: node for c, node in made})


def _of(cell: Cell, plan: Plan, attacks: Sequence[tuple[Plan, Cell]]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """The transfers to one clean cell: from every attack on another model on the same task."""
    for theirs, attacked in attacks:
        if attacked.spec["workload"] != cell.spec["workload"]:
            continue
        attack = build(attacked.spec["perturbation"], where="attack")
        file = str(Store(theirs.folder).examples_path(attacked).absolute())
        transfer = plan.transfer.of(attack, victim=attacked.model, cell=attacked.id, file=file)
        yield from variations.cells(cell, plan.nodes[cell.id], [transfer])


def _is_clean(cell: Cell) -> bool:
    return cell.kind == "task" and cell.perturbation == "none"
