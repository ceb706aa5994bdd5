"""Prompts -> answers: rows of any length and options decoded together, each slot refilled when its row is finished.

Layer: torch. Equal to lm-eval's own Hugging Face backend in the text of every answer at batch 1; unlike there, a row
does not depend on the rows beside it.
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from harness.forward import kernels
from harness.forward.body import Body
from harness.generation import batches
from harness.generation.flight import Flight
from harness.generation.ledger import Ledger
from harness.generation.parity import Parity
from harness.generation.prompts import Generation, Journal, Prompt, Reply
from harness.generation.rows import Row, ends
from harness.generation.slots import obstacle

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.generation.budget import Budget
    from harness.records import Progress

    Make = Callable[[Prompt], Row]

__all__ = ["Generation", "Journal", "Prompt", "Reply", "generate"]


def generate(  # noqa: PLR0913 - what decodes, what is decoded, within what; and who takes notes
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Prompt],
    budget: Budget,
    progress: Progress,
    *,
    journal: Journal | None = None,
    account: Generation | None = None,
    fast: bool = True,
) -> list[Reply]:
    """A reply to each prompt, in order. Equal prompts that are decoded greedily are computed once.

    Progress counts tokens, since one reply may take minutes; the total is what the replies may take at most. When
    memory runs out, finished replies are kept and the others start again in fewer slots.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        prompts: what to reply to.
        budget: rows and tokens at a time; counts the tokens computed.
        progress: listener.
        journal: replies it knows are not computed; each new one is added at once.
        account: notes how replies were computed. Where it holds a comparison with the model, none is made again.
        fast: whether `harness.forward.kernels.fast` is used.

    Raises:
        OutOfMemory: if one row does not fit.
        ValueError: if the model's logits are not numbers.
    """
    ledger = Ledger(prompts, budget, progress=progress, journal=journal)
    account = Generation() if account is None else account
    if not account.path:
        account.reason = obstacle(model)
    make = partial(Row, tokenizer=tokenizer, ends=ends(model, tokenizer))
    with kernels.fast(model) if fast else nullcontext(), torch.inference_mode():
        if not account.reason:
            account.path = "slots"
            _in_slots(model, ledger, make=make, budget=budget, account=account)
        if ledger.waiting():
            account.path = "batches" if batches.cached(model) else "plain"
            _in_batches(model, ledger, make=make, budget=budget, account=account)
    return [ledger.reply(prompt) for prompt in prompts]


def _in_slots(model: Any, ledger: Ledger, *, make: Make, budget: Budget, account: Generation) -> None:
    """Replies to all that waits, unless the first tokens differ from the model's own; then to nothing."""
    body = Body(model)
    while waiting := ledger.waiting():
        rows = min(len(waiting), budget.fit(max(len(p.tokens) + p.options.new for p in waiting)))
        parity = Parity(model) if account.difference is None else None

        def fly(rows: int = rows, parity: Parity | None = parity) -> None:
            Flight(body, ledger, make=make, slots=rows, account=account).run(parity)

        budget.attempt(fly, rows=rows)
        if parity is not None and parity.difference is not None:
            account.difference = parity.difference
            if not parity.agrees:
                account.reason = f"slots differ from the model by {parity.difference:.2g}"
                return


def _in_batches(model: Any, ledger: Ledger, *, make: Make, budget: Budget, account: Generation) -> None:
    while waiting := ledger.waiting():
        batch = waiting[: budget.fit(max(len(p.tokens) + p.options.new for p in waiting))]

        def decode(batch: list[Prompt] = batch) -> None:
            batches.decode(model, [make(prompt) for prompt in batch], ledger=ledger, account=account)

        budget.attempt(decode, rows=len(batch))
