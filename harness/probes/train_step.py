"""The `train_step` probe: how long one step of training takes, and what memory it holds.

Layer: probes. torch is imported when the probe runs, not when it is constructed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.probes import grid
from harness.probes.protocol import Round, Rules, Useful, Work, measure, within_memory
from harness.records import Measurement, Outcome, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from harness.probes.grid import Axis
    from harness.records import Progress

PARTS = ("forward_s", "backward_s", "optimiser_s")


@final
@dataclass(frozen=True, kw_only=True)
class TrainStep:
    """Trains on a batch of random tokens: forward, backward and one step of AdamW, each timed with the queue drained.

    The loss is the cross entropy of each next token, in float32; the model is in training mode, with its dropout. Where
    some parameters are frozen, only the others are trained. The learning rate is 0: the optimiser does all of its work,
    but no weight changes, so that points measured in one process stay comparable and the model can be used afterwards.

    Measures, raw for every repeat: `step_s`, of it `forward_s` (with the loss), `backward_s` and `optimiser_s` (with
    dropping the gradients) [s], and `train_tok_s`; then what every timing probe does (`harness.probes.protocol`). The
    memory is that of a step, with `gradient_bytes` (held until the optimiser is through) and `optimiser_bytes`. FLOPs
    are three times those of the forward pass; recomputation and the optimiser do not count as useful.

    Attributes:
        name: label.
        about: one line for people.
        batch: rows, or a list of them: the grid.
        prompt: tokens of each row, or a list.
        repeats: timed steps of each point.
        replicates: fresh processes that measure each point.
        replicate: which of them this is.
        isolate: a fresh process for every point, else one for all points of a model.
        seed: seed of the tokens.
        energy: `auto` or `off`.
        warm_calls: least steps before the first timed one.
        warm_seconds: least seconds of them.
        warm_most: seconds after which they end though the times still move.
    """

    name: str
    about: str = ""
    batch: Axis = 1
    prompt: Axis = 128
    repeats: int = 5
    replicates: int = 1
    replicate: int = 0
    isolate: bool = True
    seed: int = 0
    energy: str = "auto"
    warm_calls: int = 3
    warm_seconds: float = 2.0
    warm_most: float = 30.0

    def __post_init__(self) -> None:
        grid.check(self, prompt=2)

    def check(self) -> None:
        """Nothing to look at before the weights are loaded: all was checked on construction."""

    def forecast(self) -> dict[str, int]:
        """Documents and requests: one batch at each point, timed `repeats` times."""
        return grid.forecast(self)

    def points(self) -> tuple[Self, ...]:
        """The probe at each point of its grid."""
        return grid.points(self)

    def run(self, subject: Any, progress: Progress) -> Outcome:
        """Measures `subject` at this one point, and leaves its model as it was.

        Raises:
            Unsupported: a row beyond the model's context; quantised weights; weights in float16.
            OutOfMemory: if the step does not fit.
        """
        batch, prompt = grid.one(self.batch), grid.one(self.prompt)
        grid.clip(subject.facts["context"], prompt=prompt)
        _check_trainable(subject)
        return within_memory(
            lambda: self._measure(subject, progress, batch=batch, prompt=prompt),
            name=self.name,
            what=f"batch {batch}, prompt {prompt}",
        )

    def _measure(self, subject: Any, progress: Progress, *, batch: int, prompt: int) -> Outcome:
        from harness.meters import places
        from harness.probes import utilisation
        from harness.probes.prompts import draw

        devices = places.devices(subject.device.kind, subject.model)
        costs = utilisation.costs(subject)
        with _training(subject.model) as step:
            tokens = draw(subject, batch=batch, tokens=prompt, seed=self.seed)
            work = Work(
                phase="training",
                round=lambda: _round(step, tokens, devices=devices),
                held=step.held,
                useful=_useful(costs, step, tokens) if costs else None,
                drained=batch * prompt,
                once=lambda: step.all(tokens),
                told=step.told,
            )
            point = {**grid.facts(self), "new": 0, "kernels": "torch"}
            return measure(subject, work, rules=Rules.of(self), progress=progress, point=point)


@final
class _Step:
    """One step of training, in its three parts."""

    def __init__(self, model: Any, optimiser: Optimizer) -> None:
        self._model, self._optimiser = model, optimiser
        self._gradient_bytes = 0

    @property
    def trained(self) -> list[nn.Parameter]:
        return [parameter for group in self._optimiser.param_groups for parameter in group["params"]]

    def forward(self, tokens: Tensor) -> Tensor:
        from torch.nn.functional import cross_entropy

        logits = self._model(input_ids=tokens, use_cache=False).logits[:, :-1]
        return cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten().to(logits.device))

    def optimise(self) -> None:
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)

    def all(self, tokens: Tensor) -> None:
        """The whole step; gradients are counted on the way, which takes no device time."""
        from harness.meters.memory import tensors_bytes

        self.forward(tokens).backward()
        self._gradient_bytes = tensors_bytes(p.grad for p in self.trained if p.grad is not None)
        self.optimise()

    def held(self) -> dict[str, int]:
        """Bytes of gradients (of the last whole step) and of the optimiser's state."""
        from torch import Tensor

        from harness.meters.memory import tensors_bytes

        values = [v for state in self._optimiser.state.values() for v in state.values() if isinstance(v, Tensor)]
        return {"gradient_bytes": self._gradient_bytes, "optimiser_bytes": tensors_bytes(values)}

    def told(self) -> dict[str, Any]:
        return {
            "optimiser": f"AdamW, learning rate {self._optimiser.defaults['lr']:g}",
            "trained_parameters": sum(parameter.numel() for parameter in self.trained),
        }


