"""Deterministic records of probes over a grid, with replicates, written through the real `Record` and `Store`.

Step times follow `level * size * (1 + 0.002 * batch) + slope * context`, times noise of processes and of repeats.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.records import Cell, Measurement, Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DEVICE = {"kind": "cpu", "slug": "cpu-example-2", "name": "Example CPU, 2 threads", "threads": 2, "batch": 16,
          "memory": 8 * 2**30}  # fmt: skip
LEVEL, SLOPE = 1e-3, 2e-6
"""Seconds of a decode step of a model of size 1 without context, and per token of context."""


def decode(model: str, *, size: float = 1.0, batch: int = 1, prompt: int = 64, **more: Any) -> Record:
    """A decode record.

    Args:
        model: label.
        size: factor on all times.
        batch: rows.
        prompt: tokens of a prompt.
        more: `new` tokens, `replicate` (number of the process),
            `repeats`, `process` and `within` (relative noise), `name` of the model's node, `noisy` reasons, `probe`.
    """
    repeats, process, within = more.get("repeats", 5), more.get("process", 0.01), more.get("within", 0.01)
    new, replicate = more.get("new", 17), more.get("replicate", 0)
    rng = _rng(model, batch, prompt, new, replicate)
    shift = size * (1 + rng.normal(0, process))
    contexts = prompt + 1 + np.arange(new - 1)
    rounds = [shift * (1 + rng.normal(0, within)) * (LEVEL * (1 + 0.002 * batch) + SLOPE * contexts)
              * (1 + np.abs(rng.normal(0, within, new - 1))) for _ in range(repeats)]  # fmt: skip
    numbers = [number for repeat, gaps in enumerate(rounds) for number in _timings(gaps, batch, prompt, repeat=repeat)]
    sizes = {"weights_bytes": 4e6 * size, "buffers_bytes": 1e4, "kv_bytes": 2e3 * batch * (prompt + new),
             "activation_bytes": 3e5 * batch, "overhead_bytes": 2e6, "peak_host_bytes": 4e8,
             "added_host_bytes": 7e6 * size, "predicted_bytes": 6.5e6 * size}  # fmt: skip
    numbers += [Measurement(metric=name, value=float(int(value)), unit="B", higher_is_better=False)
                for name, value in sizes.items()]  # fmt: skip
    itl = float(np.median(rounds))
    work = {"flops": (2e6 * batch, "FLOP"), "moved_bytes": (4e6, "B"), "peak_flops": (5e10, "FLOP/s"),
            "peak_bandwidth": (1e10, "B/s"), "mfu": (2e6 * batch / itl / 5e10, "1"), "mbu": (4e6 / itl / 1e10, "1"),
            "bound_s": (4e-4, "s")}  # fmt: skip
    numbers += [Measurement(metric=name, value=value, unit=unit) for name, (value, unit) in work.items()]
    point = {"batch": batch, "prompt": prompt, "new": new, "replicate": replicate}
    facts = {**point, **_conditions(more.get("noisy", ())), "steps": {"itl": [gaps.tolist() for gaps in rounds]},
             "utilisation": {"timed_by": "itl"}}  # fmt: skip
    probe, name = more.get("probe", "decode"), more.get("name", model)
    return Record(cell=cell(model, "decode", point, name=name, probe=probe), status=Status.OK,
                  measurements=tuple(numbers), provenance=provenance(model, facts),
                  warnings=tuple(f"noisy: {reason}" for reason in more.get("noisy", ())))  # fmt: skip


def failed(model: str, status: Status, error: str, **point: int) -> Record:
    """A decode record without a result."""
    whole = {"batch": 1, "prompt": 64, "new": 17, "replicate": 0, **point}
    bare = {name: value for name, value in provenance(model, {}).items() if name != "subject"}
    return Record(cell=cell(model, "decode", whole), status=status, error=error, provenance=bare)


def single(model: str, kind: str, numbers: Sequence[tuple[str, float, str]], **more: Any) -> Record:
    """A record of any other probe; values of one metric are its repeats, and may carry a subset after a slash."""
    rows, counts = [], dict[str, int]()
    for name, value, unit in numbers:
        metric, _, subset = name.partition("/")
        rows.append(Measurement(metric=metric, value=value, unit=unit, subset=subset, repeat=counts.get(name, 0)))
        counts[name] = counts.get(name, 0) + 1
    facts = {**_conditions(()), **more.get("facts", {})}
    return Record(cell=cell(model, kind, more.get("point", {})), status=Status.OK, measurements=tuple(rows),
                  provenance=provenance(model, facts))  # fmt: skip


def cell(model: str, kind: str, point: dict[str, int], *, name: str = "", probe: str = "") -> Cell:
    """The cell of a probe of a kind; `name` is the model's own name where `model` is another label of it."""
    module, classname = kind, "".join(word.title() for word in kind.split("_"))
    spec = {
        "model": {"_target_": "harness.models.spec.ModelSpec", "name": name or model, "family": "gpt2",
                  "source": f"zoo:{name or model}", "dtype": "auto", "attention": "auto"},
        "method": {"_target_": "harness.methods.none.NoMethod", "name": "none"},
        "workload": {"_target_": f"harness.probes.{module}.{classname}", "name": probe or kind, "repeats": 5,
                     "replicates": 1, "replicate": 0, **point},
        "device": DEVICE,
    }  # fmt: skip
    return Cell(model=model, method="none", workload=probe or kind, kind="probe", spec=spec)


