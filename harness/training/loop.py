"""transformers' Trainer with this project's loss, evaluation and checkpoints.

Layer: training; torch and transformers. Schedules, accumulation, clipping, mixed precision, order of the data and
resuming are the library's.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback

from harness.training.rows import IGNORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from harness.meters.energy import Meter
    from harness.records import Progress
    from harness.training.adversary import Adversary
    from harness.training.fitting import Fitting

    Rows = Sequence[dict[str, list[int]]]

_WEIGHTS, _EXTRA, _CLOCK, _STATE = "trained.safetensors", "method.pt", "clock.json", "trainer_state.json"
_READ_EVERY = 1.0
"""Seconds between two readings of the energy counter."""


class DivergedError(ValueError):
    """The loss is no number any more: training stops."""


def mean_loss(logits: Tensor, labels: Tensor, *, smoothing: float = 0.0, count: Tensor | float | None = None) -> Tensor:
    """Cross entropy in float32, in nats.

    Args:
        logits: `[rows, classes]`, or `[rows, tokens, vocabulary]`, of which the last places are meant.
        labels: `[rows]`, or `[rows, kept]`: what the last `kept` places predict; `IGNORED` is left out.
        smoothing: share of the probability that is spread over all.
        count: what the sum is divided by; None: the number of labels that are not ignored.
    """
    if labels.ndim > 1:
        logits = logits[:, -labels.shape[1] :]
    places = labels.flatten() != IGNORED
    kept, wanted = logits.flatten(0, -2)[places], labels.flatten()[places]
    total = cross_entropy(kept.float(), wanted, reduction="sum", label_smoothing=smoothing)
    return total / (len(wanted) if count is None else count)


def right(logits: Tensor, labels: Tensor) -> Tensor:
    """For each row whether every label of it is the likeliest."""
    if labels.ndim > 1:
        return ((logits[:, -labels.shape[1] :].argmax(-1) == labels) | (labels == IGNORED)).all(-1)
    return logits.argmax(-1) == labels


@final
@dataclass(kw_only=True)
class Quality:
    """Loss and accuracy over a set of rows, added up batch by batch."""

    loss: float = 0.0
    right: int = 0
    targets: int = 0
    rows: int = 0

    def add(self, logits: Tensor, labels: Tensor) -> None:
        """Counts a batch in."""
        targets = int((labels != IGNORED).sum())
        self.loss += mean_loss(logits, labels).item() * targets
        self.right += int(right(logits, labels).sum())
        self.targets += targets
        self.rows += len(labels)

    def told(self, prefix: str) -> dict[str, float]:
        """`PREFIX_loss` in nats per target and `PREFIX_accuracy` per row."""
        return {f"{prefix}_loss": self.loss / self.targets, f"{prefix}_accuracy": self.right / self.rows}


@final
class Loop(Trainer):
    """Trains what a fitting says.

    Args:
        fitting: the model, and what its method adds to a step.
        smoothing: of labels, in training.
        adversary: changes the embeddings for a second pass of each step; None: one pass.
        cached: whether the model must be let keep keys and values, because the method puts some there.
        watch: keeps the time, and is told of every step.
        options: of `Trainer`.
    """

    def __init__(
        self,
        fitting: Fitting,
        *,
        smoothing: float,
        adversary: Adversary | None,
        cached: bool,
        watch: Watch,
        **options: Any,
    ) -> None:
        super().__init__(model=fitting.model, **options)
        self.add_callback(watch)
        self._watch = watch
        self.fitting, self._smoothing, self._adversary = fitting, smoothing, adversary
        self._always = {} if cached else {"use_cache": False}
        # The loss is divided by the targets of the whole step, parts of it or not, and nothing is shifted.
        self.model_accepts_loss_kwargs = True
        self._loss_shifts_labels = False

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,  # noqa: FBT001, FBT002 - transformers' signature
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean loss of a batch, with what the method adds to it."""
        given = dict(inputs)
        labels = given.pop("labels")
        outputs = model(**given, **self._always)
        loss = mean_loss(outputs.logits, labels, smoothing=self._smoothing, count=num_items_in_batch)
        penalty = self.fitting.penalty()
        if penalty is not None:
            loss = loss + penalty / self.current_gradient_accumulation_steps
        return (loss, outputs) if return_outputs else loss

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward, twice under an adversary.

        Raises:
            DivergedError: the loss is no number; it names the step.
        """
        if self._adversary is None:
            return self._finite(super().training_step(model, inputs, num_items_in_batch))
        with self._adversary.watching():
            loss = self._finite(super().training_step(model, inputs, num_items_in_batch))
        with self._adversary.attacking():
            super().training_step(model, inputs, num_items_in_batch)
        return loss

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> Any:
        """Exact loss and accuracy of the dev rows, told to the callbacks as the library's own evaluation would be."""
        del ignore_keys
        rows = self.eval_dataset if eval_dataset is None else eval_dataset
        found = self.quality(rows).told(metric_key_prefix)  # pyright: ignore[reportArgumentType]
        self.log(found)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    @torch.no_grad()
    def quality(self, rows: Rows) -> Quality:
        """Loss and accuracy of `rows` in evaluation mode, without label smoothing."""
        model: Any = self.model
        training = model.training
        model.eval()
        found = Quality()
        order = sorted(rows, key=lambda row: len(row["input_ids"]))
        for first in range(0, len(order), self.args.per_device_eval_batch_size):
            batch = self.data_collator(list(order[first : first + self.args.per_device_eval_batch_size]))
            inputs: dict[str, Any] = self._prepare_inputs(batch)
            labels = inputs.pop("labels")
            with self.compute_loss_context_manager():
                found.add(model(**inputs, **self._always).logits, labels)
        model.train(training)
        return found

    def _finite(self, loss: Tensor) -> Tensor:
        if not torch.isfinite(loss):
            step, total = self.state.global_step + 1, self.state.max_steps
            raise DivergedError(
                f"the loss is {loss.item()} at step {step} of {total}: lower learning_rate={self.args.learning_rate:g}"
                f"{'' if self.args.max_grad_norm else ', or set clipping=1'}"
            )
        return loss

    # From here on: checkpoints hold what is trained, not the whole model.

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        del state_dict
        folder = Path(output_dir or self.args.output_dir or ".")
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.fitting.state(), folder / _WEIGHTS)
        torch.save(self.fitting.extra(), folder / _EXTRA)
        (folder / _CLOCK).write_text(json.dumps(asdict(self._watch.spent)))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        del model
        folder = Path(resume_from_checkpoint)
        self.fitting.load(load_file(folder / _WEIGHTS))
        self.fitting.restore(torch.load(folder / _EXTRA, weights_only=True))

    def _load_best_model(self) -> None:
        self.fitting.load(load_file(Path(str(self.state.best_model_checkpoint)) / _WEIGHTS))


