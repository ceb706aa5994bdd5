"""How a model is trained, whatever the method: one frozen dataclass, a part of every method's config.

Layer: training, light.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast, final

from harness.config import construct, one_of

OBJECTIVES = ("language", "classification")
SCHEDULES = ("linear", "cosine", "constant")


@final
@dataclass(frozen=True, kw_only=True)
class Training:
    """Settings of a training (`training:` of a method).

    Attributes:
        objective: `language`: the answer's tokens through the output layer, so that the model answers the task as any
            other; `classification`: a linear classifier on the last token of the prompt.
        epochs: passes over the training examples.
        learning_rate: peak.
        schedule: of the learning rate after the warm-up: `linear` and `cosine` end at 0.
        warmup: share of the steps over which the learning rate rises from 0.
        batch: examples of a step.
        accumulation: parts that a step's batch is computed in, one after the other; divides `batch`.
        n_train: training examples; null: all there are. Smaller sets are within larger ones.
        n_dev: examples of the dev split, which are held out of the training split where the task has none of its own.
            0: its own one whole, or none.
        weight_decay: of AdamW; biases and norms have none.
        dropout: of every dropout layer; null: as the checkpoint's config says.
        label_smoothing: share of the probability that is spread over all labels.
        clipping: largest norm of the gradient; 0: no clipping.
        evaluations: times the dev split is evaluated (and a checkpoint is written) in an epoch.
        early_stopping: evaluations without a lower dev loss after which training stops, and the weights of the lowest
            are kept; 0: off, the last weights are kept.
        fgm: norm of the adversarial change of the embeddings; 0: off. Every step is then computed twice.
        augmentation: operations that make changed copies of the training texts: functions of `harness.perturbations`
            by module and name (`letters.keyboard_typo`), or `eda.swap`, `eda.delete`, `eda.insert`, `eda.replace`.
        copies: changed copies of each example for every operation.
        strength: of the operations, 0..1.
        seed: of the choice of training examples, initial weights, order, dropout and augmentation.
        bf16: arithmetic in bfloat16; trained weights stay in float32. Null: where the model itself is in bfloat16.
        gradient_checkpointing: activations are computed again in the backward pass instead of kept.
        group_by_length: batches of examples of about the same length.
    """

    objective: str = "language"
    epochs: int = 3
    learning_rate: float = 1e-4
    schedule: str = "linear"
    warmup: float = 0.06
    batch: int = 16
    accumulation: int = 1
    n_train: int | None = None
    n_dev: int = 0
    weight_decay: float = 0.0
    dropout: float | None = None
    label_smoothing: float = 0.0
    clipping: float = 1.0
    evaluations: int = 1
    early_stopping: int = 0
    fgm: float = 0.0
    augmentation: tuple[str, ...] | list[str] = ()
    copies: int = 1
    strength: float = 0.3
    seed: int = 0
    bf16: bool | None = None
    gradient_checkpointing: bool = False
    group_by_length: bool = False

    def __post_init__(self) -> None:
        one_of(self.objective, OBJECTIVES, field="objective")
        one_of(self.schedule, SCHEDULES, field="schedule")
        names = (self.augmentation,) if isinstance(self.augmentation, str) else tuple(self.augmentation)
        object.__setattr__(self, "augmentation", names)
        for name, least in _WHOLE.items():
            _whole(name, getattr(self, name), least)
        if self.n_train is not None:
            _whole("n_train", self.n_train, 1)
        for name, (least, most) in _REAL.items():
            _real(name, getattr(self, name), least, most)
        if self.dropout is not None:
            _real("dropout", self.dropout, 0.0, 0.99)
        self._check_flags()
        self._check_together()

    @classmethod
    def of(cls, value: Any) -> Self:
        """`value`, or the settings that a mapping of some of the fields stands for.

        Raises:
            ConfigError: it is neither, or a field is wrong.
        """
        if isinstance(value, Mapping):
            node = {"_target_": f"{cls.__module__}.{cls.__name__}", **cast("Mapping[str, Any]", value)}
            return construct(node, where="training")
        if not isinstance(value, cls):
            raise ValueError(f"training={value!r} is not a valid value: a mapping of settings")  # noqa: TRY004 - bad input
        return value

    def _check_flags(self) -> None:
        for name in ("bf16", "gradient_checkpointing", "group_by_length"):
            value = getattr(self, name)
            if not (isinstance(value, bool) or (value is None and name == "bf16")):
                raise ValueError(f"{name}={value!r} is not a valid value: true or false")

    def _check_together(self) -> None:
        from harness.training.augment import operation

        if self.learning_rate == 0:
            raise ValueError("learning_rate=0 trains nothing: a number above 0, such as 1e-4")
        if self.batch % self.accumulation:
            raise ValueError(f"accumulation={self.accumulation} must divide batch={self.batch}")
        for name in self.augmentation:
            operation(name)


_WHOLE = {
    "epochs": 1, "batch": 1, "accumulation": 1, "n_dev": 0, "evaluations": 1, "early_stopping": 0, "copies": 1,
    "seed": 0,
}  # fmt: skip
_REAL = {
    "learning_rate": (0.0, math.inf), "warmup": (0.0, 1.0), "weight_decay": (0.0, 100.0),
    "label_smoothing": (0.0, 0.99), "clipping": (0.0, math.inf), "fgm": (0.0, math.inf), "strength": (0.0, 1.0),
}  # fmt: skip


def _whole(name: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}={value!r} is not a valid value: a whole number of at least {least}")


def _real(name: str, value: Any, least: float, most: float) -> None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    if not fits or math.isinf(value):
        wanted = f"a number of at least {least:g}" + ("" if math.isinf(most) else f" and at most {most:g}")
        raise ValueError(f"{name}={value!r} is not a valid value: {wanted}")
