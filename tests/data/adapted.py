"""Deterministic records of trainings and of what they answered, beside the cells of models as they are.

Written through the real `Record` and `Store`. What is planted: every method gains with the number of examples, LoRA
more than the adapter; the prefix gains nothing; a seed adds a little of its own; full fine-tuning forgets.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness import nodes
from harness.methods.adapter import Adapter
from harness.methods.full import Full
from harness.methods.lora import Lora
from harness.methods.prefix import Prefix
from harness.records import Cell, Measurement, Record, Sample, Status
from harness.store import Store
from harness.training.settings import Training

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

CLASSES: Mapping[str, Any] = MappingProxyType({"lora": Lora, "full": Full, "adapter": Adapter, "prefix": Prefix})
GAINS: Mapping[str, float] = MappingProxyType({"lora": 2.6, "full": 2.3, "adapter": 1.6, "prefix": 0.0})
"""Ability that a method adds with all examples."""

SHARES: Mapping[str, float] = MappingProxyType({"lora": 0.004, "full": 1.0, "adapter": 0.02, "prefix": 0.001})
DATA = 512
"""Examples there are."""

STEPS = (10, 20, 30, 40, 50, 60)


class Plan(NamedTuple):
    """What a study holds.

    Attributes:
        models: labels.
        methods: of `CLASSES`.
        tasks: trained on, and asked under their own adapter.
        others: asked under every adapter.
        sizes: examples; None for all.
        seeds: of the trainings.
        shots: in the prompts of the model as it is.
        more: settings of a training that are tried one at a time beside none of them.
        documents: of each task.
        base: whether the model as it is was measured.
        dev: examples of the dev split.
        text: whether held-out text was scored.
        failed: `(method, size, seed)` of trainings that failed.
    """

    models: tuple[str, ...] = ("mini-gpt2-m",)
    methods: tuple[str, ...] = ("full", "lora", "adapter", "prefix")
    tasks: tuple[str, ...] = ("topic",)
    others: tuple[str, ...] = ()
    sizes: tuple[int | None, ...] = (None,)
    seeds: tuple[int, ...] = (0, 1)
    shots: tuple[int, ...] = (0,)
    more: tuple[Mapping[str, Any], ...] = ({},)
    documents: int = 120
    base: bool = True
    dev: int = 64
    text: bool = True
    failed: tuple[tuple[str, int | None, int], ...] = ()


class Made(NamedTuple):
    """A training: model, task, method with its settings, and how good it came out."""

    model: str
    task: str
    method: Any
    ability: float

    @property
    def size(self) -> int:
        """Examples that it is trained on."""
        return self.method.training.n_train or DATA


def build(synthetic: ModuleType, folder: Path, plan: Plan | None = None) -> Path:
    """Writes the study into `folder` and returns it."""
    plan, store = plan or Plan(), Store(folder)
    for model in plan.models:
        if plan.base:
            _as_it_is(synthetic, store, model, plan)
        for task in plan.tasks:
            for made in _trainings(synthetic, model, task, plan):
                _write(synthetic, store, made, plan)
    return folder


def _as_it_is(synthetic: ModuleType, store: Store, model: str, plan: Plan) -> None:
    for task in (*plan.tasks, *plan.others):
        for shots in plan.shots if task in plan.tasks else (0,):
            record, samples = asked(synthetic, model, task, documents=plan.documents, ability=0.12 * shots)
            store.write(replace(record, cell=_with_shots(record.cell, shots)), samples)
    if plan.text:
        store.write(*asked(synthetic, model, "heldout_text"))


def _with_shots(cell: Cell, shots: int) -> Cell:
    return replace(cell, spec={**cell.spec, "workload": {**cell.spec["workload"], "shots": shots}})


def _trainings(synthetic: ModuleType, model: str, task: str, plan: Plan) -> list[Made]:
    found = []
    for name in plan.methods:
        for more in plan.more:
            for size in plan.sizes:
                for seed in plan.seeds:
                    training = Training(n_train=size, seed=seed, **more)
                    method = CLASSES[name](name=name, training=training)
                    learnt = GAINS[name] * np.log(size or DATA) / np.log(DATA)
                    luck = float(synthetic._rng(name, task, model, size, seed).normal(0, 0.15 if learnt else 0.0))
                    found.append(Made(model=model, task=task, method=method, ability=float(learnt) + luck))
    return found


def _write(synthetic: ModuleType, store: Store, made: Made, plan: Plan) -> None:
    training = training_record(synthetic, made, plan)
    store.write(training)
    if training.status is not Status.OK:
        return
    tasks = [made.task, *plan.others, *(["heldout_text"] if plan.text else [])]
    for task in tasks:
        gain = made.ability * (1.0 if task == made.task else 0.0)
        if task == "heldout_text":
            gain = -0.5 if made.method.name == "full" else 0.012
        record, samples = asked(synthetic, made.model, task, documents=plan.documents, ability=gain, of=made)
        store.write(adapted(record, made, training), samples)


def adapted(record: Record, made: Made, training: Record) -> Record:
    """The record of a task under the adapter of a training."""
    spec = {**record.cell.spec, "method": nodes.node(made.method), "training": training.cell.spec["workload"]}
    facts = {"address": training.provenance["task"]["address"], "trained_on": made.task, "n_train": made.size}
    return replace(record, cell=replace(record.cell, method=made.method.name, spec=spec),
                   provenance={**record.provenance, "task": {**record.provenance["task"], **facts}})  # fmt: skip


def training_record(synthetic: ModuleType, made: Made, plan: Plan) -> Record:
    """The record of a training, or of its failure."""
    plain, setup = synthetic.cell(made.model, made.task), made.method.training
    workload = {name: value for name, value in plain.spec["workload"].items() if name not in {"shots", "limit"}}
    spec = {"model": plain.spec["model"], "method": nodes.node(made.method), "device": plain.spec["device"],
            "workload": workload}  # fmt: skip
    cell = Cell(model=made.model, method=made.method.name, workload=made.task, kind="training", seed=setup.seed,
                spec=spec)  # fmt: skip
    facts = {"address": hashlib.sha256(cell.id.encode()).hexdigest()[:16], "n_train": made.size, "n_dev": plan.dev,
             "objective": setup.objective, "stopped_early": False, "resumed": 0}  # fmt: skip
    said = {**synthetic.provenance(made.model), "task": facts}
    if (made.method.name, setup.n_train, setup.seed) in plan.failed:
        return Record(cell=cell, status=Status.FAILED, error="ValueError: the loss is NaN at step 7",
                      provenance={**said, "task": {}})  # fmt: skip
    return Record(cell=cell, status=Status.OK, measurements=tuple(_numbers(synthetic, made, plan)), provenance=said)


def _numbers(synthetic: ModuleType, made: Made, plan: Plan) -> list[Measurement]:
    rng = synthetic._rng("training", made.model, made.task, nodes.node(made.method))
    name, setup = made.method.name, made.method.training
    share, kept = SHARES[name], 1.0 / (1 + setup.fgm + 8 * setup.label_smoothing)
    parameters = synthetic.MODELS[made.model][2]
    trained = float(int(share * parameters))
    held = {"full": 3.0, "lora": 1.4, "adapter": 1.5, "prefix": 1.2}[name]
    rates = {"train_accuracy": min(1.0, 0.9 + 0.05 * kept), "dev_accuracy": 0.85 - 0.15 * kept}
    losses = {"train_loss": 0.12, "dev_loss": 0.15 + 0.5 * kept * (0.5 + 0.05 * float(rng.random()))}
    rows = [("trainable_parameters", trained, "1"), ("trainable_share", share, "1"), ("best_step", 40.0, "1"),
            ("stored_bytes", 4.0 * trained, "B"), ("train_steps", float(STEPS[-1]), "1"),
            ("train_seconds", made.size / 40 * held * float(rng.normal(1, 0.03)), "s"),
            ("train_tok_s", 900.0 / held, "tok/s"), ("train_tokens", 50.0 * made.size, "tok"),
            ("train_examples", float(made.size), "1"), ("peak_host_bytes", 3e8 + held * 4 * parameters, "B"),
            ("train_loss", losses["train_loss"], "1"), ("train_accuracy", rates["train_accuracy"], "1")]  # fmt: skip
    if plan.dev:
        gaps = {"loss_gap": losses["dev_loss"] - losses["train_loss"],
                "accuracy_gap": rates["train_accuracy"] - rates["dev_accuracy"]}  # fmt: skip
        held_out = {name: losses.get(name, rates.get(name, 0.0)) for name in ("dev_loss", "dev_accuracy")}
        rows += [(metric, value, "1") for metric, value in (held_out | gaps).items()]
    found = [Measurement(metric=metric, value=value, unit=unit) for metric, value, unit in rows]
    for step in STEPS:
        fall = float(np.exp(-step / 25)) * (1 + 0.1 * float(rng.normal()))
        found.append(Measurement(metric="train_step_loss", value=0.1 + 1.2 * abs(fall), subset=f"step={step}"))
        if plan.dev and step % 20 == 0:
            late = 0.002 * max(0, step - 40)
            found.append(Measurement(metric="dev_step_loss", value=0.3 + abs(fall) + late, subset=f"step={step}"))
            found.append(Measurement(metric="dev_step_accuracy", value=0.6 + step / 300, subset=f"step={step}"))
    return found


def asked(  # noqa: PLR0913 - who is asked what, and how good it is
    synthetic: ModuleType, model: str, task: str, *, documents: int = 60, ability: float = 0.0, of: Made | None = None
) -> tuple[Record, list[Sample]]:
    """A record of `synthetic` of a model that has become abler; the same documents are hard for all."""
    record, samples = synthetic.task_record(model, task, documents=documents)
    names = (of.method.name, of.method.training.seed, of.size, of.task, str(nodes.node(of.method))) if of else ()
    luck = synthetic._rng("adapted", model, task, *names).random(len(samples))
    made = [_abler(sample, ability, float(own)) for sample, own in zip(samples, luck, strict=True)]
    first = record.measurements[0]
    values = np.array([sample.metrics[first.metric] for sample in made])
    number = replace(first, value=round(float(values.mean()), 9), stderr=round(float(values.std(ddof=1)), 9) / 10)
    return replace(record, measurements=(number, *record.measurements[-5:])), made


def _abler(sample: Sample, ability: float, luck: float) -> Sample:
    metric = next(iter(sample.metrics))
    if metric == "bits_per_byte":
        return replace(sample, metrics={metric: sample.metrics[metric] - ability * (0.4 + 0.2 * luck) + 0.01 * luck})
    turn = luck < (1 - np.exp(-abs(ability) / 2))
    right = float(ability > 0) if turn and ability else sample.metrics[metric]
    return replace(sample, metrics={metric: right}, pred=sample.gold if right else "something else")
