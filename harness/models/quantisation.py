"""Quantised weights: by bitsandbytes while a checkpoint is read, by torchao on a model that is there.

Layer: models; imports torch and transformers.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig

from harness.records import Unsupported

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from harness.models.spec import ModelSpec


def on_reading(spec: ModelSpec, dtype: torch.dtype) -> BitsAndBytesConfig | None:
    """What `from_pretrained` is told, with `dtype` for the arithmetic; None where it has nothing to do with it."""
    if spec.quantisation == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    if spec.quantisation == "nf4":
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype)
    return None


def afterwards(model: PreTrainedModel, spec: ModelSpec) -> None:
    """Quantises the linear layers of a loaded `model` in place where `spec` says `torchao_int8`.

    Weights become int8 with a scale for each row; activations stay as they are. The output layer is left alone: it may
    share its weights with the embedding.

    Raises:
        Unsupported: the model has no `nn.Linear` below its output layer (GPT-2's `Conv1D`), which torchao needs.
    """
    if spec.quantisation != "torchao_int8":
        return
    if not _layers(model):
        name = type(model).__name__
        raise Unsupported(f"quantisation=torchao_int8 needs nn.Linear layers, {name} has none")
    logging.getLogger("torchao").setLevel(logging.ERROR)  # It names each of its CUDA kernels that a CPU cannot load.
    from torchao.quantization import (  # pyright: ignore[reportMissingImports] - an extra
        Int8WeightOnlyConfig,
        quantize_,
    )

    chosen = {id(layer) for layer in _layers(model)}
    quantize_(model, Int8WeightOnlyConfig(), filter_fn=lambda module, _: id(module) in chosen)


def effective(model: PreTrainedModel) -> str:
    """How the weights of a loaded model are quantised, in the words of a spec."""
    if getattr(model, "is_loaded_in_8bit", False):
        return "int8"
    if getattr(model, "is_loaded_in_4bit", False):
        return str(model.config.quantization_config.bnb_4bit_quant_type)
    layers = _layers(model)
    held = {getattr(getattr(layer.weight, "qdata", None), "dtype", None) for layer in layers}
    return "torchao_int8" if layers and held == {torch.int8} else "none"


def _layers(model: Any) -> list[nn.Linear]:
    head = model.get_output_embeddings()
    return [module for module in model.modules() if isinstance(module, nn.Linear) and module is not head]