def provenance(model: str, facts: dict[str, Any]) -> dict[str, Any]:
    """What `execute` writes beside the numbers."""
    return {
        "harness": "0.1.0", "commit": "0123456789ab", "started": "2026-01-02T03:04:05Z", "seconds": 1.0,
        "versions": {"python": "3.11.2"}, "device": DEVICE, "command": [], "task": facts,
        "subject": {"class": "GPT2LMHeadModel", "family": "gpt2", "source": f"zoo:{model}", "dtype": "float32",
                    "attention": "sdpa", "weights": "pretrained", "parameters": 983_040, "context": 256},
    }  # fmt: skip


def write(folder: Path, *records: Record) -> Path:
    """Writes the records as a study and returns its folder."""
    for record in records:
        Store(folder).write(record)
    return folder


def grid(model: str, *, size: float = 1.0, replicates: int = 3, **more: Any) -> list[Record]:
    """Decode records over a grid of two batches and two prompts."""
    return [
        decode(model, size=size, batch=batch, prompt=prompt, replicate=replicate, **more)
        for replicate in range(replicates) for batch in (1, 8) for prompt in (32, 128)
    ]  # fmt: skip


def _timings(gaps: np.ndarray, batch: int, prompt: int, *, repeat: int) -> list[Measurement]:
    first = float(gaps[0]) * (1 + prompt / 100)
    values = {"ttft": (first, "s"), "itl": (float(np.median(gaps)), "s"), "tpot": (float(gaps.mean()), "s"),
              "e2e": (first + float(gaps.sum()), "s"), "prefill_tok_s": (batch * prompt / first, "tok/s"),
              "decode_tok_s": (batch * len(gaps) / float(gaps.sum()), "tok/s")}  # fmt: skip
    return [Measurement(metric=name, value=value, unit=unit, repeat=repeat, higher_is_better=unit != "s")
            for name, (value, unit) in values.items()]  # fmt: skip


def _conditions(noisy: Sequence[str]) -> dict[str, Any]:
    look = {"load": 0.5, "cores": 2, "torch": {"threads": 2}}
    peaks = {"flops": 5e10, "bandwidth": 1e10, "seconds": 0.2, "size": 512, "copied": 2**26}
    return {
        "warm_up": {"calls": 5, "seconds": 2.1, "first_seconds": 0.5, "stable": not noisy}, "noisy": list(noisy),
        "environment": {"before": look, "after": look},
        "sentinel": {"before": peaks, "after": {**peaks, "flops": 4.95e10}},
        "energy": {"method": None, "reason": "no meter on this machine"},
    }  # fmt: skip


def _rng(*names: object) -> np.random.Generator:
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))
