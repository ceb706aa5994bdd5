"""HotFlip's white box: which word of the vocabulary, in which place, the slope says would hurt most.

Its control takes random words of the same vocabulary in the same places.

Layer: attacks; torch.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from harness.attacks.victim import WhiteBox
from harness.attacks.vocabulary import Vocabulary
from harness.scoring.requests import Encoder, Request, cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.attacks.victim import Query, Slope, Words
    from harness.attacks.view import TaskView

_SPARE = 4
"""Flips looked at for each that is wanted: some do not survive decoding and encoding."""

Flip = tuple[int, str]
"""A place, and the word that is to stand there."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Scene:
    """One document as it is asked about: the requests of the right option and of the best other one.

    Attributes:
        slope: the question.
        rows: the two requests, as they are scored.
        weights: their shares in the margin: the right one's is positive.
        variants: flips -> the two requests after each of them.
    """

    slope: Slope
    rows: tuple[Request, ...]
    weights: tuple[float, ...]
    variants: Callable[[Sequence[Flip]], list[tuple[Request, ...]]]


@final
class Gradient(WhiteBox):
    """The slopes of a subject on the documents of a task.

    A word may be flipped if it is one token of the request. What comes in is a word of the vocabulary with the same
    sign before it and in the same case, that is no label, negator, number or stop word. The meaning is not kept.

    Args:
        view: the task as the subject sees it.
        lm: the subject's language model.

    Source: Ebrahimi et al. 2018 (HotFlip), equation 10: a flip a -> b changes the loss by (e_b - e_a) . dL/de_a.
    """

    def __init__(self, view: TaskView, lm: Any) -> None:
        self._view, self._model, self._limit = view, lm.model, lm.max_length
        self._encoder = Encoder(lm.tokenizer)
        self._table: torch.Tensor = lm.model.get_input_embeddings().weight.detach()
        self._vocabulary = Vocabulary.of(lm.tokenizer, len(self._table))

    def flips(self, document: int, slope: Slope) -> list[Flip]:
        """(place, word), those first that promise to lower the margin most; every one encodes to exactly one new token.

        The margin is that of the right option over the best other one.
        """
        scene = self._scene(document, slope)
        places = self._places(scene)
        if not places:
            return []
        slopes = [
            weight * log_likelihood_slope(self._model, row)
            for row, weight in zip(scene.rows, scene.weights, strict=True)
        ]
        return self._encodable(scene, places, self._ranked(scene, slopes, places))[: slope.most]

    def words(self, document: int, asked: Words) -> list[Flip]:
        """(place, word) of random flips, `slope.most` for each place; every one encodes to exactly one new token."""
        scene = self._scene(document, asked.slope)
        places = self._places(scene)
        drawn = self._drawn(scene, places, Random(asked.seed))  # noqa: S311 - a search, not cryptography
        return self._encodable(scene, places, drawn)

    def _scene(self, document: int, slope: Slope) -> _Scene:
        scores, weights = slope.verdict.scores, self._view.items[document].weights
        right = max(slope.gold, key=lambda i: (scores[i], -i))
        other = max((i for i in range(len(scores)) if i not in slope.gold), key=lambda i: (scores[i], -i))

        def encoded(queries: Sequence[Query]) -> list[tuple[Request, ...]]:
            asked = [self._view.requests(document, query) for query in queries]
            found = self._encoded([pairs[option] for pairs in asked for option in (right, other)])
            return list(zip(found[::2], found[1::2], strict=True))

        return _Scene(
            slope=slope,
            rows=encoded([slope.query])[0],
            weights=(weights[right], -weights[other]),
            variants=lambda flips: encoded([slope.render(*flip) for flip in flips]),
        )

    def _encoded(self, pairs: Sequence[tuple[str, str]]) -> list[Request]:
        """The requests exactly as they are scored."""
        return [
            cut(before, after, limit=self._limit, label=pair[0])
            for (before, after), pair in zip(self._encoder.pairs(pairs), pairs, strict=True)
        ]

    def _places(self, scene: _Scene) -> dict[int, tuple[int, ...]]:
        """Where in each row the word of a place stands, of the words that are one token there.

        Found by putting another word in its place: whatever the template and the tokenizer do, one token must change.
        """
        slope, vocabulary = scene.slope, self._vocabulary
        asked = [(place, word) for place, old in slope.places.items() for word in vocabulary.probes(old)]
        found: dict[int, tuple[int, ...]] = {}
        for (place, _), made in zip(asked, scene.variants(asked), strict=True):
            where = [_changed(row, one) for row, one in zip(scene.rows, made, strict=True)]
            known = tuple(at for at in where if at is not None)
            tokens = {int(row.row[at]) for row, at in zip(scene.rows, known, strict=False)}
            if len(known) == len(where) and len(tokens) == 1 and vocabulary.words.get(*tokens) == slope.places[place]:
                found[place] = known
        return found

    def _ranked(
        self, scene: _Scene, slopes: Sequence[torch.Tensor], places: Mapping[int, Sequence[int]]
    ) -> list[tuple[int, int]]:
        """(place, token) by the change of the margin that the slope promises, most negative first."""
        down = torch.stack(
            [torch.stack([one[at] for one, at in zip(slopes, where, strict=True)]).sum(0) for where in places.values()]
        )
        promised = (self._table @ down.T.to(self._table)).float().cpu()
        vocabulary, barred = self._vocabulary, scene.slope.forbidden
        gains: list[tuple[float, int, int]] = []
        for column, (place, where) in enumerate(places.items()):
            old = int(scene.rows[0].row[where[0]])
            pool = vocabulary.pools.get(vocabulary.shapes[old], [])
            changes = promised[pool, column] - promised[old, column]
            best = changes.topk(min(len(pool), _SPARE * scene.slope.most + len(barred)), largest=False)
            for change, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                if pool[index] != old and vocabulary.words[pool[index]].lower() not in barred:
                    gains.append((change, place, pool[index]))
        return [(place, token) for _, place, token in sorted(gains)][: _SPARE * scene.slope.most]

    def _drawn(self, scene: _Scene, places: Mapping[int, Sequence[int]], rng: Random) -> list[tuple[int, int]]:
        """(place, token) at random, from the same pools."""
        vocabulary, barred, most = self._vocabulary, scene.slope.forbidden, scene.slope.most
        drawn: list[tuple[int, int]] = []
        for place, where in places.items():
            old = int(scene.rows[0].row[where[0]])
            pool = vocabulary.pools.get(vocabulary.shapes[old], [])
            found = rng.sample(pool, min(len(pool), 1 + most + len(barred)))
            fit = [token for token in found if token != old and vocabulary.words[token].lower() not in barred]
            drawn += [(place, token) for token in fit[:most]]
        return drawn

    def _encodable(
        self, scene: _Scene, places: Mapping[int, Sequence[int]], ranked: Sequence[tuple[int, int]]
    ) -> list[Flip]:
        """The flips whose text encodes to the row it was meant for: the one token changed and no other."""
        flips = [(place, self._vocabulary.words[token]) for place, token in ranked]
        kept: list[Flip] = []
        for (place, token), flip, made in zip(ranked, flips, scene.variants(flips), strict=True):
            wanted = [_flipped(row, at, token) for row, at in zip(scene.rows, places[place], strict=True)]
            if all(np.array_equal(one.row, row) for one, row in zip(made, wanted, strict=True)):
                kept.append(flip)
        return kept


