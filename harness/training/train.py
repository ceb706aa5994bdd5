"""Subject + method + examples -> the folder of an adapter, and a report.

Layer: training; torch and transformers.
"""

from __future__ import annotations

import fcntl
import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, final

import torch
from torch import nn
from transformers import EarlyStoppingCallback, PrinterCallback

from harness.generation.budget import first_line, is_out_of_memory, release
from harness.meters import energy, places
from harness.meters.memory import Peak
from harness.records import OutOfMemory, Unsupported
from harness.training import rows, saved
from harness.training.adversary import Adversary
from harness.training.arguments import arguments
from harness.training.augment import augmented
from harness.training.classifier import headed
from harness.training.loop import Loop, Spent, Watch, last_checkpoint
from harness.training.report import Point, TrainingReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from transformers import TrainingArguments

    from harness.models.subject import Subject
    from harness.records import Progress
    from harness.training.examples import Data
    from harness.training.fitting import Fitting
    from harness.training.settings import Training

_DROPOUTS = ("dropout", "attention_dropout", "activation_dropout")
"""Rates that attention and blocks of some families keep as plain numbers."""


class Method(Protocol):
    """What training asks of a method (`harness.methods`).

    Attributes:
        name: label.
        training: settings.
        soft: vectors that it puts before every text; 0 for most methods.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def training(self) -> Training: ...  # noqa: D102

    @property
    def soft(self) -> int: ...  # noqa: D102

    def fit(self, base: Any, *, steps: int, reversible: bool) -> Fitting:
        """`base` made ready to be fitted in so many steps of the optimiser."""
        ...


def train(subject: Subject, method: Method, data: Data, *, folder: Path, progress: Progress) -> TrainingReport:
    """Trains `subject` on `data`, and stores what was learnt in `folder`. A finished folder is only read.

    A training that was broken off goes on from its last checkpoint in `folder`. Afterwards the subject's model is used
    up: load it again, and put the adapter on with `harness.training.attach`.

    Raises:
        ValueError: the data do not fit the settings; the loss is no number any more (`DivergedError`).
        Unsupported: quantised or float16 weights, or a method that the family lacks.
        OutOfMemory: a step does not fit: more accumulation needs less.
        ConfigError: a finished folder that is damaged.
    """
    check_trainable(subject)
    data.check(method.training)
    with _alone(folder), _seeded(method.training.seed, subject.device.kind):
        if (done := saved.read(folder)) is not None:
            return done.report
        try:
            return _train(subject, method, data, folder=folder, progress=progress)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
    release()
    size = method.training.batch // method.training.accumulation
    raise OutOfMemory(f"training {method.name} ran out of memory at {size} examples at a time: {reason}")


def check_trainable(subject: Subject) -> None:
    """Refuses weights that have no gradients.

    Raises:
        Unsupported: quantised weights, or float16, in which the epsilon of AdamW is 0.
    """
    quantisation = subject.facts.get("quantisation", "none")
    if quantisation != "none":
        raise Unsupported(f"fine-tuning needs quantisation=none: weights in {quantisation} have no gradients")
    if subject.model.dtype == torch.float16:
        raise Unsupported("fine-tuning needs dtype=float32 or bfloat16: in float16 the epsilon of AdamW is 0")


@final
@dataclass(frozen=True, kw_only=True)
class _Job:
    """One training: who learns what, and where it is kept."""

    subject: Subject
    method: Method
    data: Data
    folder: Path
    train: list[dict[str, list[int]]]
    dev: list[dict[str, list[int]]]

    @property
    def training(self) -> Training:
        return self.method.training

    @property
    def steps_of_epoch(self) -> int:
        return math.ceil(len(self.train) / self.training.batch)


def _train(subject: Subject, method: Method, data: Data, *, folder: Path, progress: Progress) -> TrainingReport:
    job = _prepared(subject, method, data, folder=folder)
    fitting = fitted(subject, method, labels=data.labels, steps=job.steps_of_epoch * job.training.epochs)
    fitting.widen()
    _set_dropout(fitting.model, job.training.dropout)
    if job.training.gradient_checkpointing:
        fitting.base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    checkpoint = last_checkpoint(folder / saved.CHECKPOINTS)
    devices = places.devices(subject.device.kind, subject.model)
    meter = energy.find(subject.device.kind, devices)
    watch = Watch(fitting, progress, before=Spent.at(checkpoint), meter=None if isinstance(meter, str) else meter)
    loop = _loop(job, fitting, watch)
    with Peak(devices) as peak:
        loop.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    spent = watch.spent
    state = fitting.state()
    report = TrainingReport(
        parameters=sum(p.numel() for p in fitting.model.parameters()),
        trainable=sum(p.numel() for p in fitting.trained().values()),
        stored_bytes=saved.write_weights(folder, state),
        examples=len(job.train),
        steps=loop.state.global_step,
        best_step=(job.training.early_stopping and loop.state.best_global_step) or loop.state.global_step,
        seconds=spent.seconds,
        joules=spent.joules,
        tokens=int(loop.state.num_input_tokens_seen),
        peak_host_bytes=peak.host_bytes,
        peak_device_bytes=peak.device_bytes,
        train=_losses(loop.state.log_history),
        dev=_evaluations(loop.state.log_history),
        final=_final(loop, job),
        resumed=int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0,
        stopped_early=loop.state.global_step < loop.state.max_steps,
    )
    labels = data.labels if job.training.objective == "classification" else ()
    about = saved.Saved(method=method.name, objective=job.training.objective, labels=labels, report=report)
    saved.write(folder, about, state)
    return report


def fitted(
    subject: Subject, method: Method, *, labels: tuple[str, ...], steps: int, reversible: bool = False
) -> Fitting:
    """The subject's model made ready for `method`, with a classification head where its objective asks for one."""
    base: Any = subject.model
    if method.training.objective == "classification":
        base = headed(base, subject.tokenizer, labels=len(labels))
    return method.fit(base, steps=steps, reversible=reversible)


