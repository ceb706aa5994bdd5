"""The steps of loading a model, each timed, in a process that loads nothing else.

Layer: probes; imports torch and transformers. The functions here are called in fresh processes (`children.run`), once
each: whatever a process keeps from a first loading would make a second one faster.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from huggingface_hub import try_to_load_from_cache
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING
from transformers.utils import logging

from harness.meters import places
from harness.meters.clock import synchronise
from harness.meters.memory import Peak
from harness.models import checkpoint, place, sources
from harness.models.faults import told
from harness.models.tokenizer import read_tokenizer
from harness.probes import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn
    from transformers import PretrainedConfig, PreTrainedModel

    from harness.models.place import Place
    from harness.models.spec import ModelSpec
    from harness.models.unloaded import Unloaded

PREPARED = (
    "imports of torch, transformers and the model's class, reading config.json, hashing samples of the weights and, on "
    "CUDA, making the context come before the clock starts; tokenizer and lm-eval are not loaded"
)
"""What a timed loading does not contain."""

_PAGE = 4096


@final
@dataclass(frozen=True, kw_only=True)
class Loading:
    """One timed loading; seconds are None where the step does not exist apart.

    Attributes:
        asked: state of the page cache that was asked for: `cold`, `warm`, or empty where no file is read.
        pages: pages of the weight files.
        resident: of these, in memory when the clock started.
        whole: seconds of the loading as it is done for every measurement.
        read: seconds of reading the weight files from beginning to end.
        init: seconds of building the model in host memory with all files read (random: on the device).
        moved: seconds until every weight lies in the device's memory.
        peak_host_bytes: highest resident set.
        peak_device_bytes: highest allocated memory of the devices; None on a CPU.
    """

    asked: str = ""
    pages: int = 0
    resident: int = 0
    whole: float | None = None
    read: float | None = None
    init: float | None = None
    moved: float | None = None
    peak_host_bytes: int = 0
    peak_device_bytes: int | None = None

    @property
    def state(self) -> str:
        """`cold` where no page of the files was in memory, else `warm`; empty where no file is read."""
        return self.asked and ("cold" if self.resident == 0 else "warm")


@final
@dataclass(frozen=True, kw_only=True)
class _Ready:
    """Everything that loading takes but the weights."""

    unloaded: Unloaded
    place: Place | None
    config: PretrainedConfig

    @property
    def devices(self) -> tuple[int, ...]:
        return places.devices(self.unloaded.device.kind, None)

    def load(self, spec: ModelSpec, *, host: bool = False) -> PreTrainedModel:
        device = self.unloaded.device
        device = dataclasses.replace(device, kind="cpu") if host else device
        with told(spec.name, spec.source, "weights"):
            if self.place is None:
                return checkpoint.drawn(spec, device, self.config)
            return checkpoint.pretrained(spec, device, self.place, self.config)


def first(unloaded: Unloaded) -> dict[str, Any]:
    """Loads once, so that everything is on this machine's disk (hub, GGUF), and says where the weight files are.

    Returns:
        `{"seconds": of the whole subject with its tokenizer, "cpu_seconds", "files": paths, "subject": its facts}`.

    Raises:
        ConfigError: as `Unloaded.load`; so are Unsupported and OutOfMemory.
    """
    started = time.perf_counter()
    subject = unloaded.load(lambda *_: None)
    seconds = time.perf_counter() - started
    spec = unloaded.spec
    files = [] if spec.weights == "random" else _weight_files(place.find(spec.source, spec.revision))
    return {
        "seconds": round(seconds, 3),
        "cpu_seconds": time.process_time(),
        "files": [str(path) for path in files],
        "subject": dict(subject.facts),
    }


def whole(unloaded: Unloaded, state: str, files: Sequence[str]) -> Loading:
    """Loads as it is done for every measurement: reading, building and moving overlap as the loader likes.

    Args:
        unloaded: what to load.
        state: `cold` or `warm`.
        files: the weight files.

    Raises:
        Unsupported: as `Unloaded.load`; so are ConfigError and OutOfMemory.
    """
    ready = _ready(unloaded)
    found = _bring(state, files)
    with Peak(ready.devices) as peak:
        started = time.perf_counter()
        model = ready.load(unloaded.spec)
        touch(model)
        synchronise(places.devices(unloaded.device.kind, model))
        seconds = time.perf_counter() - started
    return _loading(state, found, peak, whole=seconds)


def parts(unloaded: Unloaded, state: str, files: Sequence[str]) -> Loading:
    """Loads one step after the other: read the files, build the model in host memory, move it to the device.

    Where weights are quantised or spread while they are loaded, the last two steps do not exist apart, and are None.

    Args:
        unloaded: what to load.
        state: `cold` or `warm`.
        files: the weight files.

    Raises:
        Unsupported: as `Unloaded.load`; so are ConfigError and OutOfMemory.
    """
    ready = _ready(unloaded)
    spec = unloaded.spec
    dtype = unloaded.device.auto_dtype if spec.dtype == "auto" else spec.dtype
    # Attention has no weights, and some of its kinds refuse the host, where the model only lies.
    staged = dataclasses.replace(spec, dtype=dtype, attention="auto")
    found = _bring(state, files)
    with Peak(ready.devices) as peak:
        read = _timed(lambda: pages.read([Path(file) for file in files]))[0]
        init, model = _timed(lambda: ready.load(staged, host=True)) if divisible(spec) else (None, None)
        moved = _moved(model, ready) if model is not None else None
    return _loading(state, found, peak, read=read, init=init, moved=moved)


def divisible(spec: ModelSpec) -> bool:
    """Whether a model of `spec` can be built in host memory and then moved."""
    return spec.quantisation == "none" and spec.device_map == "none"


def drawn(unloaded: Unloaded) -> Loading:
    """Builds a model with random weights on its device, and moves the same bytes there from host memory.

    Raises:
        Unsupported: as `Unloaded.load`; so are ConfigError and OutOfMemory.
    """
    ready = _ready(unloaded)
    devices = ready.devices
    with Peak(devices) as peak:
        synchronise(devices)
        init, model = _timed(lambda: _drained(ready.load(unloaded.spec), devices))
        if devices:
            model.to("cpu")
        moved = _moved(model, ready)
    return _loading("", None, peak, whole=init, init=init, moved=moved)


def touch(model: nn.Module) -> int:
    """Reads one byte of each page of the weights, and returns how many storages there are.

    Weights on a CPU may be files that were mapped and not read: without this a loading would end before the disk did.
    """
    tensors = [t for t in (*model.parameters(), *model.buffers()) if t.device.type == "cpu"]
    storages = {storage.data_ptr(): storage for storage in (t.untyped_storage() for t in tensors)}
    for storage in storages.values():
        torch.empty(0, dtype=torch.uint8).set_(storage)[::_PAGE].sum()
    return len(storages)


def _ready(unloaded: Unloaded) -> _Ready:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    spec, device = unloaded.spec, unloaded.device
    torch.set_num_threads(device.threads)
    checkpoint.check_placement(spec, device)
    if spec.weights == "random":
        found, tokenizer = None, read_tokenizer(spec, None)
        with told(spec.name, "architecture", "config"):
            config = checkpoint.architecture_config(spec, tokenizer)
    else:
        with told(spec.name, spec.source, "model"):
            found = place.find(spec.source, spec.revision)
            # All files are here after the first loading; a question to the hub is no part of loading.
            found = dataclasses.replace(found, options={**found.options, "local_files_only": True})
        with told(spec.name, spec.source, "config"):
            config = checkpoint.read_config(spec, found)
    MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)  # Imports the class.
    if device.kind == "cuda":
        torch.zeros(1, device="cuda")
        torch.cuda.synchronize()
    return _Ready(unloaded=unloaded, place=found, config=config)


def _bring(state: str, files: Sequence[str]) -> pages.Residency:
    paths = [Path(file) for file in files]
    if state == "cold":
        return pages.evict(paths)
    pages.read(paths)
    return pages.residency(paths)


def _weight_files(found: Place) -> list[Path]:
    """The files that were loaded from: of a folder, or of a hub model's commit in the local cache."""
    folder = Path(found.path)
    if not folder.is_dir():
        cached = try_to_load_from_cache(found.path, "config.json", revision=found.content)
        folder = Path(str(cached)).parent
    return sources.weight_files(folder)


def _timed(step: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = step()
    return time.perf_counter() - started, result


def _drained(model: PreTrainedModel, devices: Sequence[int]) -> PreTrainedModel:
    synchronise(devices)
    return model


def _moved(model: PreTrainedModel, ready: _Ready) -> float:
    """Seconds to bring a model from host memory to its device; on a CPU, to touch what was only mapped."""
    if not ready.devices:
        return _timed(lambda: touch(model))[0]
    target: Any = torch.device("cuda", ready.devices[0])
    with told(ready.unloaded.spec.name, str(target), "weights"):
        return _timed(lambda: _drained(model.to(target), ready.devices))[0]


def _loading(state: str, found: pages.Residency | None, peak: Peak, **seconds: float | None) -> Loading:
    return Loading(
        asked=state,
        pages=found.pages if found else 0,
        resident=found.resident if found else 0,
        peak_host_bytes=peak.host_bytes,
        peak_device_bytes=peak.device_bytes,
        **seconds,
    )
