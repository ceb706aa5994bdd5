"""The scoring engine of one model: what an earlier run answered, the fastest layout that is right, replicas.

Layer: torch, no lm_eval.
"""

from __future__ import annotations

import copy
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol, final

import torch

from harness.forward import kernels
from harness.forward.body import Body
from harness.scoring import executor, parity
from harness.scoring.account import Account
from harness.scoring.sheet import key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.records import Progress
    from harness.scoring.options import Scoring
    from harness.scoring.requests import Request
    from harness.scoring.sheet import Answer


class Journal(Protocol):
    """Answers that outlive this process (`harness.journal`)."""

    def scored(self, key: str) -> tuple[float, bool] | None:
        """The answer of an earlier run, if it got that far."""
        ...

    def add_scored(self, answers: Mapping[str, tuple[float, bool]]) -> None:
        """Keeps answers."""
        ...


@final
class Engine:
    """Scores requests with one model; the layout is chosen on the first call and kept.

    Args:
        model: a causal language model in eval mode.
        scoring: what the user allows.
        account: filled in.
    """

    def __init__(self, model: Any, scoring: Scoring, account: Account) -> None:
        self._scoring, self._account = scoring, account
        self._choice: parity.Choice | None = None
        self._models = [model]

    def score(self, requests: Sequence[Request], progress: Progress, journal: Journal | None = None) -> list[Answer]:
        """Log-likelihood and greedy flag of every request, in order.

        Args:
            requests: what to score.
            progress: told the phase `scoring` and the number of requests answered, after each pass.
            journal: answers of a run that was broken off; new ones are added pass by pass.

        Raises:
            OutOfMemory: if the smallest pass does not fit.
            ValueError: if a log-likelihood is not a finite number.
        """
        started = time.perf_counter()
        keys = [key(request) for request in requests] if journal else []
        answers = {i: known for i, name in enumerate(keys) if journal and (known := journal.scored(name))}
        self._account.resumed += len(answers)
        self._account.requests += len(requests)
        lock = threading.Lock()

        def deliver(found: dict[int, Answer]) -> None:
            with lock:
                answers.update(found)
                if journal:
                    journal.add_scored({keys[i]: answer for i, answer in found.items()})
                progress("scoring", len(answers), len(requests))

        self._run(requests, answers, deliver)
        self._account.seconds += time.perf_counter() - started
        return [answers[i] for i in range(len(requests))]

    def _run(self, requests: Sequence[Request], answers: Mapping[int, Answer], deliver: executor.Deliver) -> None:
        failed: dict[parity.Choice, str] = {}
        while waiting := [i for i in range(len(requests)) if i not in answers]:
            part = [requests[i] for i in waiting]
            choice = self._choice
            if choice is None:
                choice = parity.choose(self._models[0], part, self._scoring, self._account, failed=failed)
            try:
                self._all(requests, waiting, deliver, choice)
            except parity.REFUSALS as error:
                self._choice = None
                if choice.layout == "reference":
                    raise
                failed[choice] = parity.refusal(self._models[0], error)
            else:
                self._choice = choice

    def _all(
        self, requests: Sequence[Request], waiting: list[int], deliver: executor.Deliver, choice: parity.Choice
    ) -> None:
        if more := self._scoring.replicas - len(self._models):
            self._models += _copies(self._models[0], more)
        shards = _shards(requests, waiting, len(self._models))
        if len(shards) == 1:
            self._shard(self._models[0], requests, shards[0], deliver, choice)
            return
        with ThreadPoolExecutor(len(shards)) as pool:
            jobs = [
                pool.submit(self._shard, model, requests, shard, deliver, choice)
                for model, shard in zip(self._models, shards, strict=False)
            ]
        for job in jobs:
            job.result()

    def _shard(
        self,
        model: Any,
        requests: Sequence[Request],
        places: list[int],
        deliver: executor.Deliver,
        choice: parity.Choice,
    ) -> None:
        account = self._account if len(self._models) == 1 else Account()

        def hand_over(found: dict[int, Answer]) -> None:
            deliver({places[i]: answer for i, answer in found.items()})

        part = [requests[i] for i in places]
        with kernels.fast(model) if choice.fast else nullcontext():
            if choice.layout == "reference":
                executor.one_by_one(model, part, hand_over, account)
            else:
                executor.planned(
                    Body(model), part, hand_over, account, tree=choice.layout == "tree", tokens=self._scoring.tokens
                )
        if account is not self._account:
            self._account.add(account)


def _copies(model: Any, more: int) -> list[Any]:
    """Copies of a model on the next GPUs; on the CPU beside it, which gains nothing but runs the same way."""
    if model.device.type != "cuda":
        return [copy.deepcopy(model) for _ in range(more)]
    first, there = model.device.index or 0, torch.cuda.device_count()
    if first + more >= there:
        raise ValueError(f"replicas={more + 1}, but {there - first} GPUs are visible: at most so many")
    if len(set((getattr(model, "hf_device_map", None) or {}).values())) > 1:
        raise ValueError("replicas cannot be combined with a model that is spread over several GPUs")
    return [copy.deepcopy(model).to(f"cuda:{first + i + 1}") for i in range(more)]


def _shards(requests: Sequence[Request], waiting: list[int], count: int) -> list[list[int]]:
    """About equal parts of neighbours in the radix tree, so that what is shared stays together."""
    if count == 1:
        return [waiting]
    ordered = sorted(waiting, key=lambda i: requests[i].row.tolist())
    total, done = sum(len(requests[i].row) for i in ordered), 0
    shards: list[list[int]] = [[] for _ in range(count)]
    for index in ordered:
        shards[min(count - 1, done * count // total)].append(index)
        done += len(requests[index].row)
    return [shard for shard in shards if shard]
