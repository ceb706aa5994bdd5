"""Requests -> log-likelihoods by one layout: plan, run pass after pass, hand over what is answered.

Layer: torch, no lm_eval. Contract: requests in, (sum, greedy) out, whatever the layout, the order and the passes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from harness.generation.budget import first_line, is_out_of_memory, release
from harness.records import OutOfMemory
from harness.scoring import planner, reference
from harness.scoring.cost import cost
from harness.scoring.passes import Passes
from harness.scoring.sheet import Sheet, finite, unique_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.forward.body import Body
    from harness.scoring.account import Account
    from harness.scoring.planner import Plan, Step
    from harness.scoring.requests import Request
    from harness.scoring.sheet import Answer

    Deliver = Callable[[dict[int, Answer]], None]

_SMALLEST = 16
"""Tokens of a pass below which memory that runs out is not for want of a smaller pass."""


def one(model: Any, request: Request) -> Answer:
    """The reference's answer to one request; it may be no number.

    Raises:
        OutOfMemory: if the sequence does not fit.
    """
    try:
        return reference.score(model, request)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = first_line(error)
    release()
    raise OutOfMemory(f"memory ran out at one sequence of {len(request.row)} tokens: {reason}")


def one_by_one(model: Any, requests: Sequence[Request], deliver: Deliver, account: Account) -> None:
    """Answers requests with the reference: one sequence at a time, equal ones too.

    Raises:
        ValueError: if an answer is not a finite number.
        OutOfMemory: if one sequence does not fit.
    """
    account.unique_tokens += sum(len(request.row) for request in requests)
    for index, request in enumerate(requests):
        answer = one(model, request)
        account.computed_tokens += len(request.row)
        account.padded_tokens += len(request.row)
        account.scored_positions += len(request.targets)
        account.passes += 1
        deliver({index: finite(request, answer)})


def planned(  # noqa: PLR0913 - what to compute, how, and where the answers and the costs go
    body: Body, requests: Sequence[Request], deliver: Deliver, account: Account, *, tree: bool, tokens: int | None
) -> None:
    """Answers requests with every shared beginning computed once, as far as the plan finds that it pays.

    Where memory runs out, passes become half as long, and only what is not answered yet is planned again.

    Args:
        body: of the model.
        requests: what to score.
        deliver: told the answers of each pass by the requests' indices.
        account: added to.
        tree: whether branches lie in one row under a mask, else side by side.
        tokens: most tokens of a pass; None: by the device, its free memory and the plan.

    Raises:
        ValueError: if an answer is not a finite number.
        OutOfMemory: if the shortest pass does not fit.
    """
    waiting = list(range(len(requests)))
    first = True
    while waiting:
        sheet, plan = _plan(body, [requests[i] for i in waiting], account, tree=tree, tokens=tokens)
        if first:
            account.unique_tokens += plan.unique
            account.scored_positions += unique_positions(sheet, plan.order, plan.shared)
            first = False
        places, done = waiting, set[int]()

        def hand_over(found: dict[int, Answer], places: list[int] = places, done: set[int] = done) -> None:
            named = {places[index]: answer for index, answer in found.items()}
            done.update(named)
            deliver(named)

        tried, reason = _run(body, sheet, plan, hand_over, account, tree=tree, chunk=tokens)
        waiting = [i for i in waiting if i not in done]
        if not waiting:
            break
        release()
        tokens = min(tried, tokens or tried) // 2
        if tokens < _SMALLEST:
            raise OutOfMemory(f"memory ran out at a pass of {tried} tokens: {reason}")


def _plan(
    body: Body, requests: Sequence[Request], account: Account, *, tree: bool, tokens: int | None
) -> tuple[Sheet, Plan]:
    started = time.perf_counter()
    sheet = Sheet(requests)
    plan = planner.plan(sheet.rows, cost=cost(body, tree=tree, tokens=tokens))
    account.planning_seconds += time.perf_counter() - started
    return sheet, plan


def _run(  # noqa: PLR0913
    body: Body,
    sheet: Sheet,
    plan: Plan,
    deliver: Deliver,
    account: Account,
    *,
    tree: bool,
    chunk: int | None,
) -> tuple[int, str]:
    """Runs a plan to its end, or to where memory runs out: then the tokens of that pass, and what torch said."""
    passes = Passes(body, sheet, plan, chunk=chunk)
    for step in plan.steps:
        before = passes.computed, passes.padded
        try:
            passes.run(step, tree=tree)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return passes.tried, first_line(error)
        account.passes += 1
        account.computed_tokens += passes.computed - before[0]
        account.padded_tokens += passes.padded - before[1]
        found: dict[int, Answer] = {}
        for place in _ended(plan, step):
            found |= sheet.answers(int(plan.order[place]))
        if found:
            deliver(found)
    return 0, ""


def _ended(plan: Plan, step: Step) -> Sequence[int]:
    """Places of the rows that end with a step: all of a pack, of a segment at most the shortest."""
    if step.end is None:
        return step.members
    return [place for place in step.members[:1] if plan.lengths[place] == step.end]
