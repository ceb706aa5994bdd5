"""The next token of every row: the most likely one, or one drawn with the row's own random numbers.

Layer: torch.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.generation.options import Options


def stream(prompt: Sequence[int], *, seed: int, draw: int) -> torch.Generator:
    """Random numbers of one answer: they depend on the prompt, the seed and which draw of that prompt it is.

    They do not depend on the batch, the order of the requests or the device.
    """
    text = f"{seed}:{draw}:{','.join(map(str, prompt))}"
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def choose(logits: Tensor, options: Options, streams: Sequence[torch.Generator]) -> Tensor:
    """Token ids `[rows]` on the host, from logits `[rows, vocabulary]`.

    Raises:
        ValueError: if a logit is not a number.
    """
    if bool(logits.isnan().any()):
        raise ValueError("generation: the model's logits are not numbers; its weights or its dtype are at fault")
    if options.temperature == 0:
        return logits.argmax(-1).cpu()
    probabilities = _narrowed(logits.float().cpu() / options.temperature, options).softmax(-1)
    drawn = [torch.multinomial(p, 1, generator=g) for p, g in zip(probabilities, streams, strict=True)]
    return torch.cat(drawn)


def _narrowed(logits: Tensor, options: Options) -> Tensor:
    if options.top_k:
        least = logits.topk(min(options.top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if options.top_p < 1:
        ordered, order = logits.sort(descending=True)
        before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        logits = logits.masked_fill((before >= options.top_p).gather(-1, order.argsort(-1)), float("-inf"))
    return logits