@final
@dataclass(frozen=True, kw_only=True)
class Spent:
    """What training took until some point, all its runs together.

    Attributes:
        seconds: wall time.
        joules: gross, by a counter of the hardware; None where there is none, or was none in one of the runs.
    """

    seconds: float = 0.0
    joules: float | None = 0.0

    @classmethod
    def at(cls, checkpoint: Path | None) -> Spent:
        """What the runs until a checkpoint took; nothing where there is none."""
        return cls(**json.loads((checkpoint / _CLOCK).read_text())) if checkpoint else cls()


@final
class Watch(TrainerCallback):
    """Tells how far training is, lets the method do its part of a step, and knows what several runs took together.

    Args:
        fitting: of the training.
        progress: a listener.
        before: what earlier runs took until the checkpoint.
        meter: of energy; None where there is none.
    """

    def __init__(self, fitting: Fitting, progress: Progress, *, before: Spent, meter: Meter | None) -> None:
        self._fitting, self._progress, self._before, self._meter = fitting, progress, before, meter
        self._started = self._read = time.perf_counter()
        self._joules = meter.read() if meter else 0.0

    @property
    def spent(self) -> Spent:
        """On training so far."""
        joules = None
        if self._meter is not None and self._before.joules is not None:
            joules = self._before.joules + self._meter.read() - self._joules
        return Spent(seconds=self._before.seconds + time.perf_counter() - self._started, joules=joules)

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """After the step, before gradients are dropped."""
        del args, control
        self._fitting.stepped(state.global_step + 1)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tells the listener; reads the meter, whose counter goes round within minutes."""
        del args, control
        if self._meter is not None and time.perf_counter() - self._read > _READ_EVERY:
            self._meter.read()
            self._read = time.perf_counter()
        self._progress("training", state.global_step, state.max_steps)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint in `folder` that was written to its end; None where there is none.

    Half-written ones are removed, or the library would count them when it removes the oldest.
    """
    whole: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if _whole(path):
            whole[int(path.name.rpartition("-")[2])] = path
        else:
            shutil.rmtree(path)
    return whole[max(whole)] if whole else None


def _whole(checkpoint: Path) -> bool:
    """The library writes its state last."""
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
