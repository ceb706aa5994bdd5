"""The folder of an adapter -> the subject that is measured, and the base as it was before.

Layer: training; torch.
"""

from __future__ import annotations

import dataclasses
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from harness.config import ConfigError
from harness.training import saved
from harness.training.classifier import ClassifierLM
from harness.training.train import fitted, side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.models.subject import Subject
    from harness.training.fitting import Fitting
    from harness.training.saved import Saved
    from harness.training.train import Method


@contextmanager
def attached(subject: Subject, method: Method, *, folder: Path) -> Iterator[Subject]:
    """The subject with an adapter; afterwards its model is as it was, bit by bit, for the next adapter of this base.

    What changes is kept beside it meanwhile: with full fine-tuning as much memory again as the weights take.

    Raises:
        ConfigError: no finished training lies in `folder`, it is damaged, or it is another method's.
    """
    found = _found(method, folder)
    fitting = _fitted(subject, method, found, reversible=True)
    try:
        yield _loaded(subject, method, found, folder=folder, fitting=fitting)
    finally:
        fitting.undo()


def adapted(subject: Subject, method: Method, *, folder: Path) -> Subject:
    """The subject with an adapter for good: nothing is kept of the base.

    Raises:
        ConfigError: see `attached`.
    """
    found = _found(method, folder)
    fitting = _fitted(subject, method, found, reversible=False)
    return _loaded(subject, method, found, folder=folder, fitting=fitting)


def _found(method: Method, folder: Path) -> Saved:
    found = saved.read(folder)
    if found is None:
        raise ConfigError(f"no finished training lies in {folder.name}: train {method.name} first")
    if found.objective != method.training.objective:
        raise ConfigError(f"{folder.name} was trained for objective={found.objective}, not {method.training.objective}")
    return found


def _fitted(subject: Subject, method: Method, found: Saved, *, reversible: bool) -> Fitting:
    with torch.random.fork_rng(devices=()):
        return fitted(subject, method, labels=found.labels, steps=found.report.steps, reversible=reversible)


def _loaded(subject: Subject, method: Method, found: Saved, *, folder: Path, fitting: Fitting) -> Subject:
    fitting.load(saved.weights(folder))
    model = fitting.merged()
    facts = {
        **subject.facts,
        "class": type(model).__name__,
        "context": subject.facts["context"] - method.soft,
        "adapter": folder.name,
        "trained_parameters": found.report.trainable,
    }
    lm = _lm(subject, method, model, context=facts["context"], labels=found.labels)
    return dataclasses.replace(subject, model=model, lm=lm, facts=facts)


def _lm(subject: Subject, method: Method, model: Any, *, context: int, labels: tuple[str, ...]) -> Any:
    from harness.scoring.lm import HarnessLM

    batch = subject.device.batch
    if method.training.objective == "classification":
        return ClassifierLM(model, subject.tokenizer, labels=labels, context=context, batch=batch, side=side(method))
    return HarnessLM(model, subject.tokenizer, batch=batch, context=context)
