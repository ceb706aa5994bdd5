"""Requests -> log-likelihoods: right-padded batches, distinct rows computed once, the head on scored positions only.

Layer: torch, no lm_eval. A faster engine replaces `score` and keeps its contract: requests in, (sum, greedy) out,
in order.

Padding on the right needs no mask: attention is causal, and no padded position is scored.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, final

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.generation.budget import Budget
    from harness.records import Progress
    from harness.scoring.requests import Request

LOGIT_BYTES = 256 * 2**20
"""Bytes of fp32 logits that exist at a time, unless one row alone needs more."""

Answer = tuple[float, bool]
"""Log-likelihood in nats, and whether every target is the most likely token."""


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """A distinct row of tokens, with the indices of the requests it answers and the positions they need."""

    tokens: tuple[int, ...]
    requests: tuple[int, ...]
    kept: int


def rows_of(requests: Sequence[Request]) -> list[Row]:
    """Distinct rows, longest first, so that memory runs out at once or never.

    Requests that differ in their last token only share a row, as the options of a multiple choice by letter do.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, request in enumerate(requests):
        groups.setdefault(request.row, []).append(index)
    rows = [
        Row(tokens=tokens, requests=tuple(members), kept=max(len(requests[i].targets) for i in members))
        for tokens, members in groups.items()
    ]
    return sorted(rows, key=lambda row: (-len(row.tokens), row.tokens))


def score(model: Any, requests: Sequence[Request], budget: Budget, progress: Progress) -> list[Answer]:
    """Log-likelihood and greedy flag of every request, in order.

    Args:
        model: a causal language model in eval mode.
        requests: what to score.
        budget: rows and tokens per batch; halved when memory runs out.
        progress: told the phase `scoring` and the number of requests answered, after each batch.

    Raises:
        OutOfMemory: if one row does not fit.
        ValueError: if a log-likelihood is not a finite number.
    """
    rows = rows_of(requests)
    answers: dict[int, Answer] = {}
    for batch in _batches(rows, budget, vocabulary=model.config.get_text_config().vocab_size):
        scored = budget.attempt(lambda batch=batch: _score_batch(model, batch, requests), rows=len(batch))
        if scored is None:
            continue
        del rows[: len(batch)]
        budget.computed += sum(len(row.tokens) for row in batch)
        answers.update(scored)
        progress("scoring", len(answers), len(requests))
    return [answers[index] for index in range(len(requests))]


def _batches(rows: list[Row], budget: Budget, *, vocabulary: int) -> Iterator[list[Row]]:
    """The next batch from the front of `rows`, until the caller has removed them all."""
    most = max(1, LOGIT_BYTES // (4 * vocabulary))
    while rows:
        batch = rows[: budget.fit(len(rows[0].tokens))]
        while len(batch) > 1 and sum(row.kept for row in batch) > most:
            batch.pop()
        yield batch


@torch.inference_mode()
def _score_batch(model: Any, batch: Sequence[Row], requests: Sequence[Request]) -> dict[int, Answer]:
    logits = _kept_logits(model, batch)
    members = [index for row in batch for index in row.requests]
    positions, ends = [], accumulate(row.kept for row in batch)
    for row, end in zip(batch, ends, strict=True):
        for index in row.requests:
            positions.extend(range(end - len(requests[index].targets), end))
    where = torch.tensor(positions, device=logits.device)
    targets = torch.tensor([t for i in members for t in requests[i].targets], device=logits.device)
    # Not log_softmax: on CPU its fp32 form was off by 7e-6 nat a token over 49152 words, logsumexp by 1e-7.
    total = torch.cat([part.float().logsumexp(-1) for part in logits.split(_chunk(logits))])
    logprobs = (logits[where, targets].float() - total[where]).cpu()
    greedy = (logits.argmax(-1)[where] == targets).cpu()
    sizes = [len(requests[i].targets) for i in members]
    answers = {
        index: (part.double().sum().item(), bool(hits.all()))
        for index, part, hits in zip(members, logprobs.split(sizes), greedy.split(sizes), strict=True)
    }
    _refuse_non_finite(answers, logprobs, requests)
    return answers


def _kept_logits(model: Any, batch: Sequence[Row]) -> torch.Tensor:
    """Logits `[sum of kept, vocabulary]` of the last `kept` positions of each row, rows in order."""
    width = max(len(row.tokens) for row in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    mask = torch.zeros(len(batch), width, dtype=torch.bool)
    for i, row in enumerate(batch):
        ids[i, : len(row.tokens)] = torch.tensor(row.tokens)
        mask[i, len(row.tokens) - row.kept : len(row.tokens)] = True
    ids, mask = ids.to(model.device), mask.to(model.device)
    if _selects(model):
        return model(input_ids=ids, use_cache=False, logits_to_keep=mask).logits
    logits = model(input_ids=ids, use_cache=False).logits
    return logits[mask.to(logits.device)]


def _selects(model: Any) -> bool:
    """Whether the model's head can be given a mask of positions.

    It can where the class slices with transformers' own function (5.23 has it; in 5.20 one set of positions served all
    rows), and where the mask and the last layer are on one device.
    """
    devices = set((getattr(model, "hf_device_map", None) or {}).values())
    return "slice_logits_to_keep" in vars(sys.modules[type(model).__module__]) and len(devices) <= 1


def _refuse_non_finite(answers: dict[int, Answer], logprobs: torch.Tensor, requests: Sequence[Request]) -> None:
    if bool(torch.isfinite(logprobs).all()):
        return
    first = min(index for index, (total, _) in answers.items() if not abs(total) < float("inf"))
    raise ValueError(
        f"request {requests[first].label!r}: its log-likelihood is {answers[first][0]}; the weights hold values that "
        "are not finite, or the dtype overflows (try dtype=float32)"
    )


def _chunk(logits: torch.Tensor) -> int:
    return max(1, LOGIT_BYTES // (4 * logits.shape[-1]))