def _check_trainable(subject: Any) -> None:
    quantisation = subject.facts.get("quantisation", "none")
    if quantisation != "none":
        raise Unsupported(f"train_step needs quantisation=none: weights in {quantisation} have no gradients")
    if str(subject.model.dtype) == "torch.float16":
        raise Unsupported("train_step needs dtype=float32 or bfloat16: in float16 the epsilon of AdamW is 0")


@contextmanager
def _training(model: Any) -> Iterator[_Step]:
    """A step on `model` in training mode; afterwards the model is as it was: mode, gradients and what needs them."""
    from torch.optim import AdamW

    modes = [(module, module.training) for module in model.modules()]
    needs = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    if not any(needed for _, needed in needs):
        model.requires_grad_(True)
    model.train()
    try:
        yield _Step(model, AdamW([p for p in model.parameters() if p.requires_grad], lr=0.0))
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, needed in needs:
            parameter.grad = None
            parameter.requires_grad_(needed)


def _useful(costs: Any, step: _Step, tokens: Tensor) -> Useful:
    """Weights are read forward and backward; gradients written and read, two moments and the weights updated."""
    batch, prompt = tokens.shape
    size = sum(parameter.nbytes for parameter in step.trained)
    return Useful(flops=costs.train_step_flops(batch, prompt), moved_bytes=10 * size, metric="step_s")


def _round(step: _Step, tokens: Tensor, *, devices: Sequence[int]) -> Round:
    from harness.meters.clock import Stopwatch

    loss: Any = None
    with Stopwatch(devices) as forward:
        loss = step.forward(tokens)
    with Stopwatch(devices) as backward:
        loss.backward()
    with Stopwatch(devices) as optimiser:
        step.optimise()
    watches = (forward, backward, optimiser)
    whole = sum(watch.seconds for watch in watches)
    times = [("step_s", whole), *zip(PARTS, (watch.seconds for watch in watches), strict=True)]
    if not devices:
        times.append(("step_s_cpu", sum(watch.cpu_ns for watch in watches) * 1e-9))
    rows = [Measurement(metric=metric, value=value, unit="s", higher_is_better=False) for metric, value in times]
    count = tokens.numel()
    rows.append(Measurement(metric="train_tok_s", value=count / whole, unit="tok/s", n=count, higher_is_better=True))
    return Round(measurements=tuple(rows), wall=whole)
