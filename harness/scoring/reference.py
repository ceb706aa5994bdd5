"""The yardstick: one sequence at a time, nothing shared, log-softmax in fp64. Slow, and too simple to be wrong.

Layer: torch, no lm_eval. `scoring=reference` answers with it, faster layouts are checked against it.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from harness.scoring.requests import Request

_ROWS = 64


@torch.inference_mode()
def score(model: Any, request: Request) -> tuple[float, bool]:
    """Log-likelihood in nats of the request's targets, and whether each is the most likely token."""
    ids = torch.tensor(request.row[None], dtype=torch.long, device=model.device)
    kept = len(request.targets)
    # The output layer of other positions is left out where the model can do so: up to half of the time.
    options = {"logits_to_keep": kept} if "logits_to_keep" in inspect.signature(model.forward).parameters else {}
    logits = model(input_ids=ids, **options).logits[0, -kept:]
    targets = torch.tensor(request.targets, dtype=torch.long, device=logits.device)
    total, greedy = 0.0, True
    # In parts, because fp64 copies of a whole window's logits would be the peak of a run's memory.
    for part, wanted in zip(logits.split(_ROWS), targets.split(_ROWS), strict=True):
        logprobs = torch.log_softmax(part.double(), dim=-1)
        total += logprobs.gather(1, wanted[:, None]).sum().item()
        greedy &= bool((logprobs.argmax(-1) == wanted).all())
    return total, greedy
