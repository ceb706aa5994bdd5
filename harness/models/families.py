"""Facts about the families of models that need no weights: shapes, exact parameter counts, bytes, kinds of attention.

Layer: models, light: stdlib only. Every formula works on `architecture`, the keyword arguments of the transformers
config class, so that a YAML is enough to know the size of a model. Symbols: V vocabulary, P positions, d width,
L layers, f inner width of the feed-forward block, h heads, k key-value heads, c width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from harness.config import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BYTES_PER_ELEMENT: Mapping[str, int] = MappingProxyType({"float32": 4, "bfloat16": 2, "float16": 2})
"""Bytes of one number, by dtype."""

_FLASH = ("flash_attention_2", "flash_attention_3")


@final
@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of one model, in the same words for every family.

    Attributes:
        vocabulary: rows of the token embedding (V).
        positions: longest input in tokens (P).
        width: width of the residual stream (d).
        layers: number of blocks (L).
        heads: query heads (h).
        kv_heads: key-value heads (k); fewer than `heads` under grouped-query attention.
        head_width: width of a head (c).
        inner: inner width of the feed-forward block (f).
        tied: whether the output head is the token embedding itself.
    """

    vocabulary: int
    positions: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    inner: int
    tied: bool


@final
@dataclass(frozen=True, kw_only=True)
class Family:
    """One family of causal language models in transformers.

    Attributes:
        model_type: `model_type` of its config.
        attention: implementations of attention it has. Source: `_supports_*` of its class in transformers 5.23.
        keys: config keys of vocabulary, positions, width, layers and heads, in this order.
        inner_key: config key of the inner width of the feed-forward block.
        tied: whether the output head is tied unless `tie_word_embeddings` says otherwise.
        count: closed form of the parameter count.
    """

    model_type: str
    attention: tuple[str, ...]
    keys: tuple[str, str, str, str, str]
    inner_key: str
    tied: bool
    count: Callable[[Shape, Mapping[str, Any]], int]


def _gpt2(s: Shape, _architecture: Mapping[str, Any]) -> int:
    """`Vd + Pd + L(4d² + 2df + 9d + f) + 2d`. Source: modeling_gpt2.py; shared/design efficiency 1.5."""
    d, f = s.width, s.inner
    return (s.vocabulary + s.positions) * d + s.layers * (4 * d * d + 2 * d * f + 9 * d + f) + 2 * d + _head(s)


def _gpt_neo(s: Shape, _architecture: Mapping[str, Any]) -> int:
    """`Vd + Pd + L(4d² + 2df + 6d + f) + 2d`: queries, keys and values have no bias. Source: modeling_gpt_neo.py."""
    d, f = s.width, s.inner
    return (s.vocabulary + s.positions) * d + s.layers * (4 * d * d + 2 * d * f + 6 * d + f) + 2 * d + _head(s)


def _gptj(s: Shape, _architecture: Mapping[str, Any]) -> int:
    """`Vd + L(4d² + 2df + 3d + f) + 2d + Vd + V`: one norm a block, attention without and head with bias.

    Source: modeling_gptj.py.
    """
    d, f = s.width, s.inner
    blocks = s.layers * (4 * d * d + 2 * d * f + 3 * d + f)
    return s.vocabulary * d + blocks + 2 * d + _head(s) + s.vocabulary


def _gpt_neox(s: Shape, architecture: Mapping[str, Any]) -> int:
    """`Vd + L(4d² + 2df + 9d + f) + 2d + Vd`. Source: modeling_gpt_neox.py."""
    d, f = s.width, s.inner
    biases = 4 * d if architecture.get("attention_bias", True) else 0
    return s.vocabulary * d + s.layers * (4 * d * d + 2 * d * f + 5 * d + f + biases) + 2 * d + _head(s)


def _opt(s: Shape, architecture: Mapping[str, Any]) -> int:
    """`Vw + (P+2)d + L(4d² + 2df + 9d + f) + 2d`, w the width of the word embedding.

    Positions start at an offset of two; where w ≠ d two projections are added; a model that normalises after each
    block (opt-350m) has no final norm. Source: modeling_opt.py.
    """
    d, f = s.width, s.inner
    w = int(architecture.get("word_embed_proj_dim") or d)
    biases = 5 * d + f if architecture.get("enable_bias", True) else 0
    final = architecture.get("do_layer_norm_before", True) and not architecture.get("_remove_final_layer_norm", False)
    embeddings = s.vocabulary * w * (1 if s.tied else 2) + (s.positions + 2) * d + (2 * w * d if w != d else 0)
    return embeddings + s.layers * (4 * d * d + 2 * d * f + 4 * d + biases) + (2 * d if final else 0)


