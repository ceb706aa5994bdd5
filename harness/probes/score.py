"""The `score` probe: how fast answers to prompts are scored, which is what evaluating a model spends its time on.

Layer: probes. torch is imported when the probe runs, not when it is constructed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, final

from harness.probes import grid
from harness.probes.protocol import Round, Rules, Useful, Work, measure, within_memory
from harness.records import Measurement, Outcome, Unsupported
from harness.scoring.options import Scoring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.probes.grid import Axis
    from harness.records import Progress
    from harness.scoring.account import Account
    from harness.scoring.requests import Request
    from harness.scoring.session import Session


@final
@dataclass(frozen=True, kw_only=True)
class Score:
    """Scores the answers of multiple-choice items of random tokens, by the engine that scores tasks.

    An item is one prompt with `options` answers. Measures, raw for every repeat: `score_s` [s], planning included,
    `score_item_s` [item/s], `score_tok_s` (tokens given: prompt and answer of every option) and `computed_tokens`
    (tokens that went through the model: what options share is computed once, as the layout allows); then what every
    timing probe does (`harness.probes.protocol`). The layout is chosen in the warm-up, against the reference, as for a
    task; which one it was is in the facts.

    Attributes:
        name: label.
        about: one line for people.
        batch: items, or a list of numbers of them: the grid.
        prompt: tokens of each prompt, or a list.
        options: answers of each item.
        answer: tokens of each answer.
        layout: as in `harness.scoring.options.Scoring`; so are `kernels` and `tokens`.
        kernels: `torch`: the model as transformers runs it; `auto`: this project's faster kernels.
        tokens: tokens per forward pass; null leaves it to the engine.
        repeats: timed calls of each point.
        replicates: fresh processes that measure each point.
        replicate: which of them this is.
        isolate: a fresh process for every point, else one for all points of a model.
        seed: seed of prompts and answers.
        energy: `auto` or `off`.
        warm_calls: least calls before the first timed one.
        warm_seconds: least seconds of them.
        warm_most: seconds after which they end though the times still move.
    """

    name: str
    about: str = ""
    batch: Axis = 8
    prompt: Axis = 128
    options: int = 4
    answer: int = 8
    layout: str = "auto"
    kernels: str = "torch"
    tokens: int | None = None
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
        grid.check(self)
        for field in ("options", "answer"):
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{field}={value!r} is not a valid value: a whole number of at least 1")
        self._scoring()

    def check(self) -> None:
        """Nothing to look at before the weights are loaded: all was checked on construction."""

    def forecast(self) -> dict[str, int]:
        """Documents and requests: items at all points, each scored `repeats` times for every option."""
        found = grid.forecast(self)
        return {**found, "requests": found["requests"] * self.options}

    def points(self) -> tuple[Self, ...]:
        """The probe at each point of its grid."""
        return grid.points(self)

    def run(self, subject: Any, progress: Progress) -> Outcome:
        """Measures `subject` at this one point.

        Raises:
            Unsupported: if prompt and answer exceed the model's context.
            OutOfMemory: if the smallest pass does not fit.
        """
        batch, prompt = grid.one(self.batch), grid.one(self.prompt)
        context = subject.facts["context"]
        if prompt + self.answer > context:
            tokens = f"prompt {prompt} + answer {self.answer} tokens"
            raise Unsupported(f"clipped: {tokens} exceed the model's context {context}")
        return within_memory(
            lambda: self._measure(subject, progress, batch=batch, prompt=prompt),
            name=self.name,
            what=f"batch {batch}, prompt {prompt}",
        )

    def _scoring(self) -> Scoring:
        return Scoring(layout=self.layout, kernels=self.kernels, tokens=self.tokens)

    def _measure(self, subject: Any, progress: Progress, *, batch: int, prompt: int) -> Outcome:
        from harness.meters import places
        from harness.probes import utilisation
        from harness.scoring.session import Session

        session = Session(subject.model, self._scoring())
        requests = self._requests(subject, batch=batch, prompt=prompt)
        devices, costs = places.devices(subject.device.kind, subject.model), utilisation.costs(subject)
        dtype = str(subject.model.dtype).removeprefix("torch.")
        work = Work(
            phase="scoring",
            round=lambda: _round(session, requests, items=batch, devices=devices),
            useful=self._useful(costs, batch=batch, prompt=prompt, dtype=dtype) if costs else None,
            drain=lambda: session.score(requests, _silent),
            drained=batch,
            drained_unit="J/item",
            once=lambda: session.score(requests, _silent),
            told=lambda: _told(session.account, given=_given(requests)),
        )
        point = {**grid.facts(self), "new": 0, "options": self.options, "answer": self.answer}
        return measure(subject, work, rules=Rules.of(self), progress=progress, point=point)

    def _requests(self, subject: Any, *, batch: int, prompt: int) -> list[Request]:
        """Each item's options one after the other; prompts and answers are drawn apart, from one stream of tokens."""
        from harness.probes.prompts import draw
        from harness.scoring.requests import cut

        width = prompt + self.options * self.answer
        rows = draw(subject, batch=batch, tokens=width, seed=self.seed).tolist()
        starts = range(prompt, width, self.answer)
        limit = subject.facts["context"]
        return [
            cut(row[:prompt], row[start : start + self.answer], limit=limit, label=f"item {index}")
            for index, row in enumerate(rows)
            for start in starts
        ]

    def _useful(self, costs: Any, *, batch: int, prompt: int, dtype: str) -> Useful:
        """Each prompt once and behind it each answer's tokens but the last, which predicts nothing.

        Output layer: the prompt's last position serves all options.
        """
        behind = [costs.flops_per_token(prompt + i) for i in range(1, self.answer)]
        flops = costs.prefill_flops(prompt, kept=1, batch=batch) + batch * self.options * sum(behind)
        tokens = prompt + self.options * (self.answer - 1)
        return Useful(flops=flops, moved_bytes=costs.prefill_bytes(batch, tokens, dtype), metric="score_s")


def _given(requests: Sequence[Request]) -> int:
    return sum(len(request.row) + 1 for request in requests)


def _told(account: Account, *, given: int) -> dict[str, Any]:
    """How the engine scored; its counts are of all calls together, warm-up included, and left out."""
    return {
        "layout": account.layout,
        "kernels_used": account.kernels,
        "reason": account.reason,
        "difference": account.difference,
        "tolerance": account.tolerance,
        "tokens_given": given,
    }


def _round(session: Session, requests: Sequence[Request], *, items: int, devices: Sequence[int]) -> Round:
    from harness.meters.clock import Stopwatch

    before = session.account.computed_tokens
    with Stopwatch(devices) as watch:
        session.score(requests, _silent)
    computed, given = session.account.computed_tokens - before, _given(requests)
    rows = [
        Measurement(metric="score_s", value=watch.seconds, unit="s", n=len(requests), higher_is_better=False),
        Measurement(metric="score_item_s", value=items / watch.seconds, unit="item/s", n=items, higher_is_better=True),
        Measurement(metric="score_tok_s", value=given / watch.seconds, unit="tok/s", n=given, higher_is_better=True),
        Measurement(metric="computed_tokens", value=float(computed), unit="tok", n=given, higher_is_better=False),
    ]
    if not devices:
        rows.append(Measurement(metric="score_s_cpu", value=watch.cpu_ns * 1e-9, unit="s", higher_is_better=False))
    return Round(measurements=tuple(rows), wall=watch.seconds)


def _silent(phase: str, done: int, total: int) -> None:
    """No progress: telling it would be timed."""
