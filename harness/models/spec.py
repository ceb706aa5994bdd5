"""The spec of a model: which checkpoint, and how it is to be loaded.

Layer: models, light. Constructing a spec has no side effect and imports nothing heavy.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError, one_of
from harness.models import families, sources

if TYPE_CHECKING:
    from collections.abc import Mapping

DTYPES = ("auto", "float32", "bfloat16", "float16")
DEVICE_MAPS = ("none", "auto")
ATTENTION = ("auto", "eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention")
QUANTISATION = ("none", "int8", "nf4", "torchao_int8")
NEED_CUDA = ("int8", "nf4")
"""Quantisation by bitsandbytes."""
WEIGHTS = ("pretrained", "random")


@final
@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """A causal language model and how it is loaded (`conf/model/*.yaml`).

    Attributes:
        name: label in tables, unique in its study.
        family: a family of `harness.models.families`, or `auto` for whatever transformers makes of the checkpoint.
        source: `org/name` on the model hub, `./folder` or `/folder` of a local checkpoint, a `.gguf` file,
            `zoo:NAME`, or `package:IMPORT_NAME/FILE` for a file inside an installed Python package.
        about: one line for `harness list models`.
        revision: branch, tag or commit on the hub.
        dtype: of weights and arithmetic; `auto` is float32 on CPU and the widest fast type on CUDA.
        device_map: `auto` spreads the layers over all visible GPUs.
        attention: implementation of attention; `auto` leaves the choice to transformers.
        quantisation: `int8` or `nf4` by bitsandbytes, on CUDA and with pretrained weights; `torchao_int8`: int8 weights
            of linear layers by torchao, anywhere.
        weights: `random` builds the model from `architecture` without any checkpoint.
        trust_remote_code: whether code that lies beside the checkpoint may be run.
        architecture: keyword arguments of the transformers config class.
        parameters: exact number of parameters, a tied head counted once.
        tokenizer: source of the tokenizer where it is not the model's own.
        seed: of random weights.
    """

    name: str
    family: str
    source: str
    about: str = ""
    revision: str = "main"
    dtype: str = "auto"
    device_map: str = "none"
    attention: str = "auto"
    quantisation: str = "none"
    weights: str = "pretrained"
    trust_remote_code: bool = False
    architecture: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parameters: int | None = None
    tokenizer: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("name", "source", "revision"):
            if not isinstance(getattr(self, key), str) or not getattr(self, key):
                raise ValueError(f"{key}={getattr(self, key)!r} must be a text that is not empty")
        one_of(self.family, ("auto", *families.FAMILIES), field="family")
        one_of(self.dtype, DTYPES, field="dtype")
        one_of(self.device_map, DEVICE_MAPS, field="device_map")
        one_of(self.attention, ATTENTION, field="attention")
        one_of(self.quantisation, QUANTISATION, field="quantisation")
        one_of(self.weights, WEIGHTS, field="weights")
        if not isinstance(self.trust_remote_code, bool):
            raise ValueError(f"trust_remote_code={self.trust_remote_code!r} must be true or false")  # noqa: TRY004 - bad input is ValueError
        if self.parameters is not None and not (_whole(self.parameters) and self.parameters >= 1):
            raise ValueError(f"parameters={self.parameters!r} is not a valid value: a whole number >= 1, or null")
        if not (_whole(self.seed) and 0 <= self.seed < 2**63):
            raise ValueError(f"seed={self.seed!r} is not a valid value: a whole number from 0 to 2^63 - 1")
        if self.architecture and self.family != "auto":
            families.shape(self.family, self.architecture)

    def check(self) -> None:
        """Looks at everything that can be known without loading weights: sources, packages, combinations.

        Raises:
            ConfigError: one line: what is wrong with this model and what would be right.
        """
        try:
            if self.weights == "random":
                self._check_random()
            else:
                sources.check(self.source)
            if self.tokenizer is not None:
                sources.check(self.tokenizer, weights=False)
            if self.quantisation != "none":
                _check_quantisation(self.quantisation)
        except ValueError as error:
            raise ConfigError(f"model {self.name}: {error}") from None

    def fingerprint(self) -> str:
        """What the local files behind the sources hold, so that a retrained checkpoint is another cell; "" for the hub.

        Raises:
            ValueError: nothing lies where a source points.
        """
        named = [self.source if self.weights == "pretrained" else None, self.tokenizer]
        places = [sources.locate(source) for source in named if source is not None]
        return " ".join(sources.fingerprint(Path(p.path)) for p in places if p.kind != "hub")

    def _check_random(self) -> None:
        if self.family == "auto":
            raise ValueError(f"weights=random needs a family out of {', '.join(families.FAMILIES)}, not auto")
        if not self.architecture:
            raise ValueError("weights=random needs `architecture`: the sizes of the model to build")
        if self.quantisation in NEED_CUDA:
            raise ValueError(f"quantisation={self.quantisation} needs weights=pretrained")


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_quantisation(quantisation: str) -> None:
    package = "bitsandbytes" if quantisation in NEED_CUDA else "torchao"
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"quantisation={quantisation} needs {package}: pip install 'harness[quantisation]'")
    if quantisation not in NEED_CUDA:
        return
    from harness.devices import cuda_devices

    gpus, reason = cuda_devices()
    if not gpus:
        raise ValueError(f"quantisation={quantisation} needs CUDA: {reason}")
