"""The yardstick: one sequence at a time, all logits, log-softmax in fp64. Slow, and too simple to be wrong.

Layer: torch, no lm_eval. Used by tests and by checks of faster engines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from harness.scoring.requests import Request


@torch.inference_mode()
def score(model: Any, request: Request) -> tuple[float, bool]:
    """Log-likelihood in nats of the request's targets, and whether each is the most likely token."""
    ids = torch.tensor([request.row], device=model.device)
    targets = torch.tensor(request.targets, device=model.device)
    logprobs = torch.log_softmax(model(input_ids=ids).logits[0].double(), dim=-1)[-len(targets) :]
    total = logprobs.gather(1, targets[:, None]).sum().item()
    return total, bool((logprobs.argmax(-1) == targets).all())
