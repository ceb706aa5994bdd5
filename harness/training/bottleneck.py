"""Bottleneck adapters: a small network behind the attention and the feed-forward part of every block.

Layer: training; torch. Own, because the libraries for it do not run beside transformers 5.
Source: Houlsby et al. 2019, Parameter-Efficient Transfer Learning for NLP (ICML), section 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import torch
from torch import nn

from harness.training.fitting import Fitting, Names

if TYPE_CHECKING:
    from torch import Tensor

_SPREAD = 1e-3
"""Deviation of the initial weights of the way down. The way up begins at 0: the first step is that of the base."""


@final
class Bottleneck(nn.Module):
    """A layer of the base, and behind it `y + up(gelu(down(y)))`.

    Args:
        layer: the layer.
        width: of its output.
        size: of the bottleneck.
        dropout: of what is added.
    """

    def __init__(self, layer: nn.Module, *, width: int, size: int, dropout: float) -> None:
        super().__init__()
        self.layer = layer
        where = next(layer.parameters()).device
        self.down = nn.Linear(width, size, device=where, dtype=torch.float32)
        self.up = nn.Linear(size, width, device=where, dtype=torch.float32)
        self.drop = nn.Dropout(dropout)
        nn.init.trunc_normal_(self.down.weight, std=_SPREAD, a=-2 * _SPREAD, b=2 * _SPREAD)
        nn.init.zeros_(self.down.bias)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """What the layer gives, corrected; in the layer's dtype."""
        output = self.layer(hidden)
        narrow = nn.functional.gelu(self.down(output.to(self.down.weight.dtype)))
        return output + self.drop(self.up(narrow)).to(output.dtype)


@final
class Bottlenecks(Fitting):
    """Trains a bottleneck behind each layer whose name ends with one of `ends`.

    Args:
        base: as `Fitting`.
        ends: names of the layers.
        size: of the bottlenecks.
        dropout: of what they add.
        reversible: as `Fitting`.
    """

    def __init__(self, base: Any, *, ends: tuple[str, ...], size: int, dropout: float, reversible: bool) -> None:
        super().__init__(base, reversible=reversible)
        width = base.config.hidden_size
        for name, layer in Names(base, ends).found.items():
            self._put(name, Bottleneck(layer, width=width, size=size, dropout=dropout))

    def merged(self) -> Any:
        """The base with its bottlenecks, which no plain layer can stand for; frozen, in the base's dtype."""
        for module in self._inserted().values():
            module.to(next(module.layer.parameters()).dtype)
        self.base.requires_grad_(False)
        return self.base.eval()

    def detach(self) -> None:
        """Puts the bare layers back."""
        for name, module in self._inserted().items():
            self._put(name, module.layer)

    def _inserted(self) -> dict[str, Bottleneck]:
        return {name: module for name, module in self.base.named_modules() if isinstance(module, Bottleneck)}

    def _put(self, name: str, module: nn.Module) -> None:
        parent, _, child = name.rpartition(".")
        setattr(self.base.get_submodule(parent), child, module)
