"""Models with random weights in the shapes that are compared.

Layer: torch and transformers.
"""

from __future__ import annotations

import copy
import importlib
from typing import Any

import torch

from benchmarks import vocabulary
from benchmarks.ask import MODELS
from benchmarks.work import Cost

SPREAD = 3.0
"""How much larger than at initialisation the weights of the generation workloads are."""


def build(name: str, *, dtype: torch.dtype, device: str) -> Any:
    """A causal language model of the named shape in eval mode, its weights drawn with seed 0 on the device itself."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(_config(name), dtype=dtype)
    return model.to(device).eval()


def preload(name: str) -> None:
    """Imports the modelling code of the named shape; computes nothing."""
    importlib.import_module(type(_config(name)).__module__.replace(".configuration_", ".modeling_"))


def twin(model: Any) -> Any:
    """A second copy for another contestant, so that none profits or suffers from how one lays weights out in memory.

    On a GPU, where nobody does, it is the same model.
    """
    return copy.deepcopy(model) if model.device.type == "cpu" else model


@torch.no_grad()
def spread(model: Any) -> None:
    """Enlarges the weights in place, so that greedy text varies instead of repeating one token."""
    embedding = model.get_input_embeddings().weight
    for parameter in model.parameters():
        if parameter.ndim > 1 and parameter is not embedding:
            parameter.mul_(SPREAD)


def cost(model: Any) -> Cost:
    """What the model spends per token."""
    config = model.config.get_text_config()
    embeddings = _embeddings(model)
    body = sum(p.numel() for p in model.base_model.parameters() if p.ndim > 1 and id(p) not in embeddings)
    return Cost(
        body=body,
        layers=config.num_hidden_layers,
        width=config.hidden_size,
        hidden=config.hidden_size,
        vocabulary=config.vocab_size,
    )


def decoded_bytes(model: Any) -> int:
    """Bytes of weights that decoding one token reads: all but the position embeddings and an untied input embedding."""
    head = model.get_output_embeddings().weight
    skipped = _embeddings(model) - {id(head)}
    return sum(p.numel() * p.element_size() for p in model.parameters() if id(p) not in skipped)


def linear_shapes(model: Any) -> list[tuple[int, int]]:
    """(inputs, outputs) of the matrices of one layer."""
    from transformers.pytorch_utils import Conv1D

    layers = next(m for m in model.modules() if isinstance(m, torch.nn.ModuleList))
    found = []
    for module in layers[0].modules():
        if isinstance(module, Conv1D):
            found.append((module.weight.shape[0], module.weight.shape[1]))
        elif isinstance(module, torch.nn.Linear):
            found.append((module.in_features, module.out_features))
    return found


def _embeddings(model: Any) -> set[int]:
    tables = (module for module in model.modules() if isinstance(module, torch.nn.Embedding))
    return {id(parameter) for table in tables for parameter in table.parameters()}


def _config(name: str) -> Any:
    from transformers import GPT2Config, GPTJConfig, GPTNeoConfig

    if name == "tiny":
        words = 1024
        return GPT2Config(
            n_embd=64, n_layer=2, n_head=4, vocab_size=words, bos_token_id=words - 1, eos_token_id=words - 1
        )
    if name == "gpt2":
        return GPT2Config()
    if name == "gpt-neo-2.7b":
        return GPTNeoConfig(
            hidden_size=2560, num_layers=32, num_heads=20, attention_types=[[["global", "local"], 16]],
            vocab_size=vocabulary.GPT2_SIZE,
        )  # fmt: skip
    if name == "gpt-j-6b":
        return GPTJConfig()
    raise ValueError(f"model={name!r} is not a valid value: one of {', '.join(MODELS)}")
