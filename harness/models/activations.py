"""How many bytes of temporary tensors a forward pass of transformers' own classes holds at its highest.

Layer: models, light: stdlib only. In a pass without gradients the highest point lies in the last layer, in one of three
moments: while attention computes its scores or its output, inside the feed-forward block, or at the output layer. What
is alive at each was read off the classes (transformers 5.23), name by name, and agrees to the byte with torch's memory
profiler for every family, both kinds of attention and both widths of a number. Symbols: N = batch · queries tokens, d
width, f inner width, h heads, S keys; one score matrix has batch · h · queries · S numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from harness.models.families import BYTES_PER_ELEMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.models.families import Shape

_FULL = 4
"""Bytes of a float32."""

_INDEX = 8
"""Bytes of an index (int64)."""

_COPIES: Mapping[str, int] = MappingProxyType({"gelu_new": 4, "gelu_fast": 5, "gelu": 2, "relu": 2, "silu": 2})
"""Tensors of the inner width that an activation function holds at its highest: the first two are written out in Python
(transformers/activations.py), the others are one kernel."""

_COPIES_UNKNOWN = 4
_GATED = 3
"""A gated block holds the gate, the other half and their product."""


@final
@dataclass(frozen=True, kw_only=True)
class Live:
    """What a family's classes keep alive, in tensors of the hidden states' size (`hidden`) and in score matrices.

    Attributes:
        eager: hidden tensors while eager attention computes its scores.
        fused: hidden tensors at the output of a fused kernel (sdpa, flash).
        feed_forward: hidden tensors inside the feed-forward block, the inner ones apart.
        kept: score matrices still alive inside the feed-forward block, under eager attention.
        before: score matrices of the layer before that are still alive, under eager attention.
        scores: `own` computes scores in the dtype of the weights, `softmax` the softmax in float32, `all` both.
        activation: config key of the activation function, and its default.
    """

    eager: int
    fused: int
    feed_forward: int
    kept: int = 1
    before: int = 0
    scores: str = "softmax"
    activation: tuple[str, str] = ("activation_function", "gelu_new")


LIVE: Mapping[str, Live] = MappingProxyType(
    {
        "gpt2": Live(eager=7, fused=9, feed_forward=6, scores="own"),
        "gpt_neo": Live(eager=5, fused=7, feed_forward=6, kept=2, before=1, scores="all"),
        "gptj": Live(eager=6, fused=8, feed_forward=4, kept=2, before=1, scores="all"),
        "gpt_neox": Live(eager=7, fused=9, feed_forward=4, activation=("hidden_act", "gelu")),
        "opt": Live(eager=5, fused=7, feed_forward=4, activation=("activation_function", "relu")),
        "llama": Live(eager=4, fused=7, feed_forward=4, activation=("hidden_act", "silu")),
    }
)
"""By family. GPT-2, GPT-Neo and OPT hold the position embeddings of every row beside the token embeddings. Source:
`forward` of the block and attention classes in modeling_*.py; tests/models/test_activations.py."""


@final
@dataclass(frozen=True, kw_only=True)
class Pass:
    """One forward pass.

    Attributes:
        dtype: of weights and activations.
        attention: `eager`, or any other kind, which is taken for a fused kernel.
        kind: `cpu` or `cuda`.
        batch: rows.
        queries: new tokens of each row.
        keys: keys that each row attends to, the new ones included.
        kept: positions of each row whose logits are computed.
    """

    dtype: str
    attention: str
    kind: str
    batch: int
    queries: int
    keys: int
    kept: int = 1

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return BYTES_PER_ELEMENT[self.dtype]

    @property
    def tokens(self) -> int:
        """New tokens of all rows."""
        return self.batch * self.queries


def activation_bytes(family: str, shape: Shape, architecture: Mapping[str, Any], run: Pass) -> int:
    """Highest bytes of temporary tensors in one pass without gradients; weights, buffers and cache not included."""
    live = LIVE[family]
    positions = _positions(family, shape, architecture, run)
    moments = (
        _attention(live, shape, run) + positions,
        _feed_forward(family, shape, architecture, run) + (0 if family == "gptj" else positions),
        _head(shape, run),
    )
    return max(moments)


def _attention(live: Live, shape: Shape, run: Pass) -> int:
    """Hidden tensors, and under eager attention scores, mask, and keys and values copied for grouped queries."""
    hidden = run.tokens * shape.width * run.size
    if run.attention != "eager":
        return live.fused * hidden
    repeated = 0
    if shape.kv_heads < shape.heads:
        repeated = 2 * run.batch * run.keys * shape.heads * shape.head_width * run.size
    return live.eager * hidden + repeated + _scores(live, shape, run) + _raised(live, shape, run) + _mask(live, run)


def _scores(live: Live, shape: Shape, run: Pass) -> int:
    numbers = run.batch * shape.heads * run.queries * run.keys
    if live.scores == "own" or run.size == _FULL:
        return numbers * run.size * (2 + live.before)
    if live.scores == "all":
        return numbers * (live.before * run.size + 2 * _FULL)
    # The scores, then the softmax in float32. A CPU first copies its input to float32; CUDA does so as it reads, and
    # then copies the result back.
    return numbers * (run.size + _FULL + (_FULL if run.kind == "cpu" else run.size))


def _raised(live: Live, shape: Shape, run: Pass) -> int:
    """Queries and keys copied to float32 (GPT-Neo, GPT-J)."""
    if live.scores != "all" or run.size == _FULL:
        return 0
    return (run.tokens * shape.width + run.batch * run.keys * shape.kv_heads * shape.head_width) * _FULL


def _mask(live: Live, run: Pass) -> int:
    """The additive mask of every row; a CPU copies it to float32 where it is added to scores in float32."""
    numbers = run.batch * run.queries * run.keys
    copied = live.scores == "all" and run.size != _FULL and run.kind == "cpu"
    return numbers * (run.size + (_FULL if copied else 0))


def _feed_forward(family: str, shape: Shape, architecture: Mapping[str, Any], run: Pass) -> int:
    live = LIVE[family]
    function = str(architecture.get(live.activation[0]) or live.activation[1])
    copies = max(_COPIES.get(function, _COPIES_UNKNOWN), _GATED if family == "llama" else 0)
    inner = run.tokens * shape.inner * run.size
    held = live.feed_forward * run.tokens * shape.width * run.size
    if run.attention == "eager":
        scores = run.batch * shape.heads * run.queries * run.keys
        held += (live.kept * scores + run.batch * run.queries * run.keys) * run.size
    return held + copies * inner


def _head(shape: Shape, run: Pass) -> int:
    """Hidden states and logits."""
    logits = run.batch * run.kept * shape.vocabulary * run.size
    return run.tokens * shape.width * run.size + logits


def _positions(family: str, shape: Shape, architecture: Mapping[str, Any], run: Pass) -> int:
    """Sines and cosines of rotary positions, or what else positions take.

    GPT-J gathers them in every layer from a table that it copies for every row; OPT counts in float32 of every key.
    """
    if family == "opt":
        return run.batch * run.keys * _FULL
    if family == "gptj":
        width = rotary_width(family, shape, architecture)
        rotated = 2 * run.tokens * shape.heads * min(width, shape.head_width) * run.size
        table = run.batch * shape.positions * width * _FULL
        return rotated + table + run.tokens * width * (_INDEX + run.size)
    return 2 * run.tokens * rotary_width(family, shape, architecture) * run.size


def rotary_width(family: str, shape: Shape, architecture: Mapping[str, Any]) -> int:
    """Numbers of a head that are rotated by position; 0 for families with learnt positions.

    Source: `compute_default_rope_parameters` of GPT-NeoX and Llama, `pos_embd_dim` of GPT-J (64 where it is not said).
    """
    if family == "gptj":
        return int(architecture.get("rotary_dim", 64) or shape.width)
    if family == "llama":
        return shape.head_width
    if family == "gpt_neox":
        rope = architecture.get("rope_parameters") or {}
        part = rope.get("partial_rotary_factor", architecture.get("rotary_pct", 0.25))
        return int(shape.head_width * float(part))
    return 0
