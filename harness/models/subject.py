"""Spec -> subject: a loaded model with its tokenizer, its lm-eval `LM` and the facts read back from it.

Layer: models; imports torch and transformers.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging

from harness.config import ConfigError
from harness.meters.memory import resident
from harness.models import checkpoint, quantisation
from harness.models.faults import told
from harness.models.place import find
from harness.models.tokenizer import fit, read_tokenizer, tokenizer_source
from harness.records import Progress, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.devices import Device
    from harness.models.place import Place
    from harness.models.spec import ModelSpec
    from harness.scoring.lm import HarnessLM

_CONTEXT_KEYS = ("n_positions", "max_position_embeddings", "n_ctx")
_STEPS = 3


@final
@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that is ready to be measured.

    Attributes:
        spec: what was asked for.
        model: in evaluation mode, on its device.
        tokenizer: with a padding token.
        device: the machine's device.
        lm: scores and generates; what lm-eval sees.
        facts: effective settings, read back from the loaded model: class, family, source, revision, dtype, products (of
            float32 matrices), attention, device, device_map, quantisation, weights, parameters, context,
            trust_remote_code, tokenizer, host_before_bytes (resident bytes of the process right before the model came).
    """

    spec: ModelSpec
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    device: Device
    lm: HarnessLM
    facts: Mapping[str, Any]


def load(spec: ModelSpec, device: Device, progress: Progress) -> Subject:
    """Loads the model that `spec` names onto `device`.

    Raises:
        ConfigError: one line: the source is missing, corrupt, unreachable, incomplete or no causal language model.
        OutOfMemory: the model does not fit.
        Unsupported: attention, placement or quantisation that this model or device does not have.
    """
    from harness.scoring.lm import HarnessLM

    checkpoint.check_placement(spec, device)
    # Of the whole process, which measures on one device.
    torch.set_float32_matmul_precision("high" if device.products == "tf32" else "highest")
    spec.check()
    device.check_dtype(spec.dtype, where=f"model {spec.name}")
    with _quiet():
        progress("loading", 0, _STEPS)
        place = _place(spec)
        tokenizer = read_tokenizer(spec, place)
        progress("loading", 1, _STEPS)
        before = resident()
        model = _model(spec, device, place, tokenizer)
        progress("loading", 2, _STEPS)
    with told(spec.name, tokenizer_source(spec), "tokenizer"):
        fit(tokenizer, _rows(model))
    facts = {**_facts(spec, model, tokenizer, place), "host_before_bytes": before}
    _check_effective(spec, facts)
    lm = HarnessLM(model, tokenizer, batch=device.batch, context=facts["context"])
    progress("loading", _STEPS, _STEPS)
    return Subject(spec=spec, model=model, tokenizer=tokenizer, device=device, lm=lm, facts=facts)


def parameter_count(model: torch.nn.Module) -> int:
    """Number of parameters of a loaded model: tied ones once, packed 4-bit ones by the shape they stand for."""
    unique: dict[tuple[int, ...], int] = {}
    for parameter in model.parameters():
        packed = getattr(parameter, "quant_state", None)
        shape = tuple(packed.shape if packed is not None else parameter.shape)
        wrapped = parameter.is_meta or hasattr(parameter, "__tensor_flatten__")  # no address of its own
        address = id(parameter) if wrapped else parameter.data_ptr()
        unique[(address, *shape)] = math.prod(shape)
    return sum(unique.values())


def _place(spec: ModelSpec) -> Place | None:
    """Where to load from; None under random weights, which need no checkpoint."""
    if spec.weights == "random":
        return None
    with told(spec.name, spec.source, "model"):
        return find(spec.source, spec.revision)


def _model(spec: ModelSpec, device: Device, place: Place | None, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    if place is None:
        with told(spec.name, "architecture", "config"):
            config = checkpoint.architecture_config(spec, tokenizer)
        with told(spec.name, "architecture", "model"):
            return checkpoint.drawn(spec, device, config)
    with told(spec.name, spec.source, "config"):
        config = checkpoint.read_config(spec, place)
    with told(spec.name, spec.source, "weights"):
        return checkpoint.pretrained(spec, device, place, config)


def _facts(
    spec: ModelSpec, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, place: Place | None
) -> dict[str, Any]:
    config = model.config
    placed = sorted({str(where) for where in getattr(model, "hf_device_map", {}).values()})
    return {
        "class": type(model).__name__,
        "family": config.model_type,
        "source": spec.source,
        "revision": f"random, seed {spec.seed}" if place is None else place.content,
        "dtype": "+".join(sorted({str(p.dtype).removeprefix("torch.") for p in model.parameters()})),
        "products": "tf32" if torch.get_float32_matmul_precision() == "high" else "float32",
        "attention": config._attn_implementation,  # noqa: SLF001 - transformers has no public name for it
        "device": str(next(model.parameters()).device),
        "device_map": f"auto: {', '.join(placed)}" if len(placed) > 1 or spec.device_map == "auto" else "none",
        "quantisation": quantisation.effective(model),
        "weights": spec.weights,
        "parameters": parameter_count(model),
        "context": _context(spec, config),
        "trust_remote_code": type(model).__module__.startswith("transformers_modules"),
        "tokenizer": f"{tokenizer_source(spec)} ({type(tokenizer).__name__}, {len(tokenizer)} tokens)",
    }


def _context(spec: ModelSpec, config: Any) -> int:
    for key in _CONTEXT_KEYS:
        if isinstance(positions := getattr(config, key, None), int):
            return positions
    raise ConfigError(f"model {spec.name}: its config has none of {', '.join(_CONTEXT_KEYS)}: its context is unknown")


def _rows(model: PreTrainedModel) -> int:
    embedding: Any = model.get_input_embeddings()
    return embedding.weight.shape[0]


def _check_effective(spec: ModelSpec, facts: Mapping[str, Any]) -> None:
    if spec.attention not in {"auto", facts["attention"]}:
        raise Unsupported(f"attention={spec.attention} was asked for, transformers uses {facts['attention']}")
    if spec.quantisation != facts["quantisation"]:
        raise Unsupported(f"quantisation={spec.quantisation} was asked for, the model has {facts['quantisation']}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Silences the warnings and bars of transformers and the hub, whose content `load` checks itself, for a while."""
    verbosity, hub_verbosity = logging.get_verbosity(), hub_logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub_logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        hub_logging.set_verbosity(hub_verbosity)
        if bars:
            logging.enable_progress_bar()