def _prepared(subject: Subject, method: Method, data: Data, *, folder: Path) -> _Job:
    limit = subject.facts["context"] - method.soft
    examples = augmented(data, method.training)
    made = []
    for part in (examples, data.dev):
        if method.training.objective == "classification":
            made.append(rows.classification(part, subject.tokenizer, labels=data.labels, limit=limit))
        else:
            made.append(rows.language(part, subject.tokenizer, limit=limit))
    return _Job(subject=subject, method=method, data=data, folder=folder, train=made[0], dev=made[1])


def side(method: Method) -> str:
    """Where batches are padded: right, where PEFT puts vectors before the padding and drops the positions."""
    return "right" if method.soft or method.training.objective == "classification" else "left"


def _loop(job: _Job, fitting: Fitting, watch: Watch) -> Loop:
    training, subject = job.training, job.subject
    labelled = training.objective == "classification"
    adversary = Adversary(fitting.base.get_input_embeddings(), norm=training.fgm) if training.fgm else None
    patience = training.early_stopping
    loop = Loop(
        fitting,
        smoothing=training.label_smoothing,
        adversary=adversary,
        cached=bool(job.method.soft),
        watch=watch,
        args=_arguments(job),
        data_collator=rows.Collator.of(fitting.base, subject.tokenizer, side=side(job.method), labelled=labelled),
        train_dataset=job.train,
        eval_dataset=job.dev or None,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=patience)] if patience else [],
    )
    loop.remove_callback(PrinterCallback)
    return loop


def _arguments(job: _Job) -> TrainingArguments:
    return arguments(
        job.training,
        folder=job.folder / saved.CHECKPOINTS,
        steps=job.steps_of_epoch,
        watched=bool(job.dev),
        bf16=_in_bf16(job),
        on_cpu=job.subject.device.kind == "cpu",
    )


def _in_bf16(job: _Job) -> bool:
    wanted = job.training.bf16
    narrow = job.subject.model.dtype == torch.bfloat16
    if wanted is False and narrow:
        raise Unsupported("bf16=false needs a model in float32, and this one is in bfloat16: set model.dtype=float32")
    return narrow if wanted is None else wanted


def _losses(history: list[dict[str, Any]]) -> tuple[Point, ...]:
    return tuple(
        Point(
            step=entry["step"],
            epoch=entry["epoch"],
            loss=entry["loss"],
            rate=entry.get("learning_rate"),
            norm=entry.get("grad_norm"),
        )
        for entry in history
        if "loss" in entry
    )


def _evaluations(history: list[dict[str, Any]]) -> tuple[Point, ...]:
    return tuple(
        Point(step=entry["step"], epoch=entry["epoch"], loss=entry["eval_loss"], accuracy=entry["eval_accuracy"])
        for entry in history
        if "eval_loss" in entry
    )


def _final(loop: Loop, job: _Job) -> dict[str, float]:
    learnt = job.train[: len(job.data.train)]
    found = loop.quality(learnt[: len(job.dev)] if job.dev else learnt).told("train")
    return found | (loop.quality(job.dev).told("dev") if job.dev else {})


def _set_dropout(model: nn.Module, rate: float | None) -> None:
    if rate is None:
        return
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = rate
        for name in _DROPOUTS:
            if isinstance(vars(module).get(name), float):
                setattr(module, name, rate)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes from training the same adapter; the system frees the lock of a process that dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _seeded(seed: int, kind: str) -> Iterator[None]:
    """Initial weights and dropout follow from `seed`; torch's generators are afterwards as they were."""
    devices = range(torch.cuda.device_count()) if kind == "cuda" else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
