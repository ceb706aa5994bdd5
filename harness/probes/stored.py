"""The family's formulas for a model whose weights are quantised: as many operations, other bytes.

Layer: probes; torch.

Bytes are those of the parameters as they lie in memory (packed values, scales, codes), counted on the loaded model;
what is not quantised, keys and values included, keeps the formulas' size. A kernel that unpacks a matrix before it
multiplies moves more than that: this is what must be moved, as everywhere in `utilisation`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.meters import memory
from harness.models.families import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from torch import nn

    from harness.models.costs import Costs


@final
@dataclass(frozen=True, kw_only=True)
class Stored:
    """What probes ask of `harness.models.costs.Costs`, with the bytes of the weights as they are stored.

    Attributes:
        formulas: of the same model without quantisation.
        weights: bytes of all parameters, counted.
        largest: values of the largest quantised matrix, which may lie unpacked beside the weights for a while.
    """

    formulas: Costs
    weights: int
    largest: int

    @classmethod
    def of(cls, model: nn.Module, formulas: Costs) -> Self:
        """The costs of a loaded `model`, whose formulas before quantisation are given."""
        sizes = [_values(parameter) for parameter in model.parameters() if _quantised(parameter)]
        return cls(formulas=formulas, weights=memory.weights_bytes(model), largest=max(sizes, default=0))

    def flops_per_token(self, context: int) -> int:
        """As `Costs.flops_per_token`: quantised weights are multiplied as often."""
        return self.formulas.flops_per_token(context)

    def prefill_flops(self, tokens: int, kept: int = 1, batch: int = 1) -> int:
        """As `Costs.prefill_flops`."""
        return self.formulas.prefill_flops(tokens, kept=kept, batch=batch)

    def decode_step_flops(self, batch: int, context: int) -> int:
        """As `Costs.decode_step_flops`."""
        return self.formulas.decode_step_flops(batch, context)

    def decode_step_bytes(self, batch: int, context: int, dtype: str) -> int:
        """Bytes that one step must move, the weights as they are stored."""
        return self.formulas.decode_step_bytes(batch, context, dtype) + self._less(dtype)

    def prefill_bytes(self, batch: int, tokens: int, dtype: str) -> int:
        """Bytes that reading prompts must move, the weights as they are stored."""
        return self.formulas.prefill_bytes(batch, tokens, dtype) + self._less(dtype)

    def predicted_peak_bytes(self, *, dtype: str, **point: Any) -> int:
        """As `Costs.predicted_peak_bytes`, with the weights as they are stored and one matrix unpacked beside them."""
        unpacked = self.largest * BYTES_PER_ELEMENT[dtype]
        return self.formulas.predicted_peak_bytes(dtype=dtype, **point) + self._less(dtype) + unpacked

    def _less(self, dtype: str) -> int:
        """What quantising added to the bytes of the weights: less than 0. Lookup tables are not quantised."""
        return self.weights - self.formulas.weights_bytes(dtype)


def _quantised(parameter: Any) -> bool:
    """Whether torchao or bitsandbytes packed it."""
    packed = getattr(parameter, "quant_state", None) is not None or getattr(parameter, "SCB", None) is not None
    return packed or hasattr(parameter, "__tensor_flatten__")


def _values(parameter: Any) -> int:
    """Values that it stands for: a 4-bit one holds two of them in a byte."""
    state = getattr(parameter, "quant_state", None)
    return math.prod(parameter.shape if state is None else state.shape)
