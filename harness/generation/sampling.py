"""The next token of every row: the most likely one, or one drawn with the row's own random numbers.

Layer: torch.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.generation.options import Options

NOT_A_NUMBER = -1
"""Stands for the token of a row whose logits are not numbers."""


def stream(prompt: Sequence[int], *, seed: int, draw: int) -> torch.Generator:
    """Random numbers of one answer: they depend on the prompt, the seed and which draw of that prompt it is.

    They do not depend on the batch, the order of the requests or the device.
    """
    text = f"{seed}:{draw}:{','.join(map(str, prompt))}"
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def choose(logits: Tensor, options: Sequence[Options], streams: Sequence[torch.Generator]) -> list[int]:
    """Token of each row, from logits `[rows, vocabulary]` and each row's options; `NOT_A_NUMBER` where there is none.

    A draw takes one number from the row's stream, on the host, and looks it up in the cumulative probabilities where
    the logits are: one number per row goes to the device and one token comes back. Devices differ in a draw only where
    their rounding moves a boundary across the number.
    """
    # The maximum of a row is NaN if any of it is, so that one pass finds the token and the fault.
    best = logits.max(-1)
    tokens = best.indices.masked_fill(~best.values.isfinite(), NOT_A_NUMBER)
    kinds: defaultdict[tuple[float, int, float], list[int]] = defaultdict(list)
    for row, wanted in enumerate(options):
        if wanted.temperature > 0:
            kinds[wanted.temperature, wanted.top_k, wanted.top_p].append(row)
    for rows in kinds.values():
        at = torch.tensor(rows, device=logits.device)
        drawn = _draw(logits[at].float(), options[rows[0]], [streams[row] for row in rows])
        tokens[at] = torch.where(tokens[at] == NOT_A_NUMBER, NOT_A_NUMBER, drawn)
    return tokens.tolist()


def _draw(logits: Tensor, options: Options, streams: Sequence[torch.Generator]) -> Tensor:
    probabilities = _narrowed(logits / options.temperature, options).softmax(-1, dtype=torch.float64)
    numbers = torch.cat([torch.rand(1, generator=g, dtype=torch.float64) for g in streams]).to(logits.device)
    below = probabilities.cumsum(-1)
    found = torch.searchsorted(below, (numbers[:, None] * below[:, -1:]), right=True)[:, 0]
    return found.clamp(max=logits.shape[-1] - 1)


def _narrowed(logits: Tensor, options: Options) -> Tensor:
    if options.top_k:
        least = logits.topk(min(options.top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if options.top_p < 1:
        ordered, order = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        logits = logits.masked_fill((before >= options.top_p).gather(-1, order.argsort(-1)), float("-inf"))
    return logits
