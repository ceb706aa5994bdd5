"""One batch of rows being decoded: prefill, then one token a row and step on a growing key-value cache.

Layer: torch. Probes time these two calls; `engine` builds text generation on them.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@final
class Decoder:
    """Key-value cache, attention mask and positions of one batch.

    Rows are padded on the left. Where they are of one length there is no mask, so that the fastest attention runs.
    Positions count real tokens. GPT-Neo's local attention goes by the distance between two places of a row, which
    padding on the left does not change.

    Attributes:
        cache: the model's own cache after `prefill`, of the kind it chose.
    """

    def __init__(self, model: Any, rows: Sequence[Sequence[int]]) -> None:
        width = max(len(row) for row in rows)
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, width - len(row) :] = torch.tensor(row)
            mask[i, width - len(row) :] = 1
        self.cache: Any = None
        self._model = model
        self._ids = ids.to(model.device)
        self._positions = (mask.cumsum(1) - 1).clamp(min=0).to(model.device)
        self._mask = None if bool(mask.all()) else mask.to(model.device)
        self._accepted = frozenset(inspect.signature(model.forward).parameters)

    @torch.inference_mode()
    def prefill(self) -> Tensor:
        """Logits `[rows, vocabulary]` of each row's next token, after reading all rows."""
        logits = self._forward(self._ids)
        self._positions = self._positions[:, -1:]
        return logits

    @torch.inference_mode()
    def step(self, tokens: Tensor) -> Tensor:
        """Logits `[rows, vocabulary]` after appending `tokens` `[rows]`."""
        self._positions = self._positions + 1
        if self._mask is not None:
            self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        return self._forward(tokens[:, None])

    def _forward(self, ids: Tensor) -> Tensor:
        offered = {"position_ids": self._positions, "logits_to_keep": 1}
        options = {name: value for name, value in offered.items() if name in self._accepted}
        output = self._model(
            input_ids=ids, attention_mask=self._mask, past_key_values=self.cache, use_cache=True, **options
        )
        self.cache = output.past_key_values
        return output.logits[:, -1]
