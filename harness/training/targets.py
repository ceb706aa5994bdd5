"""Names of the layers that methods work on, by family: what `harness.models.families` is for shapes.

Layer: training, light. A name is the end of a module's path, as PEFT matches it.
Source: transformers 5.23, `modeling_*.py` of each family.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from harness.config import nearest
from harness.records import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
@dataclass(frozen=True, kw_only=True)
class Targets:
    """Layers of one family.

    Attributes:
        attention: projections to queries and values, or the one layer that makes queries, keys and values.
        linear: every linear layer of a block.
        keys_values: projections to keys and values, or the one layer that makes all three.
        outputs: the last layer of the attention and of the feed-forward part: what is added to the residual stream.
        down: the last layer of the feed-forward part.
    """

    attention: tuple[str, ...]
    linear: tuple[str, ...]
    keys_values: tuple[str, ...]
    outputs: tuple[str, str]
    down: str


def _separate(out: str, *inner: str, down: str) -> Targets:
    """A family with one projection each for queries, keys and values."""
    return Targets(
        attention=("q_proj", "v_proj"),
        linear=("q_proj", "k_proj", "v_proj", out, *inner, down),
        keys_values=("k_proj", "v_proj"),
        outputs=(out, down),
        down=down,
    )


def _joint(joint: str, out: str, inner: str, *, down: str) -> Targets:
    """A family with one projection for all three."""
    return Targets(
        attention=(joint,), linear=(joint, out, inner, down), keys_values=(joint,), outputs=(out, down), down=down
    )


TARGETS: Mapping[str, Targets] = MappingProxyType(
    {
        "gpt2": _joint("attn.c_attn", "attn.c_proj", "mlp.c_fc", down="mlp.c_proj"),
        "gpt_neo": _separate("attention.out_proj", "mlp.c_fc", down="mlp.c_proj"),
        "gptj": _separate("attn.out_proj", "mlp.fc_in", down="mlp.fc_out"),
        "gpt_neox": _joint(
            "attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h", down="mlp.dense_4h_to_h"
        ),
        "opt": _separate("self_attn.out_proj", "fc1", down="fc2"),
        "llama": _separate("self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", down="mlp.down_proj"),
    }
)
"""By `model_type` of the config."""


def targets(family: str) -> Targets:
    """The layers of `family`.

    Raises:
        Unsupported: they are not known.
    """
    if family not in TARGETS:
        raise Unsupported(f"this method does not know the layers of family {family!r}: {nearest(family, TARGETS)}")
    return TARGETS[family]
