"""Whether decoding in slots computes what the model computes without a cache, on one real prompt.

Layer: torch.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, final

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.generation.rows import Row

_STEPS = 3
_EXACT, _ROUNDED = 1e-3, 2e-1


@final
class Parity:
    """Watches the first tokens of one row and compares them with one forward pass over the whole text.

    The shortest of the first rows is watched: it is the cheapest, and the one that padding and masks concern most.

    Attributes:
        difference: largest difference of a probability or of a chosen token's log-probability; None before `settle`.
        tolerance: 1e-3 for 32 bits; for fewer 0.2, or twice the distance between two neighbouring logits if that is
            more.
    """

    def __init__(self, model: Any) -> None:
        self.difference: float | None = None
        self.tolerance = _EXACT
        self._model = model
        self._row: Row | None = None
        self._logits: list[Tensor] = []

    @property
    def agrees(self) -> bool:
        """Whether the comparison was made and came out within the tolerance."""
        return self.difference is not None and self.difference <= self.tolerance

    def watch(self, rows: Sequence[Row], logits: Tensor) -> None:
        """Notes the logits `[rows, vocabulary]` that `rows` have just been extended by."""
        if self.difference is not None:
            return
        if self._row is None:
            self._row = min(rows, key=lambda row: (row.finished, len(row.prompt.tokens)))
        if self._row in rows:
            self._logits.append(logits[rows.index(self._row)].float())
        if len(self._logits) == _STEPS or any(row.finished for row in rows):
            self._settle(self._row)

    def _settle(self, row: Row) -> None:
        count = len(self._logits)
        text = torch.tensor([[*row.prompt.tokens, *row.tokens[: count - 1]]], device=self._model.device)
        kept = (
            {"logits_to_keep": count} if "logits_to_keep" in inspect.signature(self._model.forward).parameters else {}
        )
        output = self._model(input_ids=text, use_cache=False, **kept).logits[0, -count:]
        if output.dtype.itemsize < torch.float32.itemsize:
            self.tolerance = max(_ROUNDED, 2 * torch.finfo(output.dtype).eps * float(output.abs().max()))
        ours = torch.stack(self._logits).log_softmax(-1)
        reference = output.float().log_softmax(-1)
        chosen = torch.tensor(row.tokens[:count], device=ours.device)[:, None]
        apart = (ours.exp() - reference.exp()).abs().max(), (ours - reference).gather(1, chosen).abs().max()
        self.difference = float(max(apart))
