"""The waist: what is measured (`Cell`), one number (`Measurement`), one document (`Sample`), one result (`Record`).

Layer: the lowest. Stdlib only; everything is frozen, JSON-able data. Both halves of the project depend on this module
and on nothing of each other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, cast, final

SCHEMA = 1
"""Version of the JSON layout of a record."""

MEASURE_VERSION = 1
"""Version of what the measurements mean. It is part of every cell's identity: raising it re-measures everything."""

UNITS = frozenset(
    {"1", "s", "B", "J", "W", "FLOP", "tok", "bit/B", "ppl"}
    | {"tok/s", "item/s", "B/s", "FLOP/s", "J/tok", "J/item", "s/tok", "USD"}
)
"""Units a measurement may carry. SI base units; `1` is a fraction, a score or a count."""


LEARNT = MappingProxyType({"n_train": "n", "seed": "seed"})
"""Settings of a training that are named in the title of a cell, and what they are called there."""


class Status(StrEnum):
    """How the measuring of a cell ended."""

    OK = "ok"
    OOM = "oom"
    UNSUPPORTED = "unsupported"
    FAILED = "failed"
    NOT_RUN = "not_run"
    """The run's time budget ended before: no result, and measured by the next run."""


class Unsupported(Exception):  # noqa: N818 - it is an outcome, not an error
    """The cell cannot be measured here by its nature (a kind of attention the family lacks, say). Not a failure."""


class OutOfMemory(Exception):  # noqa: N818 - it is an outcome, not an error
    """Device or host memory ran out after every smaller batch was tried."""


@final
@dataclass(frozen=True, kw_only=True)
class Cell:
    """One thing to measure: labels for people and a fully resolved specification for machines.

    Identity, message to the worker process and provenance are the same data.

    Attributes:
        model: label of the model (two labels may share one spec: an A/A control).
        method: label of the adaptation, `none` for the model as it is.
        workload: label of the task or probe, or of the task that is trained on; points of a probe's grid share it.
        kind: `training`, `task` or `probe`.
        perturbation: label of the task's variation (perturbation, prompt variant or attack), `none` for none.
        severity: strength of the variation in 0..1; 0 where it has none.
        seed: seed of everything drawn in this cell.
        spec: `{"model", "method", "workload", "device"}`, for tasks also `"scoring"`, if varied `"perturbation"`, under
            an adapter `"training"`: the resolved nodes that construct the objects. It holds nothing that does not
            change the numbers: no paths of results, no log levels, no device index.
    """

    model: str
    method: str
    workload: str
    kind: str
    perturbation: str = "none"
    severity: float = 0.0
    seed: int = 0
    spec: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of the cell's canonical JSON."""
        # `dataclasses.asdict` would copy the whole specification first: it is most of the time of reading a study.
        identity = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        identity["measure_version"] = MEASURE_VERSION
        canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def title(self) -> str:
        """Short name for people, as in `gpt2 · sst2`, or `gpt2 · decode · batch 8, prompt 128, new 32`."""
        method = "" if self.method == "none" else self.method
        return " · ".join(filter(None, (self.model, method, self.asked, self.variation, self.point)))

    @property
    def asked(self) -> str:
        """What is done: `sst2`, `training on sst2`, or `wikitext after sst2` under the adapter of another task."""
        if self.kind == "training":
            return f"training on {self.workload}"
        learnt = self.spec.get("training", {}).get("name", self.workload)
        return self.workload if learnt == self.workload else f"{self.workload} after {learnt}"

    @property
    def point(self) -> str:
        """Where in its probe's grid the cell lies, as in `batch 8, new 32, replicate 2`, or how much was learnt for it.

        Empty for a task of the unadapted model, and for a method as it is by default.
        """
        if self.kind != "probe":
            learnt = self.spec.get("method", {}).get("training", {})
            return ", ".join(f"{word} {learnt[name]}" for name, word in LEARNT.items() if learnt.get(name))
        node: Mapping[str, Any] = self.spec.get("workload", {})
        said = [f"{name} {node[name]}" for name in ("batch", "prompt", "new") if isinstance(node.get(name), int)]
        return ", ".join([*said, *([f"replicate {self.replicate + 1}"] if self.replicate else [])])

    @property
    def variation(self) -> str:
        """How the task is varied, for people, as in `keyboard_typo@0.3`, `prompt_format #2`; empty where it is not."""
        if self.perturbation == "none":
            return ""
        severity = f"@{self.severity:g}" if self.severity else ""
        said = self.spec.get("perturbation", {})
        if said.get("victim"):
            return f"{self.perturbation}{severity} of {said['attack']} on {said['victim']}"
        return f"{self.perturbation}{severity}" + (f" #{self.replicate + 1}" if self.replicate else "")

    @property
    def replicate(self) -> int:
        """Which of the processes that repeat a point of a probe, or of the draws of a variation; counted from 0."""
        number = self.spec.get("workload" if self.kind == "probe" else "perturbation", {}).get("replicate", 0)
        return number if isinstance(number, int) else 0


