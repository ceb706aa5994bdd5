"""The fitting that trains some of the base's own parameters: all, the biases, or the output layer.

Layer: training; torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, final

from torch import nn

from harness.training.fitting import Fitting

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class Selected(Fitting):
    """Trains the parameters that are picked; the base stays of the same shape, but for what is added to be trained.

    Args:
        base: as `Fitting`.
        reversible: as `Fitting`.
    """

    def __init__(self, base: Any, *, reversible: bool) -> None:
        super().__init__(base, reversible=reversible)
        self._dtypes: list[tuple[nn.Parameter, Any]] = []
        self._removals: list[Callable[[], None]] = []

    @classmethod
    def full(cls, base: Any, *, reversible: bool) -> Self:
        """Every parameter."""
        made = cls(base, reversible=reversible)
        made.pick(list(base.parameters()))
        return made

    @classmethod
    def biases(cls, base: Any, *, reversible: bool) -> Self:
        """Every bias, those of the norms too; a model without any, as Llama, is given zeros in its linear layers.

        Source: Ben Zaken et al. 2022, BitFit (ACL).
        """
        made = cls(base, reversible=reversible)
        if not _biases(base):
            for module in base.base_model.modules():
                if isinstance(module, nn.Linear):
                    module.bias = nn.Parameter(module.weight.new_zeros(module.out_features), requires_grad=False)
                    made._removals.append(_without_bias(module))
        made.pick(_biases(base))
        return made

    @classmethod
    def output(cls, base: Any, *, reversible: bool) -> Self:
        """What is on top of a frozen body: the classifier, or the output layer, untied from the embedding."""
        made = cls(base, reversible=reversible)
        if hasattr(base, "score"):  # which every fitting trains
            return made
        head = base.get_output_embeddings()
        tied = head.weight
        head.weight = nn.Parameter(tied.detach().clone())
        made._removals.append(lambda: setattr(head, "weight", tied))
        made.pick(list(head.parameters()))
        return made

    def pick(self, parameters: list[nn.Parameter]) -> None:
        """Trains these, too."""
        self.keep(parameters)
        for parameter in parameters:
            self._dtypes.append((parameter, parameter.dtype))
            parameter.requires_grad_(True)

    def merged(self) -> Any:
        """The base itself, in its own dtype."""
        for parameter, dtype in self._dtypes:
            parameter.data = parameter.data.to(dtype)
        self.base.requires_grad_(False)
        return self.base.eval()

    def detach(self) -> None:
        """Takes out parameters that were added."""
        for remove in self._removals:
            remove()


def _biases(model: Any) -> list[nn.Parameter]:
    return [parameter for name, parameter in model.named_parameters() if name.endswith("bias")]


def _without_bias(module: nn.Linear) -> Callable[[], None]:
    return lambda: setattr(module, "bias", None)