def log_likelihood_slope(model: Any, request: Request) -> torch.Tensor:
    """Gradient of the summed log-likelihood of a request's targets at its input embeddings, [tokens, width].

    In fp32, or in the fp64 of the model.
    """
    embedding = model.get_input_embeddings()
    ids = torch.tensor(request.row[None].astype(np.int64), device=embedding.weight.device)
    with torch.enable_grad():
        inputs = embedding(ids).detach().requires_grad_()
        total = log_likelihood(model, inputs, request)
        (slope,) = torch.autograd.grad(total, inputs)
    return slope[0] if slope.dtype == torch.float64 else slope[0].float()


def log_likelihood(model: Any, inputs: torch.Tensor, request: Request) -> torch.Tensor:
    """Summed log-likelihood of a request's targets after input embeddings [1, tokens, width]."""
    kept = len(request.targets)
    options: dict[str, Any] = {"use_cache": False}
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        options["logits_to_keep"] = kept
    logits = model(inputs_embeds=inputs, **options).logits[0, -kept:]
    logprobs = torch.log_softmax(logits if logits.dtype == torch.float64 else logits.float(), dim=-1)
    targets = torch.tensor(request.targets.astype(np.int64), device=logits.device)
    return logprobs.gather(1, targets[:, None]).sum()


def _changed(before: Request, after: Request) -> int | None:
    """The one position in which two rows differ; None if there is none, or more, or the lengths differ."""
    if len(before.row) != len(after.row) or not np.array_equal(before.targets, after.targets):
        return None
    found = np.flatnonzero(before.row != after.row)
    return int(found[0]) if len(found) == 1 else None


def _flipped(request: Request, place: int, token: int) -> np.ndarray:
    row = request.row.copy()
    row[place] = token
    return row
