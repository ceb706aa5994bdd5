"""The shape and the learning rate of each zoo model: keyword arguments of its transformers config class (data only)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Shape:
    """One model: its transformers ``model_type``, its architecture and its peak learning rate."""

    family: str
    learning_rate: float
    architecture: dict[str, object] = field(default_factory=dict)


def dropout(family: str) -> dict[str, float]:
    """Return the arguments that switch dropout off: one epoch over an endless corpus cannot overfit."""
    if family == "gpt_neo":
        names = ("resid_dropout", "embed_dropout", "attention_dropout", "classifier_dropout")
    elif family == "gpt_neox":
        names = ("hidden_dropout", "attention_dropout", "classifier_dropout")
    else:
        names = ("resid_pdrop", "embd_pdrop", "attn_pdrop")
    return dict.fromkeys(names, 0.0)


def _gpt2(width: int, layers: int, heads: int) -> dict[str, object]:
    """Return the architecture of a GPT-2."""
    return {"vocab_size": 768, "n_positions": 256, "n_embd": width, "n_layer": layers, "n_head": heads}


def shapes() -> dict[str, Shape]:
    """Return the shape of every zoo model by name, in training order."""
    return {
        "mini-gpt2-s": Shape(family="gpt2", learning_rate=6e-3, architecture=_gpt2(64, 2, 4)),
        "mini-gpt2-m": Shape(family="gpt2", learning_rate=4e-3, architecture=_gpt2(112, 4, 7)),
        "mini-gptneo": Shape(
            family="gpt_neo",
            learning_rate=4e-3,
            architecture={
                "vocab_size": 768,
                "max_position_embeddings": 256,
                "hidden_size": 112,
                "num_layers": 4,
                "num_heads": 7,
                "attention_types": [[["global", "local"], 2]],
                "window_size": 64,
            },
        ),
        "mini-gptj": Shape(
            family="gptj",
            learning_rate=4e-3,
            architecture={
                "vocab_size": 768,
                "n_positions": 256,
                "n_embd": 112,
                "n_layer": 4,
                "n_head": 7,
                "rotary_dim": 8,
            },
        ),
        "mini-neox": Shape(
            family="gpt_neox",
            learning_rate=4e-3,
            architecture={
                "vocab_size": 768,
                "max_position_embeddings": 256,
                "hidden_size": 112,
                "num_hidden_layers": 4,
                "num_attention_heads": 7,
                "intermediate_size": 448,
                "rotary_pct": 0.25,
            },
        ),
        "mini-gpt2-l": Shape(family="gpt2", learning_rate=1.8e-3, architecture=_gpt2(160, 6, 5)),
    }
