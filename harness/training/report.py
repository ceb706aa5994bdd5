"""What a training took and how it went, as plain data.

Layer: training, light.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.records import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping


@final
@dataclass(frozen=True, kw_only=True)
class Point:
    """One place of a curve.

    Attributes:
        step: optimiser steps made.
        epoch: passes over the data made.
        loss: of the step's batch in training mode, or of the whole dev split in evaluation mode; nats per answer
            token, or per label. Without label smoothing on the dev split.
        accuracy: on the dev split: share of examples of which every answer token, or the label, is the likeliest one.
        rate: learning rate of the step.
        norm: of the step's gradient, before clipping.
    """

    step: int
    epoch: float
    loss: float
    accuracy: float | None = None
    rate: float | None = None
    norm: float | None = None


@final
@dataclass(frozen=True, kw_only=True)
class TrainingReport:
    """How a training went.

    Attributes:
        parameters: of the model with what was added for training.
        trainable: of them those that were trained.
        stored_bytes: size of the file of trained weights.
        examples: trained on, copies by augmentation included.
        steps: made.
        best_step: whose weights were kept.
        seconds: of training with its evaluations and checkpoints, all runs of a training that was broken off together.
        tokens: that went through the model in training, padding not counted; an adversarial pass counts once.
        peak_host_bytes: highest resident bytes of the process while training.
        peak_device_bytes: highest allocated bytes of the devices; None on a CPU.
        train: loss of every step.
        dev: loss and accuracy of every evaluation; empty without a dev split.
        final: `train_loss`, `train_accuracy`, `dev_loss` and `dev_accuracy` of the kept weights in evaluation mode;
            the training ones on as many examples, the first ones, as the dev split has (all without one).
        resumed: steps that an earlier run had made.
        stopped_early: whether training ended before its last epoch.
        joules: energy of training, where it was measured.
    """

    parameters: int
    trainable: int
    stored_bytes: int
    examples: int
    steps: int
    best_step: int
    seconds: float
    tokens: int
    peak_host_bytes: int
    peak_device_bytes: int | None
    train: tuple[Point, ...]
    dev: tuple[Point, ...]
    final: Mapping[str, float]
    resumed: int = 0
    stopped_early: bool = False
    joules: float | None = None

    @property
    def share(self) -> float:
        """Trained parameters over all."""
        return self.trainable / self.parameters

    def json(self) -> dict[str, Any]:
        """Plain data for a file or a record's facts."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The report that `json` wrote."""
        curves = {name: tuple(Point(**point) for point in data[name]) for name in ("train", "dev")}
        return cls(**{**data, **curves})

    def measurements(self) -> list[Measurement]:
        """The numbers as they stand in a record; of the curves `train_step_loss`, `dev_step_loss` by `step=N`."""
        rows = [
            Measurement(metric="trainable_parameters", value=self.trainable),
            Measurement(metric="trainable_share", value=self.share),
            Measurement(metric="stored_bytes", value=self.stored_bytes, unit="B", higher_is_better=False),
            Measurement(metric="train_seconds", value=self.seconds, unit="s", higher_is_better=False),
            Measurement(metric="train_tokens", value=self.tokens, unit="tok"),
            Measurement(
                metric="train_tok_s",
                value=self.tokens / self.seconds,
                unit="tok/s",
                n=self.steps,
                higher_is_better=True,
            ),
            Measurement(metric="train_steps", value=self.steps),
            Measurement(metric="train_examples", value=self.examples),
            Measurement(metric="best_step", value=self.best_step),
            Measurement(metric="peak_host_bytes", value=self.peak_host_bytes, unit="B", higher_is_better=False),
            *self._quality(),
        ]
        if self.peak_device_bytes is not None:
            peak = self.peak_device_bytes
            rows.append(Measurement(metric="peak_device_bytes", value=peak, unit="B", higher_is_better=False))
        if self.joules is not None:
            rows.append(Measurement(metric="train_energy", value=self.joules, unit="J", higher_is_better=False))
        return rows

    def _quality(self) -> list[Measurement]:
        found = [
            Measurement(metric=name, value=value, higher_is_better=name.endswith("accuracy"))
            for name, value in self.final.items()
        ]
        if "dev_loss" in self.final:
            gaps = {
                "loss_gap": self.final["dev_loss"] - self.final["train_loss"],
                "accuracy_gap": self.final["train_accuracy"] - self.final["dev_accuracy"],
            }
            found += [Measurement(metric=name, value=gap, higher_is_better=False) for name, gap in gaps.items()]
        for name, curve in (("train", self.train), ("dev", self.dev)):
            found += [
                Measurement(metric=f"{name}_step_loss", value=p.loss, subset=f"step={p.step}", higher_is_better=False)
                for p in curve
            ]
        found += [
            Measurement(metric="dev_step_accuracy", value=p.accuracy, subset=f"step={p.step}", higher_is_better=True)
            for p in self.dev
            if p.accuracy is not None
        ]
        return found
