"""Precision audit: a sample of documents re-scored in fp32, one sequence at a time.

Layer: torch. The fp32 weights are those of the checkpoint, not the rounded ones, so that the difference is what the
dtype and the layout in force cost together.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from harness.scoring import executor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.records import Progress
    from harness.scoring.requests import Request
    from harness.scoring.sheet import Answer


def sample(documents: Sequence[int], count: int) -> list[int]:
    """Requests of `count` documents, drawn by a hash of their number: in order, whole documents only."""
    distinct = sorted(set(documents), key=lambda d: hashlib.sha256(f"audit:{d}".encode()).digest())[:count]
    chosen = set(distinct)
    return [i for i, document in enumerate(documents) if document in chosen]


def audit(
    model: Any, requests: Sequence[Request], answers: Sequence[Answer], documents: Sequence[int], progress: Progress
) -> dict[str, Any]:
    """How far answers are from those of `model`, the same weights in fp32.

    Args:
        model: the model in fp32.
        requests: the requests to look at.
        answers: their answers.
        documents: the document of each.
        progress: told the phase `auditing`.

    Returns:
        `documents` and `requests` looked at; `max_difference` and `mean_difference` of log-likelihoods in nats;
        `flips`: documents whose answer changes: the most likely option, or for a single request whether it is greedy.
    """
    exact: list[Answer] = []
    for request in requests:
        progress("auditing", len(exact), len(requests))
        exact.append(executor.one(model, request))
    differences = [abs(a - b) for (a, _), (b, _) in zip(exact, answers, strict=True)]
    groups: dict[int, list[int]] = {}
    for index, document in enumerate(documents):
        groups.setdefault(document, []).append(index)
    return {
        "documents": len(groups),
        "requests": len(requests),
        "max_difference": max(differences),
        "mean_difference": sum(differences) / len(differences),
        "flips": sum(_decision(exact, members) != _decision(answers, members) for members in groups.values()),
    }


def _decision(answers: Sequence[Answer], members: Sequence[int]) -> int | bool:
    if len(members) == 1:
        return answers[members[0]][1]
    return max(members, key=lambda i: answers[i][0])
