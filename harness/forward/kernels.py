"""The same arithmetic with faster kernels, for as long as a `with` block lasts.

Layer: torch and transformers.

On CPU, torch multiplies fp32 matrices with MKL, which on other makers' processors takes neither their widest
instructions nor its best blocking: on two Zen 4 cores oneDNN, which torch ships too, was 1.3 to 1.8 times as fast on
the shapes of GPT-2, the output layer included. `torch.ops.mkldnn._linear_pointwise` is what torch's own compiler emits
for frozen linear layers; it takes dense weights, so nothing is copied. GPT-2's `gelu_new`, eight passes over memory in
transformers, is one in torch. Sums are taken in another order: results differ by rounding, as between two batch sizes.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DTYPES = (torch.float32, torch.bfloat16)


_BLOCKS = 64
"""One row is multiplied by blocks of a weight, at most this many, one beside the other: one row alone keeps one core
busy, and oneDNN reaches two thirds of the memory's bandwidth, this nearly all of it."""


def available() -> bool:
    """Whether this build of torch has oneDNN's linear layer."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def describe(model: nn.Module) -> str:
    """What `fast` brings to `model`: `onednn`, `gelu`, both, or `torch` where it changes no arithmetic."""
    return "+".join(sorted({name for _, _, name in _replacements(model)} - {""})) or "torch"


@contextmanager
def fast(model: nn.Module) -> Iterator[None]:
    """Runs plain linear layers on the CPU through oneDNN, and `gelu_new` anywhere through torch's fused kernel.

    Layers of other kinds (quantised, hooked by accelerate) stay as they are. Weights, parameters and the state dict do
    not change. Blocks may be nested.
    """
    replaced = [found for found in _replacements(model) if "forward" not in found[0].__dict__]
    for module, forward, _ in replaced:
        module.__dict__["forward"] = forward
    try:
        yield
    finally:
        for module, _, _ in replaced:
            module.__dict__.pop("forward", None)


def _replacements(model: nn.Module) -> Iterator[tuple[nn.Module, Callable[..., Any], str]]:
    here = available()
    for module in model.modules():
        if hasattr(module, "_hf_hook"):
            continue
        if type(module) is NewGELUActivation:
            yield module, _gelu, "gelu"
        elif type(module) is nn.Dropout and not module.training:
            yield module, _same, ""
        elif type(module) is nn.LayerNorm:
            yield module, _norm(module), ""
        elif here and type(module) is nn.Linear and _plain(module.weight):
            yield module, _linear(module.weight, module.bias), "onednn"
        elif here and type(module) is Conv1D and _plain(module.weight):
            yield module, _linear(_columns(module).t(), module.bias), "onednn"


def _plain(weight: torch.Tensor) -> bool:
    quantised = type(weight) not in {torch.Tensor, nn.Parameter}
    return weight.device.type == "cpu" and weight.dtype in _DTYPES and not quantised


def _columns(layer: Any) -> torch.Tensor:
    """The weight `[in, out]` of a `Conv1D`, laid out by columns from now on.

    Its values and shape stay. One row at a time, as in decoding, reads columns 1.5 times as fast.
    """
    if layer.weight.t().is_contiguous():
        return layer.weight
    layer.weight.data = layer.weight.data.t().contiguous().t()
    return layer.weight


def _linear(weight: torch.Tensor, bias: torch.Tensor | None) -> Callable[[torch.Tensor], torch.Tensor]:
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    outputs, width = weight.shape
    blocks = next((n for n in range(_BLOCKS, 1, -1) if outputs % n == 0), 1)
    alone = weight.dtype == torch.float32 and weight.is_contiguous() and blocks > 1
    stacked = weight.view(blocks, -1, width) if alone else weight
    added = bias.view(blocks, -1, 1) if alone and bias is not None else None

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        if not alone or inputs.numel() != width:
            return torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")  # noqa: SLF001 - no public name
        # These strides of the column, of all that mean the same, are the ones that MKL multiplies by as a vector.
        column = inputs.contiguous().as_strided((blocks, width, 1), (0, 1, width))
        product = torch.bmm(stacked, column) if added is None else torch.baddbmm(added, stacked, column)
        return product.view(*inputs.shape[:-1], outputs)

    return forward


def _norm(layer: nn.LayerNorm) -> Callable[[torch.Tensor], torch.Tensor]:
    """The same call without what Python does around it; it and dropout's were a tenth of a step's fixed cost."""
    weight, bias = layer.weight, layer.bias

    def forward(inputs: torch.Tensor) -> torch.Tensor:
        return torch.layer_norm(inputs, layer.normalized_shape, weight, bias, layer.eps)

    return forward


def _same(inputs: torch.Tensor) -> torch.Tensor:
    """Dropout outside training."""
    return inputs


def _gelu(inputs: torch.Tensor) -> torch.Tensor:
    return functional.gelu(inputs, approximate="tanh")
