"""What the cells of API models would take, found out before a key is needed or a request is sent.

Layer: beside `resume`. Tasks and the API's side are imported where there is such a cell.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, final

from harness.devices import Device
from harness.nodes import build
from harness.records import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from harness.models.api.ledger import Forecast
    from harness.records import Cell


@final
@dataclasses.dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """A cell, and what it would take.

    Attributes:
        cell: the cell.
        forecast: of its requests; None where `why` says why there is none.
        why: one line; empty where there is a forecast.
        priced: day of the prices; empty without.
    """

    cell: Cell
    forecast: Forecast | None
    why: str = ""
    priced: str = ""

    @property
    def protocol(self) -> str:
        """How the task is asked; empty for `likelihood` and where it has no options."""
        return str(self.cell.spec["workload"].get("protocol", ""))

    @property
    def figures(self) -> tuple[str, ...]:
        """Requests, kept ones, tokens of prompts, new tokens and US dollars, for people."""
        one = self.forecast
        if one is None:
            return ("—",) * 5
        usd = "—" if one.usd_most is None else f"{one.usd_least:,.4f} to {one.usd_most:,.4f}"
        return f"{one.requests:,}", f"{one.kept:,}", f"{one.prompt_tokens:,}", f"{one.new_tokens:,}", usd


def total_of(found: Iterable[Rehearsed]) -> str:
    """All of them in one sentence, with how tokens were counted and of when the prices are."""
    from harness.models.api.ledger import total

    told = list(found)
    forecasts = [one.forecast for one in told if one.forecast is not None]
    how = "; ".join(dict.fromkeys(forecast.how for forecast in forecasts))
    dates = ", ".join(sorted({one.priced for one in told if one.priced}))
    lacking = sum(one.forecast is None for one in told)
    said = [f"APIs: {total(forecasts, how=how).sentence}" if forecasts else "APIs: no request"]
    said += [f"prices of {dates}"] if dates else []
    said += [f"{lacking} cells cannot be measured so"] if lacking else []
    return "; ".join(said)


def rehearse(
    cells: Iterable[Cell], nodes: Mapping[str, Mapping[str, Any]], *, aside: Mapping[str, Any], folder: Path
) -> list[Rehearsed]:
    """Every task of an API model among `cells`, asked without sending anything.

    A task under a perturbation is forecast as the task without it.

    Args:
        cells: of one job.
        nodes: by cell id, what constructs the workload.
        aside: fields of the model that stand in no cell, as its prices.
        folder: of the study, whose kept replies cost nothing.
    """
    return [
        _rehearsed(cell, nodes[cell.id], aside, folder)
        for cell in cells
        if cell.kind == "task" and cell.spec["device"]["kind"] == "api"
    ]


def _rehearsed(cell: Cell, node: Mapping[str, Any], aside: Mapping[str, Any], folder: Path) -> Rehearsed:
    from harness.models.api import subject
    from harness.tasks import run

    spec = build({**cell.spec["model"], **aside}, where="model")
    workload = build(node, where=cell.workload)
    asked = subject.rehearse(spec, Device.of(cell.spec["device"]), folder=folder)
    try:
        found = run.rehearse(getattr(workload, "task", workload), asked)
    except (ValueError, Unsupported) as error:
        return Rehearsed(cell=cell, forecast=None, why=str(error))
    return Rehearsed(cell=cell, forecast=found, priced="" if spec.prices is None else spec.prices.date)
