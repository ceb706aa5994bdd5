"""Which sections run, in which order, on how many documents.

Layer: torch.
"""

from __future__ import annotations

import copy
import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, final

import torch

from benchmarks import generation, machine, peak, rounds, screened, shapes, work
from benchmarks.ask import GENERATION
from benchmarks.contestants import Ours, Theirs
from benchmarks.report import Report
from benchmarks.results import Memory, Speed
from benchmarks.rounds import Stage
from benchmarks.source import Source, context_of
from benchmarks.workloads import TITLES, Workload

if TYPE_CHECKING:
    from benchmarks.ask import Ask

_HALF = 0.5
_FEWEST = 3

_WEIGHED = 32
"""Documents of which peak memory is measured."""

_SCREENED = ("piqa", "arc0", "mmlu")
"""Where the screened mode is measured: short and long options, and letters."""

_QUICK = {"hellaswag": 12, "piqa": 24, "arc0": 16, "arc10": 6, "mmlu": 8, "boolq": 10, "blimp": 40}


@final
@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured.

    Attributes:
        documents: documents of each workload.
        rounds: rounds of every comparison.
        seconds: time for lm-eval on one workload, as expected; documents are left out where they would take longer.
        enough: seconds of a workload after which no further round begins.
        patience: seconds of the run after which there is one round of everything, on as few documents as make sense.
        batches: batch sizes that lm-eval may choose from, per workload; one size: no choice.
        reference: requests of the plain reference's sample per workload; 0 for none.
        prompts: prompts to continue.
        longest: tokens of a continuation at most.
        extras: whether screening, equal lengths, bandwidth and memory of the rolling set are measured too.
    """

    documents: dict[str, int]
    rounds: int
    seconds: float
    enough: float
    patience: float
    batches: dict[str, tuple[int, ...]]
    reference: int
    prompts: int
    longest: int
    extras: bool

    @classmethod
    def full(cls, names: tuple[str, ...], documents: int | None) -> Self:
        """Everything, 200 documents each unless told otherwise."""
        each = documents or 200
        sizes = {"paradigm": min(100, each), "rolling": max(2, each // 8)}
        return cls(
            documents={name: sizes.get(name, each) for name in names if name != GENERATION},
            rounds=3,
            seconds=math.inf,
            enough=math.inf,
            patience=math.inf,
            batches=dict.fromkeys(names, (4, 8, 16)),
            reference=8,
            prompts=48,
            longest=96,
            extras=True,
        )

    @classmethod
    def quick(cls, names: tuple[str, ...], documents: int | None) -> Self:
        """The seven and generation on a few documents; lm-eval at the batch sizes that were the best in full runs."""
        kept = [name for name in names if name in (*_QUICK, GENERATION)]
        return cls(
            documents={name: documents or _QUICK[name] for name in kept if name != GENERATION},
            rounds=2,
            seconds=5.0,
            enough=3.0,
            patience=80.0,
            batches={name: (16,) if name == GENERATION else (8,) for name in kept},
            reference=0,
            prompts=16,
            longest=40,
            extras=False,
        )


def run(ask: Ask, plan: Plan) -> Report:
    """Measures everything that `plan` names; on Ctrl-C, reports what it has."""
    start = machine.synchronised()
    scales = {name: (peak.Scale(ask), peak.Scale(ask)) for name in _weighed(plan)}
    torch.set_num_threads(ask.threads)
    model = shapes.build(ask.model, dtype=getattr(torch, ask.dtype), device=ask.device)
    source = Source.find(model.config.get_text_config().vocab_size)
    stage = Stage(
        model=model,
        other=shapes.twin(model),
        tokenizer=source.tokenizer,
        context=context_of(model),
        products=machine.Products(model),
        batches=(1,),
        rounds=plan.rounds,
        reference=plan.reference,
        enough=plan.enough,
    )
    report = Report(machine=machine.describe(ask.device))
    report.settings = {**vars(ask), "prompts": "synthetic" if source.reason else "real", "why": source.reason}
    try:
        report.square_rate = stage.products.square_rate()
        _score(report, source, plan, stage)
        for speed in [speed for speed in report.speeds if speed.name in scales]:
            report.memories.append(_memory(speed, ask, scales[speed.name], min(_WEIGHED, speed.documents)))
        if GENERATION in plan.batches:
            late = machine.synchronised() - start > plan.patience
            hurried = replace(plan, longest=plan.longest // 2), replace(stage, rounds=1)
            _generate(report, source, *(hurried if late else (plan, stage)))
        if plan.extras:
            _screen(report, source, plan, stage)
    except KeyboardInterrupt:
        report.settings["interrupted"] = True
        _tell("interrupted: what follows is what was measured until then")
    report.seconds = machine.synchronised() - start
    return report


def _score(report: Report, source: Source, plan: Plan, stage: Stage) -> None:
    start = machine.synchronised()
    for name, documents in plan.documents.items():
        late = machine.synchronised() - start > plan.patience
        workload = source.load(name, documents, context=stage.context)
        workload = workload.first(_fitting(workload, stage, min(plan.seconds, 1.0) if late else plan.seconds))
        enough = 0.0 if late else plan.enough
        speed = rounds.compare(workload, replace(stage, batches=plan.batches[name], enough=enough))
        _tell(f"{TITLES[name]}: {speed.ratio:.2f} times as fast as lm-eval at batch {speed.batch}")
        report.speeds.append(speed)


def _fitting(workload: Workload, stage: Stage, seconds: float) -> int:
    """Documents that lm-eval is expected to finish in `seconds`; at least `_FEWEST`.

    Nothing shared between rows, every position through the output layer, at `_HALF` of the rate of matrix products.
    """
    if math.isinf(seconds):
        return workload.size
    cost, left = shapes.cost(stage.model), seconds * _HALF * stage.products.rate()
    for number, document in enumerate(workload.documents):
        rows = {tuple(before + after[:-1]) for _, before, after in document}
        left -= sum(cost.flops(work.count([(row, len(row))])) for row in rows)
        if left < 0:
            return min(workload.size, max(_FEWEST, number))
    return workload.size


def _weighed(plan: Plan) -> list[str]:
    """Workloads whose peak memory is measured."""
    return [name for name in plan.documents if name == "hellaswag" or (name == "rolling" and plan.extras)]


def _memory(speed: Speed, ask: Ask, scales: tuple[peak.Scale, peak.Scale], documents: int) -> Memory:
    """Both contestants at once, but on a GPU: memory does not depend on how fast they are."""
    bytes_above = []
    contestants = (Ours.name, Theirs.name)
    settings = [
        peak.Setting(ask=ask, contestant=name, workload=speed.name, documents=documents, batch=speed.batch)
        for name in contestants
    ]
    if ask.device == "cpu":
        for scale, setting in zip(scales, settings, strict=True):
            scale.begin(setting)
    for scale, setting in zip(scales, settings, strict=True):
        if ask.device != "cpu":
            scale.begin(setting)
        bytes_above.append(scale.result())
    ours, theirs = bytes_above
    _tell(f"memory above the weights, {TITLES[speed.name]}: {ours / 1e6:.0f} MB, lm-eval {theirs / 1e6:.0f} MB")
    return Memory(workload=speed.name, documents=documents, ours=ours, theirs=theirs)


def _screen(report: Report, source: Source, plan: Plan, stage: Stage) -> None:
    for name in (name for name in _SCREENED if name in plan.documents):
        workload = source.load(name, plan.documents[name], context=stage.context)
        found = screened.compare(workload, replace(stage, rounds=min(2, stage.rounds)))
        _tell(f"{TITLES[name]}: screened {found.ratio:.2f} times as fast as full precision")
        report.screenings.append(found)


def _generate(report: Report, source: Source, plan: Plan, stage: Stage) -> None:
    """On copies, because it enlarges the weights."""
    copies = {id(model): copy.deepcopy(model) for model in (stage.model, stage.other)}
    for model in copies.values():
        shapes.spread(model)
    stage = replace(stage, model=copies[id(stage.model)], other=copies[id(stage.other)])
    documents = source.load("hellaswag", plan.prompts, context=stage.context).documents
    asked = [document[0][0][0] for document in documents]
    batches = plan.batches[GENERATION]
    report.decodings = [
        generation.mixed(asked, stage, longest=plan.longest, batches=batches if len(batches) == 1 else (8, 16, 32))
    ]
    _tell(f"generation, mixed lengths: {report.decodings[0].ratio:.2f} times as fast as lm-eval")
    if plan.extras:
        report.decodings += [generation.equal(asked, stage, rows=rows) for rows in (1, 16)]
        report.bandwidth = generation.bandwidth(asked, stage)


def _tell(text: str) -> None:
    """Says on standard error what has been done: a run takes minutes."""
    print(text, file=sys.stderr, flush=True)