@final
@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One value of one metric.

    Attributes:
        metric: name, as in `acc`, `decode_tok_s`.
        value: in `unit`, which is one of `UNITS`; finite. Bytes, seconds, fractions: never MiB, milliseconds, per cent.
        subset: what part of the cell it is about, as in `class=positive`; empty for the whole cell.
        repeat: index of a raw repeat of a timing, 0 where there is one value.
        n: number of items or iterations behind the value.
        stderr: standard error of the value where a closed form exists, else None.
        higher_is_better: None where neither direction is better.
    """

    metric: str
    value: float
    unit: str = "1"
    subset: str = ""
    repeat: int = 0
    n: int = 1
    stderr: float | None = None
    higher_is_better: bool | None = None

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"measurement {self.metric}: unit {self.unit!r} is not one of {sorted(UNITS)}")
        if not math.isfinite(self.value):
            raise ValueError(f"measurement {self.metric}: {self.value} is not a finite number")
        if self.stderr is not None and not math.isfinite(self.stderr):
            raise ValueError(f"measurement {self.metric}: its standard error {self.stderr} is not a finite number")


@final
@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a model did with one document. Paired statistics join samples of two models on `item_id`.

    Attributes:
        item_id: hash of the document's content: the same document has the same id under every model, limit and order.
        index: position of the document in the task's own split.
        subset: sub-task of a group (a subject of MMLU), else empty.
        prompt_hash: hash of the text of all requests of the document; equal hashes mean equal prompts.
        prompt: context of the first request, with its few-shot examples.
        gold: expected answer as text (a label, the right option, the reference).
        pred: the model's answer as text.
        options: texts of the options in order; empty for generation and language modelling.
        logprobs: summed log-likelihood per option or per scored text, in nats; empty for generation.
        tokens: scored tokens per entry of `logprobs`, or generated tokens.
        truncated: whether any request of the document lost tokens on the left.
        metrics: value of each metric on this document, where the metric is defined on one document.
        edits: what a variation changed, as JSON `{"FIELD": [[start, end, old, new], ...]}`; empty for nothing.
    """

    item_id: str
    index: int
    subset: str = ""
    prompt_hash: str = ""
    prompt: str = ""
    gold: str = ""
    pred: str = ""
    options: tuple[str, ...] = ()
    logprobs: tuple[float, ...] = ()
    tokens: tuple[int, ...] = ()
    truncated: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    edits: str = ""


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a workload hands back: numbers, documents and what a reader must be told about them.

    Attributes:
        measurements: the numbers.
        samples: one per document; empty for probes.
        warnings: one sentence each: at chance, one answer only, truncated prompts.
        facts: effective settings that were read back, to be kept beside the provenance (versions of the task, batch
            size used): small JSON values only.
    """

    measurements: tuple[Measurement, ...]
    samples: tuple[Sample, ...] = ()
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@final
@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of one cell, a failure included.

    Attributes:
        cell: what was measured.
        status: how it ended.
        measurements: empty unless `status` is ok.
        warnings: sentences a reader of the numbers must see.
        error: one line saying why, unless `status` is ok.
        provenance: what produced it: `{"harness", "commit", "versions", "device", "host", "subject", "task", "started",
            "seconds"}`. Never a secret, never a user's path beyond the model source, never the environment.
        schema: version of this layout.
    """

    cell: Cell
    status: Status
    measurements: tuple[Measurement, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""
    provenance: Mapping[str, Any] = field(default_factory=dict[str, Any])
    schema: int = SCHEMA

    def to_json(self) -> str:
        """The record as JSON text, keys sorted, with a final newline."""
        data = {"id": self.cell.id, **dataclasses.asdict(self)}
        return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Reads what `to_json` wrote.

        Raises:
            ValueError: if the text is not a whole record of this schema, saying what is wrong with it.
        """
        try:
            data: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"not JSON ({error.msg} at line {error.lineno})") from None
        if not isinstance(data, dict) or not {"cell", "schema"} <= data.keys():
            raise ValueError("not a record of this project")
        data = cast("dict[str, Any]", data)
        if data["schema"] != SCHEMA:
            raise ValueError(f"schema {data['schema']}, this version reads {SCHEMA}")
        identity = data.pop("id", None)
        try:
            record = cls(
                cell=Cell(**data.pop("cell")),
                status=Status(data.pop("status")),
                measurements=tuple(Measurement(**m) for m in data.pop("measurements")),
                warnings=tuple(data.pop("warnings")),
                **data,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a whole record: {error}") from None
        if identity != record.cell.id:
            raise ValueError(f"its id {identity} does not match its content ({record.cell.id})")
        return record


Progress = Callable[[str, int, int], None]
"""`progress(phase, done, total)`: called by workloads as they go; phases are words such as `scoring`, `generating`."""
