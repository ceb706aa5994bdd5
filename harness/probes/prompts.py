"""Random prompts: the same for every model that has the tokens, and none that a model treats apart.

Layer: probes; torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


def draw(subject: Any, *, batch: int, tokens: int, seed: int) -> Tensor:
    """Random plain tokens `[batch, tokens]` on the device where the model of `subject` takes them in.

    Tokens that the tokenizer calls special are left out: a pad or end token may be masked or end a text.
    """
    tokenizer, model = subject.tokenizer, subject.model
    special = set(tokenizer.all_special_ids)
    vocabulary = min(model.config.get_text_config().vocab_size, len(tokenizer))
    plain = torch.tensor([token for token in range(vocabulary) if token not in special])
    stream = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(plain), (batch, tokens), generator=stream)
    return plain[chosen].to(model.get_input_embeddings().weight.device)
