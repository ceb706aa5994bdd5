"""Deterministic records of probes over a grid, as a GPU or a small CPU would give them, with the faults of a real run.

Times follow a roofline with launch costs; a point beyond the context is clipped, one beyond the memory is out of
memory. Written through the real `Record` and `Store`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.records import Cell, Measurement, Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model by its size; `again`: it is an A/A control of the model of that name."""

    name: str
    family: str
    parameters: int
    layers: int
    width: int
    context: int = 2048
    again: str = ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A device by what it reaches: FLOP/s, B/s, seconds of launches per layer, bytes of memory and per element."""

    kind: str
    name: str
    flops: float
    bandwidth: float
    launch: float
    memory: float
    element: int
    known: bool
    energy: bool


GPU = Machine(kind="cuda", name="Example GPU 80 GB", flops=690e12, bandwidth=2.9e12, launch=18e-6, memory=79 * 2**30,
              element=2, known=True, energy=True)  # fmt: skip
CPU = Machine(kind="cpu", name="Example CPU, 2 threads", flops=90e9, bandwidth=14e9, launch=30e-6, memory=8 * 2**30,
              element=4, known=False, energy=False)  # fmt: skip

LARGE = tuple(Model(name=name, family=family, parameters=int(size), layers=layers, width=width, context=context)
              for name, family, size, layers, width, context in (
    ("gpt2", "gpt2", 124.4e6, 12, 768, 1024), ("gpt2-medium", "gpt2", 354.8e6, 24, 1024, 1024),
    ("gpt2-large", "gpt2", 774e6, 36, 1280, 1024), ("gpt2-xl", "gpt2", 1557.6e6, 48, 1600, 1024),
    ("gpt-neo-125m", "gpt_neo", 125.2e6, 12, 768, 2048), ("gpt-neo-1.3b", "gpt_neo", 1315.6e6, 24, 2048, 2048),
    ("gpt-neo-2.7b", "gpt_neo", 2651.3e6, 32, 2560, 2048), ("gpt-j-6b", "gptj", 6050.9e6, 28, 4096, 2048),
    ("gpt-neox-20b", "gpt_neox", 20554.6e6, 44, 6144, 2048), ("pythia-160m", "gpt_neox", 162.3e6, 12, 768, 2048),
    ("pythia-1.4b", "gpt_neox", 1414.6e6, 24, 2048, 2048), ("pythia-12b", "gpt_neox", 11846e6, 36, 5120, 2048),
))  # fmt: skip
"""Twelve published shapes."""

SMALL = tuple(Model(name=name, family=family, parameters=size, layers=layers, width=width, context=256)
              for name, family, size, layers, width in (
    ("mini-gpt2-s", "gpt2", 230_144, 2, 64), ("mini-gpt2-m", "gpt2", 983_040, 4, 128),
    ("mini-gpt2-l", "gpt2", 3_422_208, 4, 256), ("mini-gptneo", "gpt_neo", 985_088, 4, 128),
    ("mini-gptj", "gptj", 981_504, 4, 128), ("mini-neox", "gpt_neox", 979_968, 4, 128),
))  # fmt: skip
"""The miniatures."""


def build(  # noqa: PLR0913 - a grid has that many axes
    folder: Path, models: Iterable[Model] = SMALL, *, machine: Machine = CPU, batches: Sequence[int] = (1, 4, 16),
    prompts: Sequence[int] = (32, 128), new: int = 32,
    replicates: int = 2, kinds: Sequence[str] = ("decode", "prefill"),
) -> Path:  # fmt: skip
    """Writes the study into `folder` and returns it."""
    store = Store(folder)
    for model in models:
        for kind in kinds:
            for batch in batches:
                for prompt in prompts:
                    for replicate in range(replicates):
                        store.write(record(model, kind, machine=machine, batch=batch, prompt=prompt,
                                           new=new if kind == "decode" else None, replicate=replicate), [])  # fmt: skip
    return folder


def record(  # noqa: PLR0913 - a grid has that many axes
    model: Model, kind: str, *, machine: Machine, batch: int, prompt: int, new: int | None = None, replicate: int = 0,
    status: Status | None = None, noisy: str = "",
) -> Record:  # fmt: skip
    """The record of one process at one point, of the status that the point has on this machine or of the one given."""
    cell = _cell(model, kind, machine=machine, batch=batch, prompt=prompt, new=new, replicate=replicate)
    base = _provenance(model, machine)
    length = prompt + (new or 0)
    if status is None and length > model.context:
        text = f"clipped: prompt {prompt} + new {new or 0} tokens exceed the model's context {model.context}"
        return Record(cell=cell, status=Status.UNSUPPORTED, error=text, provenance=base)
    sizes = _memory(model, kind, machine=machine, batch=batch, length=length)
    if status in {None, Status.OOM} and (status is Status.OOM or sum(sizes.values()) > machine.memory):
        return Record(cell=cell, status=Status.OOM, error="out of memory", provenance=base)
    if status is not None and status is not Status.OK:
        return Record(cell=cell, status=status, error=f"{status}: stated", provenance=base)
    rng = np.random.default_rng(int(_digest(model.name, kind, batch, prompt, replicate), 16))
    timed, facts = _timed(model, machine=machine, batch=batch, prompt=prompt, new=new, rng=rng)
    held = [Measurement(metric=name, value=float(int(size)), unit="B", higher_is_better=False)
            for name, size in _reported(sizes, machine, rng).items()]  # fmt: skip
    facts["noisy"] = [noisy] if noisy else []
    return Record(cell=cell, status=Status.OK, measurements=(*timed, *held), provenance={**base, "task": facts})


def _cell(  # noqa: PLR0913 - a grid has that many axes
    model: Model, kind: str, *, machine: Machine, batch: int, prompt: int, new: int | None, replicate: int
) -> Cell:
    probe: dict[str, Any] = {"_target_": f"harness.probes.{kind}.{kind.capitalize()}", "name": kind, "batch": batch,
                             "prompt": prompt, "repeats": 5, "replicate": replicate}  # fmt: skip
    name = model.again or model.name
    spec = {
        "model": {"_target_": "harness.models.spec.ModelSpec", "name": name, "family": model.family,
                  "source": f"zoo:{name}", "dtype": "auto", "attention": "auto", "parameters": model.parameters},
        "method": {"_target_": "harness.methods.none.NoMethod", "name": "none"},
        "workload": {**probe, **({"new": new} if new else {})},
        "device": {"kind": machine.kind, "slug": machine.kind, "name": machine.name},
    }  # fmt: skip
    return Cell(model=model.name, method="none", workload=kind, kind="probe", spec=spec)


def _provenance(model: Model, machine: Machine) -> dict[str, Any]:
    device = {"kind": machine.kind, "slug": machine.kind, "name": machine.name, "memory": int(machine.memory)}
    return {
        "harness": "0.1.0", "commit": "0123456789ab", "started": "2026-01-02T03:04:05Z", "seconds": 1.25,
        "versions": {"python": "3.11.2"}, "device": device, "command": ["experiment=efficiency_quick"], "task": {},
        "subject": {"class": "GPT2LMHeadModel", "family": model.family, "dtype": "bfloat16", "attention": "sdpa",
                    "weights": "random", "parameters": model.parameters, "context": model.context},
    }  # fmt: skip


def _memory(model: Model, kind: str, *, machine: Machine, batch: int, length: int) -> dict[str, float]:
    """Bytes of each part; the cache, activations and overhead by simple rules."""
    return {
        "weights_bytes": model.parameters * machine.element,
        "buffers_bytes": model.context**2 * model.layers if model.family == "gpt_neo" else 4096.0 * model.layers,
        "kv_bytes": 2.0 * model.layers * model.width * length * batch * machine.element,
        "activation_bytes": (10.0 * length if kind == "prefill" else 300.0) * model.width * batch * machine.element,
        "overhead_bytes": 620 * 2**20 if machine.kind == "cuda" else 9 * 2**20,
    }


def _reported(sizes: dict[str, float], machine: Machine, rng: np.random.Generator) -> dict[str, float]:
    total = sum(sizes.values())
    peak = total - sizes["overhead_bytes"]
    own = {"peak_device_bytes": peak, "peak_reserved_bytes": 1.03 * peak} if machine.kind == "cuda" else {}
    return {**sizes, **own, "peak_host_bytes": total + 300e6, "added_host_bytes": total,
            "predicted_bytes": (peak if own else total) * (1 + 0.03 * rng.standard_normal())}  # fmt: skip


def _timed(  # noqa: PLR0913 - a grid has that many axes
    model: Model, *, machine: Machine, batch: int, prompt: int, new: int | None, rng: np.random.Generator
) -> tuple[list[Measurement], dict[str, Any]]:
    """Raw repeats of the times of a probe with its work and bounds, and the facts beside them."""

    def work(tokens: int, context: float) -> tuple[float, float]:
        flops = batch * tokens * (2.0 * model.parameters + 4.0 * model.layers * model.width * context)
        cache = 2.0 * model.layers * model.width * context * batch * machine.element
        return flops, model.parameters * machine.element + cache

    def seconds(flops: float, moved: float) -> float:
        return max(flops / machine.flops / 0.72, moved / machine.bandwidth / 0.81) + model.layers * machine.launch

    process = float(np.exp(0.01 * rng.standard_normal()))
    numbers: list[Measurement] = []
    facts: dict[str, Any] = {}
    prefill = seconds(*work(prompt, prompt / 2)) * process * np.exp(0.012 * rng.standard_normal(5))
    if new:
        base = np.array([seconds(*work(1, prompt + 1 + step)) for step in range(new - 1)])
        gaps = base * process * np.exp(0.03 * np.abs(rng.standard_normal((5, new - 1))))
        facts["steps"] = {"itl": gaps.round(9).tolist()}
        flops, moved = work(1, prompt + new / 2)
        numbers += _repeats("itl", np.median(gaps, axis=1), "s")
        numbers += _repeats("decode_tok_s", batch * (new - 1) / gaps.sum(axis=1), "tok/s")
        joules, unit = 310.0 * float(np.median(gaps)) / batch, float(np.median(gaps))
    else:
        flops, moved = work(prompt, prompt / 2)
        joules, unit = 520.0 * float(np.median(prefill)) / batch / prompt, float(np.median(prefill))
    numbers += _repeats("ttft", prefill, "s") + _repeats("prefill_tok_s", batch * prompt / prefill, "tok/s")
    bound = max(flops / machine.flops, moved / machine.bandwidth)
    single = [("flops", flops, "FLOP"), ("moved_bytes", moved, "B"), ("peak_flops", machine.flops, "FLOP/s"),
              ("peak_bandwidth", machine.bandwidth, "B/s"), ("bound_s", bound, "s"),
              ("mfu", flops / unit / machine.flops, "1"), ("mbu", moved / unit / machine.bandwidth, "1")]  # fmt: skip
    if machine.known:
        single += [("mfu_spec", flops / unit / 989e12, "1"), ("mbu_spec", moved / unit / 3.35e12, "1")]
    if machine.energy:
        single += [("energy", joules * 1.2 * batch * 300, "J"), ("energy_net", joules * batch * 300, "J"),
                   ("power_idle", 70.0, "W"), ("energy_tok", joules, "J/tok")]  # fmt: skip
        facts["energy"] = {"method": "nvml_counter", "reason": ""}
    numbers += [Measurement(metric=metric, value=float(value), unit=unit) for metric, value, unit in single]
    return numbers, facts


def _repeats(metric: str, values: np.ndarray, unit: str) -> list[Measurement]:
    return [Measurement(metric=metric, value=float(value), unit=unit, repeat=index, higher_is_better=unit != "s")
            for index, value in enumerate(values)]  # fmt: skip


def _digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]
