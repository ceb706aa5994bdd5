"""What a model costs to run: floating point operations, bytes moved, bytes held; exact, from its sizes alone.

Layer: models, light: stdlib only. All counts are of useful work: a token attends to those before it and itself, in the
local layers of GPT-Neo to the last 256 of them; what an implementation computes beyond (eager attention fills the whole
square, and masks half of it away) is no use to anybody and stands apart (`eager_flops`). One multiplication with its
addition counts as two operations. Norms, activation functions, softmax, biases and embedding lookups are left out of
the operations, as everywhere: together they are below 1 %.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from harness.config import one_of
from harness.models import families
from harness.models.activations import Pass, activation_bytes, rotary_width
from harness.models.families import BYTES_PER_ELEMENT, Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

_TRAINING = 3
"""A step costs three times its forward pass: the backward pass makes one product for the gradient of the inputs and one
for that of the weights. Source: Kaplan et al. 2020 (arXiv:2001.08361), 2.1; Chowdhery et al. 2022 (arXiv:2204.02311),
appendix B, for utilisation without recomputation."""


@final
@dataclass(frozen=True, kw_only=True)
class Memory:
    """Predicted bytes of tensors at the highest point of a piece of work, by part.

    Attributes:
        weights: parameters, a tied head once.
        buffers: masks and tables beside the parameters.
        kv: keys and values, laid out for all tokens.
        activations: temporary tensors of the largest pass.
    """

    weights: int
    buffers: int
    kv: int
    activations: int

    @property
    def total(self) -> int:
        """Sum of the parts, in bytes."""
        return self.weights + self.buffers + self.kv + self.activations


@final
@dataclass(frozen=True, kw_only=True)
class Costs:
    """Costs of one model; `costs` makes it.

    Attributes:
        family: a family of `harness.models.families`.
        shape: sizes of the model.
        architecture: keyword arguments of the transformers config class.
        windows: keys that each layer looks back over, the token itself included; None for all.
        parameters: number of parameters, a tied head once.
        block_parameters: weights below the output layer that every token is multiplied with.
        head_parameters: weights of the output layer.
    """

    family: str
    shape: Shape
    architecture: Mapping[str, Any] = field(repr=False)
    windows: tuple[int | None, ...] = field(repr=False)
    parameters: int
    block_parameters: int
    head_parameters: int

    @property
    def matmul_parameters(self) -> int:
        """Weights that a token whose logits are computed is multiplied with: a tied head counts, a lookup does not."""
        return self.block_parameters + self.head_parameters

    @property
    def attention_width(self) -> int:
        """Width of all query heads together; `d` but where a head's width is a size of its own."""
        return self.shape.heads * self.shape.head_width

    def flops_per_token(self, context: int) -> int:
        """FLOPs of one token that attends to `context` keys, itself included, and whose logits are computed.

        `2·N_mm + 4·a·Σ_layers min(context, window)`, a the width of all heads. Source: shared/design efficiency 1.5.
        """
        keys = sum(_seen(context, window) for window in self.windows)
        return 2 * self.matmul_parameters + 4 * self.attention_width * keys

    def prefill_flops(self, tokens: int, kept: int = 1, batch: int = 1) -> int:
        """FLOPs of reading `batch` prompts of `tokens` tokens, with the logits of the last `kept` of each.

        `2·T·blocks + 2·kept·head + 4·a·Σ_layers Σ_i min(i, window)`: the causal half of the square only.
        """
        pairs = sum(_pairs(tokens, window) for window in self.windows)
        return batch * (self._products(tokens, kept) + 4 * self.attention_width * pairs)

    def eager_flops(self, tokens: int, kept: int = 1, batch: int = 1) -> int:
        """FLOPs that transformers' eager attention really does for `prefill_flops`: every query times every key.

        The local layers of GPT-Neo multiply all keys too and mask them afterwards.
        """
        square = self.shape.layers * tokens * tokens
        return batch * (self._products(tokens, kept) + 4 * self.attention_width * square)

    def decode_step_flops(self, batch: int, context: int) -> int:
        """FLOPs of one new token in each of `batch` rows that attend to `context` keys, the new one included."""
        return batch * self.flops_per_token(context)

    def train_step_flops(self, batch: int, tokens: int) -> int:
        """FLOPs of a forward and backward pass over `batch` rows of `tokens` tokens, all of them predicted.

        Nothing is computed twice (no gradient checkpointing); the optimiser's few operations a weight are left out.
        """
        return _TRAINING * self.prefill_flops(tokens, kept=tokens, batch=batch)

    def weights_bytes(self, dtype: str) -> int:
        """Bytes of the parameters."""
        return self.parameters * BYTES_PER_ELEMENT[dtype]

    def buffers_bytes(self, dtype: str) -> int:
        """Bytes of the masks and tables that transformers keeps beside the parameters.

        GPT-Neo: a mask of P·P bytes a layer. GPT-J: P·rotary sines and cosines a layer. GPT-NeoX and Llama: twice the
        inverse frequencies. All of these tables stay float32 in a model of any other dtype.
        """
        one_of(dtype, BYTES_PER_ELEMENT, field="dtype")
        s, rotary = self.shape, rotary_width(self.family, self.shape, self.architecture)
        if self.family == "gpt_neo":
            return s.layers * s.positions * s.positions
        if self.family == "gptj":
            return s.layers * s.positions * 2 * ((rotary + 1) // 2) * BYTES_PER_ELEMENT["float32"]
        return 2 * ((rotary + 1) // 2) * BYTES_PER_ELEMENT["float32"]

    def kv_bytes_per_token(self, dtype: str) -> int:
        """Bytes of keys and values kept for one token of one row, in all layers."""
        return families.kv_bytes_per_token(self.family, self.architecture, dtype)

    def kv_read_bytes(self, context: int, dtype: str) -> int:
        """Bytes of keys and values that one new token of one row has use for, `context` keys back, itself included."""
        layer = self.kv_bytes_per_token(dtype) // self.shape.layers
        return layer * sum(_seen(context, window) for window in self.windows)

    def streamed_bytes(self, batch: int, dtype: str) -> int:
        """Bytes of weights that one pass must read: all but the lookup tables, of which it reads a row a token."""
        rows, tables = self._lookups()
        return (self.parameters - tables + batch * rows) * BYTES_PER_ELEMENT[dtype]

    def decode_step_bytes(self, batch: int, context: int, dtype: str) -> int:
        """Bytes that one step of `batch` rows must move: the weights once, each row's `context` keys and values.

        Activations and logits are left out: they are few and may stay in the cache. Source: shared/design efficiency
        1.5.
        """
        return self.streamed_bytes(batch, dtype) + batch * self.kv_read_bytes(context, dtype)

    def prefill_bytes(self, batch: int, tokens: int, dtype: str) -> int:
        """Bytes that reading `batch` prompts of `tokens` tokens must move: the weights, and keys and values written."""
        return self.streamed_bytes(batch * tokens, dtype) + batch * tokens * self.kv_bytes_per_token(dtype)

    def predicted_peak(self, passes: Pass, *, cached: int) -> Memory:
        """Predicted bytes of tensors in one pass, with a cache laid out for `cached` tokens of each row."""
        return Memory(
            weights=self.weights_bytes(passes.dtype),
            buffers=self.buffers_bytes(passes.dtype),
            kv=passes.batch * cached * self.kv_bytes_per_token(passes.dtype),
            activations=activation_bytes(self.family, self.shape, self.architecture, passes),
        )

    def predicted_memory(  # noqa: PLR0913 - the axes of a probe
        self, *, dtype: str, attention: str, batch: int, prompt: int, new: int, kind: str, kept: int = 1
    ) -> Memory:
        """Predicted bytes of tensors at the highest point of reading `prompt` and decoding `new` tokens.

        Args:
            dtype: of weights and activations.
            attention: the implementation in effect, as `eager` or `sdpa`; `auto` is what transformers chooses.
            batch: rows.
            prompt: tokens of each row.
            new: tokens decoded for each row; 0 and 1 are a prefill.
            kind: `cpu` or `cuda`: their kernels hold different copies.
            kept: positions of a row whose logits the prefill computes (`prompt` when all are scored).

        Raises:
            ValueError: an unknown dtype or kind.
        """
        one_of(dtype, BYTES_PER_ELEMENT, field="dtype")
        one_of(kind, ("cpu", "cuda"), field="kind")
        effective = self.automatic_attention if attention == "auto" else attention
        first = Pass(
            dtype=dtype, attention=effective, kind=kind, batch=batch, queries=prompt, keys=prompt, kept=kept
        )  # fmt: skip
        last = Pass(dtype=dtype, attention=effective, kind=kind, batch=batch, queries=1, keys=prompt + max(new - 1, 0))
        cached = prompt + new if new > 1 else prompt
        found = [self.predicted_peak(step, cached=cached) for step in ((first, last) if new > 1 else (first,))]
        return max(found, key=lambda memory: memory.total)

    def predicted_peak_bytes(  # noqa: PLR0913 - the axes of a probe
        self, *, dtype: str, attention: str, batch: int, prompt: int, new: int, kind: str, kept: int = 1
    ) -> int:
        """`predicted_memory(...).total`."""
        return self.predicted_memory(
            dtype=dtype, attention=attention, batch=batch, prompt=prompt, new=new, kind=kind, kept=kept
        ).total

    @property
    def automatic_attention(self) -> str:
        """What transformers takes where nothing is said: torch's own attention where the family has it."""
        return "sdpa" if "sdpa" in families.FAMILIES[self.family].attention else "eager"

    def _products(self, tokens: int, kept: int) -> int:
        return 2 * (tokens * self.block_parameters + kept * self.head_parameters)

    def _lookups(self) -> tuple[int, int]:
        """Numbers of one token's rows in the tables that are looked up only, and of these tables."""
        s = self.shape
        word = int(self.architecture.get("word_embed_proj_dim") or s.width)
        offset = 2 if self.family == "opt" else 0
        learnt = self.family in ("gpt2", "gpt_neo", "opt")
        rows = (s.width if learnt else 0) + (0 if s.tied else word)
        tables = ((s.positions + offset) * s.width if learnt else 0) + (0 if s.tied else s.vocabulary * word)
        return rows, tables


def costs(family: str, architecture: Mapping[str, Any]) -> Costs:
    """The costs of the model of `family` that `architecture` describes.

    >>> costs("gpt2", dict(vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12, n_head=12)).block_parameters
    84934656

    Raises:
        ValueError: an unknown family, a size that is missing or that cannot be.
    """
    s = families.shape(family, architecture)
    word = int(architecture.get("word_embed_proj_dim") or s.width) if family == "opt" else s.width
    attention = 2 * s.width * (s.heads + s.kv_heads) * s.head_width
    feed_forward = (3 if family == "llama" else 2) * s.width * s.inner
    projections = 2 * word * s.width if word != s.width else 0
    return Costs(
        family=family,
        shape=s,
        architecture=architecture,
        windows=_windows(family, s, architecture),
        parameters=families.parameter_count(family, architecture),
        block_parameters=s.layers * (attention + feed_forward) + projections,
        head_parameters=s.vocabulary * word,
    )


def _windows(family: str, shape: Shape, architecture: Mapping[str, Any]) -> tuple[int | None, ...]:
    """Only GPT-Neo looks back over a window, in the layers its config calls local; by default every other one."""
    if family != "gpt_neo":
        return (None,) * shape.layers
    types = architecture.get("attention_types") or [[["global", "local"], shape.layers // 2]]
    kinds = [kind for names, times in types for _ in range(times) for kind in names]
    if len(kinds) != shape.layers:
        raise ValueError(f"architecture: attention_types names {len(kinds)} layers, num_layers={shape.layers}")
    window = int(architecture.get("window_size") or 256)
    return tuple(window if kind == "local" else None for kind in kinds)


def _seen(context: int, window: int | None) -> int:
    return context if window is None else min(context, window)


def _pairs(tokens: int, window: int | None) -> int:
    """Pairs of a query and a key that it may look at: `Σ_{i=1…T} min(i, window)`."""
    near = _seen(tokens, window)
    return near * (near + 1) // 2 + (tokens - near) * near
