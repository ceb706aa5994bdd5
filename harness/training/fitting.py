"""A model made ready to be fitted: which numbers are trained, how they become plain weights, how all is undone.

Layer: training; torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, final

import torch

from harness.records import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor, nn


class Fitting(ABC):
    """A base model with what one method adds to it.

    The base is changed in place: it is not loaded, nor copied, for each method. Where `reversible`, what the method
    changes is kept beside it, and `undo` brings back the base bit by bit.

    Args:
        base: a model of transformers, in evaluation mode; one with a classification head has it as `score`.
        reversible: whether `undo` will be asked for.

    Attributes:
        base: the model without what is added around it.
        model: what is trained, and what answers before `merged`.
    """

    def __init__(self, base: Any, *, reversible: bool) -> None:
        self.base = base
        self.model: Any = base
        self._reversible = reversible
        self._needed = [(parameter, parameter.requires_grad) for parameter in base.parameters()]
        self._kept: list[tuple[Tensor, Tensor]] = []
        base.requires_grad_(False)
        if hasattr(base, "score"):
            base.score.requires_grad_(True)

    @abstractmethod
    def merged(self) -> Any:
        """The model that is measured: of plain layers wherever the method allows it. Call it once, when all is fitted.

        Its logits are those of `model` up to rounding.
        """

    @abstractmethod
    def detach(self) -> None:
        """Takes out what the method added to the structure of the base."""

    def undo(self) -> None:
        """The base as it was.

        Raises:
            ValueError: nothing was kept.
        """
        if not self._reversible:
            raise ValueError("this fitting cannot be undone: make it with reversible=True")
        self.detach()
        with torch.no_grad():
            for tensor, before in self._kept:
                tensor.data = before
        for parameter, needed in self._needed:
            parameter.requires_grad_(needed)
            parameter.grad = None

    def keep(self, tensors: Iterable[Tensor]) -> None:
        """Remembers tensors that are about to change."""
        if self._reversible:
            self._kept += [(tensor, tensor.detach().clone()) for tensor in tensors]

    def trained(self) -> dict[str, nn.Parameter]:
        """What is trained, by its name in `model`; a tied parameter once."""
        return {name: parameter for name, parameter in self.model.named_parameters() if parameter.requires_grad}

    def state(self) -> dict[str, Tensor]:
        """What must be stored: values of `trained`, on the CPU."""
        return {name: parameter.detach().cpu().contiguous().clone() for name, parameter in self.trained().items()}

    @torch.no_grad()
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Sets what is trained to stored values.

        Raises:
            ValueError: the names or shapes are not those of this method on this base.
        """
        trained = self.trained()
        if strange := sorted(trained.keys() ^ state.keys()):
            raise ValueError(f"stored weights do not fit this model and method: {strange[0]} is in only one of them")
        for name, parameter in trained.items():
            if parameter.shape != state[name].shape:
                raise ValueError(f"stored {name} has shape {list(state[name].shape)}, not {list(parameter.shape)}")
            parameter.copy_(state[name])

    def widen(self) -> None:
        """Trained parameters in float32: in bfloat16 a small step of the optimiser would change nothing."""
        for parameter in self.trained().values():
            parameter.data = parameter.data.float()

    def penalty(self) -> Tensor | None:
        """A term that the method adds to the loss in training, if it has one."""
        return None

    def stepped(self, step: int) -> None:  # noqa: B027 - most methods have nothing to do
        """Told after each step of the optimiser, while gradients are still there."""

    def extra(self) -> dict[str, Any]:
        """What a checkpoint must hold of the method's own state beside weights: tensors and plain values."""
        return {}

    def restore(self, extra: Mapping[str, Any]) -> None:  # noqa: B027 - as above
        """Continues from what `extra` gave."""


@final
class Names:
    """Modules of a model whose path ends with one of some names.

    Raises:
        Unsupported: the model has none of them.
    """

    def __init__(self, model: Any, ends: Iterable[str]) -> None:
        wanted = tuple(ends)
        self.found: dict[str, Any] = {
            name: module for name, module in model.named_modules() if any(name.endswith(f".{end}") for end in wanted)
        }
        if not self.found:
            raise Unsupported(f"{type(model).__name__} has no layer called {', '.join(wanted)}")
