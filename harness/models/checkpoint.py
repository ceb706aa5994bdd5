"""Weights: read from a checkpoint, or drawn at random from an architecture.

Layer: models; imports torch and transformers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.utils.import_utils import is_flash_attn_2_available, is_flash_attn_3_available

from harness.config import ConfigError, nearest
from harness.models import quantisation
from harness.models.families import FAMILIES
from harness.models.spec import NEED_CUDA
from harness.records import Unsupported

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from harness.devices import Device
    from harness.models.place import Place
    from harness.models.spec import ModelSpec

_FLASH: Mapping[str, tuple[str, Callable[[], bool]]] = MappingProxyType(
    {
        "flash_attention_2": ("pip install flash-attn --no-build-isolation", is_flash_attn_2_available),
        "flash_attention_3": (
            "flash_attn_3, built from the folder hopper of github.com/Dao-AILab/flash-attention",
            is_flash_attn_3_available,
        ),
    }
)
_OLDER_KEYS = ("rotary_pct", "rotary_emb_base", "rope_theta", "rope_scaling")


def read_config(spec: ModelSpec, place: Place) -> PretrainedConfig:
    """The checkpoint's config, checked against the family that the spec names.

    Raises:
        ValueError: another family, or not a causal language model.
    """
    config = AutoConfig.from_pretrained(place.path, trust_remote_code=spec.trust_remote_code, **place.options)
    if spec.family != "auto" and config.model_type != FAMILIES[spec.family].model_type:
        raise ValueError(f"family={spec.family}, but its config.json says model_type={config.model_type}")
    if config.is_encoder_decoder or _other_purpose(config) or not _known(config):
        what = ", ".join(config.architectures or ()) or config.model_type
        raise ValueError(f"{what} is not a causal language model")
    return config


def architecture_config(spec: ModelSpec, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    """The config that `spec.architecture` describes, with the special tokens of `tokenizer`.

    Raises:
        ConfigError: a key that the family's config does not have (transformers would ignore it).
    """
    config_class = type(AutoConfig.for_model(FAMILIES[spec.family].model_type))
    known = {*config_class.__dataclass_fields__, *config_class.attribute_map, *_OLDER_KEYS}
    for key in spec.architecture:
        if key not in known:
            wrong = f"architecture: {config_class.__name__} has no key {key!r}: {nearest(key, known)}"
            raise ConfigError(f"model {spec.name}: {wrong}")
    special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return config_class(**{**special, **_plain(spec.architecture)})


def pretrained(spec: ModelSpec, device: Device, place: Place, config: PretrainedConfig) -> PreTrainedModel:
    """The checkpoint's model on its device, in evaluation mode; safetensors where there are any.

    Raises:
        ValueError: weights are missing from the checkpoint (transformers would draw them at random).
        Unsupported: the kind of attention cannot be had here.
    """
    check_attention(spec, device, config)
    dtype = torch_dtype(spec, device)
    quantised = quantisation.on_reading(spec, dtype)
    options: dict[str, Any] = {"device_map": _device_map(spec, device), "quantization_config": quantised}
    if spec.attention != "auto":
        options["attn_implementation"] = spec.attention
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        place.path,
        config=config,
        dtype=dtype,
        trust_remote_code=spec.trust_remote_code,
        output_loading_info=True,
        **place.options,
        **{key: value for key, value in options.items() if value is not None},
    )
    model, info = loaded
    if missing := sorted(info["missing_keys"]):
        raise ValueError(f"{len(missing)} of its weights are missing from the checkpoint, the first is {missing[0]}")
    quantisation.afterwards(model, spec)
    return model.eval()


def drawn(spec: ModelSpec, device: Device, config: PretrainedConfig) -> PreTrainedModel:
    """A model with random weights on its device, in evaluation mode; the same seed gives the same weights.

    It is built in its dtype and on its device, so that no second copy is ever held. The state of torch's generators
    is left as it was.

    Raises:
        Unsupported: the kind of attention, or of placement, cannot be had here.
    """
    if spec.device_map != "none":
        raise Unsupported("device_map=auto needs weights=pretrained")
    check_attention(spec, device, config)
    options = {} if spec.attention == "auto" else {"attn_implementation": spec.attention}
    place = torch.device(device.kind)
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.kind == "cuda" else []), place:
        torch.manual_seed(spec.seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch_dtype(spec, device), **options)
    quantisation.afterwards(model, spec)
    return model.eval()


def check_placement(spec: ModelSpec, device: Device) -> None:
    """Refuses placement and quantisation that only CUDA has.

    Raises:
        Unsupported: naming the setting.
    """
    if device.kind == "cuda":
        return
    if spec.device_map != "none":
        raise Unsupported(f"device_map={spec.device_map} needs CUDA")
    if spec.quantisation in NEED_CUDA:
        raise Unsupported(f"quantisation={spec.quantisation} needs CUDA")


def check_attention(spec: ModelSpec, device: Device, config: PretrainedConfig) -> None:
    """Refuses a kind of attention that the model's class or the device does not have.

    Raises:
        Unsupported: naming the kind and why not; of a package that is missing, what to install.
    """
    kind = spec.attention
    if kind in {"auto", "eager"}:
        return
    model_class: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    flag = {"sdpa": "_supports_sdpa", "flex_attention": "_supports_flex_attn"}.get(kind, "_supports_flash_attn")
    if model_class is not None and not getattr(model_class, flag, False):
        raise Unsupported(f"attention={kind}: {model_class.__name__} does not have it")
    if not kind.startswith("flash"):
        return
    if device.kind != "cuda":
        raise Unsupported(f"attention={kind} needs CUDA")
    if torch_dtype(spec, device) is torch.float32:
        raise Unsupported(f"attention={kind} needs dtype=bfloat16 or float16")
    package, usable = _FLASH[kind]
    if not usable():
        where = f"model {spec.name}: attention={kind}"
        raise Unsupported(f"{where} needs a package that is not installed, or not for this GPU: {package}")


def torch_dtype(spec: ModelSpec, device: Device) -> torch.dtype:
    """The dtype that the spec asks for on `device`."""
    return getattr(torch, device.auto_dtype if spec.dtype == "auto" else spec.dtype)


def _known(config: PretrainedConfig) -> bool:
    remote = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    return remote or type(config) in MODEL_FOR_CAUSAL_LM_MAPPING


def _other_purpose(config: PretrainedConfig) -> bool:
    """Whether the checkpoint was saved with another head, which transformers would drop without a word."""
    names = [name for name in config.architectures or () if "For" in name]
    return bool(names) and not any("ForCausalLM" in name for name in names)


def _device_map(spec: ModelSpec, device: Device) -> str | dict[str, int] | None:
    if device.kind == "cpu":
        return None
    return "auto" if spec.device_map == "auto" else {"": torch.cuda.current_device()}


def _plain(value: Any) -> Any:
    """A deep copy, since config classes change the dicts they are given."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value