def _llama(s: Shape, architecture: Mapping[str, Any]) -> int:
    """`Vd + L(2d·hc + 2d·kc + 3df + 2d) + d`, and `Vd` more where the head is not tied. Source: modeling_llama.py."""
    d, f, q, kv = s.width, s.inner, s.heads * s.head_width, s.kv_heads * s.head_width
    biases = (q + 2 * kv + d if architecture.get("attention_bias") else 0) + (
        2 * f + d if architecture.get("mlp_bias") else 0
    )
    return s.vocabulary * d + s.layers * (2 * d * q + 2 * d * kv + 3 * d * f + 2 * d + biases) + d + _head(s)


def _head(s: Shape) -> int:
    return 0 if s.tied else s.vocabulary * s.width


_GPT2_KEYS = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
_KEYS = ("vocab_size", "max_position_embeddings", "hidden_size", "num_hidden_layers", "num_attention_heads")
_NEO_KEYS = ("vocab_size", "max_position_embeddings", "hidden_size", "num_layers", "num_heads")

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "gpt2": Family(
            model_type="gpt2", attention=("eager", "sdpa", *_FLASH), keys=_GPT2_KEYS, inner_key="n_inner", tied=True,
            count=_gpt2,
        ),
        "gpt_neo": Family(
            model_type="gpt_neo", attention=("eager", *_FLASH), keys=_NEO_KEYS, inner_key="intermediate_size",
            tied=True, count=_gpt_neo,
        ),
        "gptj": Family(
            model_type="gptj", attention=("eager", *_FLASH), keys=_GPT2_KEYS, inner_key="n_inner", tied=False,
            count=_gptj,
        ),
        "gpt_neox": Family(
            model_type="gpt_neox", attention=("eager", "sdpa", "flex_attention", *_FLASH), keys=_KEYS,
            inner_key="intermediate_size", tied=False, count=_gpt_neox,
        ),
        "opt": Family(
            model_type="opt", attention=("eager", "sdpa", "flex_attention", *_FLASH), keys=_KEYS, inner_key="ffn_dim",
            tied=True, count=_opt,
        ),
        "llama": Family(
            model_type="llama", attention=("eager", "sdpa", "flex_attention", *_FLASH), keys=_KEYS,
            inner_key="intermediate_size", tied=False, count=_llama,
        ),
    }
)  # fmt: skip
"""The families whose facts are known, by the name used in a model's YAML."""


def shape(family: str, architecture: Mapping[str, Any]) -> Shape:
    """The sizes that `architecture` gives a model of `family`.

    >>> shape("gpt2", {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}).inner
    3072

    Raises:
        ValueError: an unknown family, a key that is missing, or a size that is not a positive whole number.
    """
    if family not in FAMILIES:
        raise ValueError(f"family={family!r} has no known architecture: {nearest(family, FAMILIES)}")
    facts = FAMILIES[family]
    vocabulary, positions, width, layers, heads = (_size(architecture, key) for key in facts.keys)
    needs_inner = facts.keys is not _GPT2_KEYS and family != "gpt_neo"
    given = architecture.get(facts.inner_key)
    inner = _size(architecture, facts.inner_key) if needs_inner or given is not None else 4 * width
    kv_heads = _size(architecture, "num_key_value_heads") if architecture.get("num_key_value_heads") else heads
    head_width = _size(architecture, "head_dim") if architecture.get("head_dim") else width // heads
    if width % heads and not architecture.get("head_dim"):
        raise ValueError(f"architecture: {facts.keys[2]}={width} is not a multiple of {facts.keys[4]}={heads}")
    return Shape(
        vocabulary=vocabulary, positions=positions, width=width, layers=layers, heads=heads, kv_heads=kv_heads,
        head_width=head_width, inner=inner, tied=bool(architecture.get("tie_word_embeddings", facts.tied)),
    )  # fmt: skip


def parameter_count(family: str, architecture: Mapping[str, Any]) -> int:
    """Number of parameters, exact; a tied output head is counted once.

    >>> parameter_count("gpt2", {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12})
    124439808

    Raises:
        ValueError: as `shape`.
    """
    return FAMILIES[family].count(shape(family, architecture), architecture)


def weights_bytes(family: str, architecture: Mapping[str, Any], dtype: str) -> int:
    """Bytes of the parameters in `dtype`; buffers (the masks of GPT-Neo) and activations come on top."""
    return parameter_count(family, architecture) * BYTES_PER_ELEMENT[dtype]


def kv_bytes_per_token(family: str, architecture: Mapping[str, Any], dtype: str) -> int:
    """Bytes of keys and values kept for one token of one row: `2·L·k·c·b`.

    The local layers of GPT-Neo keep the whole length too in transformers. Source: shared/design efficiency 1.5.
    """
    s = shape(family, architecture)
    return 2 * s.layers * s.kv_heads * s.head_width * BYTES_PER_ELEMENT[dtype]


def _size(architecture: Mapping[str, Any], key: str) -> int:
    if key not in architecture:
        raise ValueError(f"architecture: key {key!r} is missing")
    value = architecture[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"architecture: {key}={value!r} must be a whole number of at least 1")
    return value
