"""`scoring=screened`, bf16 first, beside our own full precision.

Layer: torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks import machine
from benchmarks.results import Screening

if TYPE_CHECKING:
    from benchmarks.contestants import Ours
    from benchmarks.rounds import Stage
    from benchmarks.workloads import Workload


def compare(workload: Workload, stage: Stage) -> Screening:
    """Seconds of both, documents answered differently, and what the engine says of the screened rounds."""
    from harness.scoring.options import Scoring

    full, screened = stage.ours(), stage.ours()
    screened.lm.configure(Scoring(screened=True))
    little = workload.first(max(1, workload.size // 8))
    for contestant in (full, screened):
        _answers(contestant, little)
    times: dict[str, list[float]] = {"full": [], "screened": []}
    quicker = machine.Products(stage.model, dtype=torch.bfloat16)
    products, flips = [], 0
    for _ in range(stage.rounds):
        products.append(quicker.rate() / stage.products.rate())
        seconds, exact = machine.timed(lambda: _answers(full, workload))
        times["full"].append(seconds)
        seconds, quick = machine.timed(lambda: _answers(screened, workload))
        times["screened"].append(seconds)
        flips = sum(a != b for a, b in zip(workload.choices(exact), workload.choices(quick), strict=True))
    return Screening(
        name=workload.name,
        documents=workload.size,
        full=tuple(times["full"]),
        screened=tuple(times["screened"]),
        flips=flips,
        products=tuple(products),
        facts=screened.totals().get("screened", {}),
    )


def _answers(contestant: Ours, workload: Workload) -> list[float]:
    """Log-likelihood of every request."""
    return contestant.by_document([[pair for pair, _, _ in document] for document in workload.documents])
