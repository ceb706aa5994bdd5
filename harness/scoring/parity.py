"""Which layout answers: the fastest that agrees with the reference on prompts of the task.

Layer: torch.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch

from harness.forward import kernels
from harness.forward.body import Body
from harness.generation.budget import first_line
from harness.records import Unsupported
from harness.scoring import executor
from harness.scoring.account import Account

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.scoring.options import Scoring
    from harness.scoring.requests import Request
    from harness.scoring.sheet import Answer

_ORDER = ("tree", "repeated", "reference")

_PROBES = 4
"""Requests that are compared at most."""

_SHARE = 0.02
"""Of all tokens that the reference may take for it."""


REFUSALS = (TypeError, ValueError, AttributeError, IndexError, RuntimeError)
"""What models raise that cannot be called the way a layout needs."""


def refusal(model: Any, error: Exception) -> str:
    """One line about such an error."""
    return f"{type(model).__name__} refuses it ({first_line(error)[:120]})"


@final
@dataclass(frozen=True, kw_only=True)
class Choice:
    """How to compute: layout and whether the faster kernels are in use."""

    layout: str
    fast: bool


def tolerance(dtype: torch.dtype, targets: int) -> float:
    """Allowed difference of a log-likelihood from the reference in the same dtype, in nats.

    1e-3 for the sum in fp32. With fewer bits every token's logits are rounded, which adds up like a random walk: 0.2
    for one token in bf16, 0.05 in fp16 and TF32, times the square root of their number.
    """
    if dtype.itemsize >= torch.float32.itemsize and torch.get_float32_matmul_precision() == "highest":
        return 1e-3
    return (0.2 if dtype == torch.bfloat16 else 0.05) * math.sqrt(targets)


def choose(
    model: Any, requests: Sequence[Request], scoring: Scoring, account: Account, *, failed: Mapping[Choice, str]
) -> Choice:
    """The first layout, from the one asked for to safer ones, that agrees with the reference; noted in `account`.

    Args:
        model: the model.
        requests: what is to be scored.
        scoring: what the user allows.
        account: told layout, kernels, difference, and why it is not the first choice.
        failed: choices that broke down later, with what was said.

    Raises:
        OutOfMemory: if one sequence does not fit.
    """
    probes = _probes(requests)
    reasons: list[str] = []
    expected: dict[int, Answer] = {}
    for choice in _candidates(model, scoring, reasons):
        if choice in failed:
            reasons.append(f"{choice.layout}: {failed[choice]}")
            continue
        if choice.layout == "reference":
            account.difference = account.tolerance = None
            return _noted(account, choice, model, reasons)
        if not expected:
            expected = _expected(model, requests, probes)
        found, refused = _attempt(model, [requests[i] for i in probes], choice, scoring)
        if refused:
            reasons.append(f"{choice.layout}: {refused}")
            continue
        off = {i: abs(found[probes.index(i)][0] - answer[0]) for i, answer in expected.items()}
        allowed = {i: tolerance(_dtype(model), len(requests[i].targets)) for i in expected}
        worst = max(expected, key=lambda i: off[i] / allowed[i])
        account.difference, account.tolerance = off[worst], allowed[worst]
        if not account.difference > account.tolerance:  # A NaN is the business of the run, which names its request.
            return _noted(account, choice, model, reasons)
        reasons.append(
            f"{choice.layout} with {_kernels(model, fast=choice.fast)} kernels is off by {account.difference:.2g} nat"
        )
    raise AssertionError("the reference is always a candidate")


def _noted(account: Account, choice: Choice, model: Any, reasons: Sequence[str]) -> Choice:
    account.layout = choice.layout
    account.kernels = _kernels(model, fast=choice.fast)
    account.reason = "; ".join(reasons)
    return choice


def _candidates(model: Any, scoring: Scoring, reasons: list[str]) -> Iterator[Choice]:
    first = _ORDER.index("tree" if scoring.layout == "auto" else scoring.layout)
    fast = scoring.kernels == "auto" and kernels.describe(model) != "torch"
    blocked = _blocked(model)
    for layout in _ORDER[first:]:
        if layout in blocked:
            reasons.append(f"{layout}: {blocked[layout]}")
        elif layout == "reference":
            yield Choice(layout=layout, fast=False)
        else:
            yield from (Choice(layout=layout, fast=kind) for kind in ((True, False) if fast else (False,)))


def _blocked(model: Any) -> dict[str, str]:
    """Layouts that a model cannot have by its nature, with the reason."""
    try:
        body = Body(model)
    except Unsupported as error:
        return dict.fromkeys(("tree", "repeated"), str(error))
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    if kinds - {"sliding_attention"}:
        return dict.fromkeys(("tree", "repeated"), f"attention of kind {', '.join(sorted(kinds))} has no plain cache")
    if kinds or (getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)):
        return {"tree": "its attention slides a window over rows, not positions"}
    return {"tree": body.obstacle} if body.obstacle else {}


def _probes(requests: Sequence[Request]) -> list[int]:
    """Neighbours, which share the most, from the beginning and the middle."""
    half = len(requests) // 2
    return sorted({i for i in (0, 1, half, half + 1) if i < len(requests)})


def _expected(model: Any, requests: Sequence[Request], probes: Sequence[int]) -> dict[int, Answer]:
    """The reference's answers to some of the probes: the later of each pair first, and few where prompts are few."""
    room = _SHARE * sum(len(request.row) for request in requests)
    answers: dict[int, Answer] = {}
    for index in sorted(probes, key=lambda i: (probes.index(i) % 2 == 0, i))[:_PROBES]:
        if answers and sum(len(requests[i].row) for i in (*answers, index)) > room:
            break
        answers[index] = executor.one(model, requests[index])
    return answers


def _attempt(
    model: Any, requests: Sequence[Request], choice: Choice, scoring: Scoring
) -> tuple[dict[int, Answer], str]:
    """Answers by a layout, or why it cannot be had."""
    found: dict[int, Answer] = {}
    try:
        with kernels.fast(model) if choice.fast else nullcontext():
            executor.planned(
                Body(model), requests, found.update, Account(), tree=choice.layout == "tree", tokens=scoring.tokens
            )
    except REFUSALS as error:
        return {}, refusal(model, error)
    return found, ""


def _dtype(model: Any) -> torch.dtype:
    return next(p.dtype for p in model.parameters() if p.is_floating_point())


def _kernels(model: Any, *, fast: bool) -> str:
    return kernels.describe(model) if fast else "torch"
