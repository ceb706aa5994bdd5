"""Hidden states -> log-likelihoods of targets: the output layer on scored positions only, in chunks.

Layer: torch. Never a log-softmax over the vocabulary: a target's logit minus the log of the sum of exponentials.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from harness.forward.body import Body

LOGIT_BYTES = 256 * 2**20
"""Bytes of fp32 logits that exist at a time, unless one position alone needs more."""

_CPU_BYTES = 30 * 2**20
"""The same on a CPU: a larger block of memory would be new from the system, page by page, for every chunk (glibc)."""


def score(body: Body, hidden: torch.Tensor, where: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood (fp32) and greedy flag of each target.

    Args:
        body: of the model.
        hidden: hidden states `[positions, width]` before the output layer.
        where: the position that predicts each target `[targets]`; a position without targets is not projected.
        targets: token ids `[targets]`.
    """
    used, inverse = np.unique(where, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    rows, wanted = inverse[order], targets[order]
    logprobs, hits = np.empty(len(where), np.float32), np.empty(len(where), bool)
    size = max(1, (_CPU_BYTES if hidden.device.type == "cpu" else LOGIT_BYTES) // (4 * body.vocabulary))
    for first in range(0, len(used), size):
        part = hidden[torch.from_numpy(used[first : first + size]).to(hidden.device)]
        here = slice(*np.searchsorted(rows, [first, first + size]))
        found = _chunk(body.logits(part), rows[here] - first, wanted[here])
        logprobs[order[here]], hits[order[here]] = found
    return logprobs, hits


def _chunk(logits: torch.Tensor, rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    at = torch.from_numpy(rows).to(logits.device)
    wanted = torch.from_numpy(targets).to(logits.device)
    logits = logits.float()
    highest = logits.amax(-1)
    chosen = logits[at, wanted] - highest[at]
    greedy = chosen == 0
    # Of equal logits the first is the likeliest, as lm-eval has it; argmax over all rows would double the time of this.
    ties = at[greedy].unique()
    best = torch.full_like(highest, -1, dtype=torch.long).index_put_((ties,), logits[ties].argmax(-1))
    total = logits.sub_(highest[:, None]).exp_().sum(-1).log_()
    return (chosen - total[at]).cpu().numpy(), (greedy & (best[at] == wanted)).cpu().numpy()
