"""Decoding: mixed lengths beside lm-eval's, equal lengths beside `model.generate`, one row beside the memory's speed.

Layer: torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import torch

from benchmarks import machine, shapes, vocabulary
from benchmarks.results import Bandwidth, Decoding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contestants import Theirs
    from benchmarks.rounds import Stage

_STOPPED = 1 / 24
"""Share of the vocabulary that ends a text of mixed length."""

_PROMPT = 64
_NEW = 32


def mixed(prompts: Sequence[str], stage: Stage, *, longest: int, batches: tuple[int, ...]) -> Decoding:
    """Answers that stop at different lengths, ours beside lm-eval's at its best batch size.

    All requests share one stop string and one limit, as those of a task do: lm-eval's batch waits for its longest row.
    """
    tokenizer = stage.tokenizer()
    stop = vocabulary.stop_letter(tokenizer, share=_STOPPED)
    arguments = {"until": [stop], "max_gen_toks": longest, "do_sample": False}
    ours, theirs = stage.ours(), stage.theirs()
    asked = [(prompt, arguments) for prompt in prompts]
    for contestant in (ours, theirs):
        contestant.generate(prompts[:2], {**arguments, "max_gen_toks": 4})
    times = {batch: _seconds(theirs, prompts, arguments, batch) for batch in batches if len(batches) > 1}
    theirs.batch = min(batches, key=lambda batch: times.get(batch, 0.0))
    mine, others, same, replies = [], [], 0.0, []
    for _ in range(stage.rounds):
        seconds, replies = machine.timed(lambda: ours.lm.generate(asked, _silent))
        mine.append(seconds)
        seconds, answers = machine.timed(lambda: theirs.generate(prompts, arguments))
        others.append(seconds)
        same = sum(a.text == b for a, b in zip(replies, answers, strict=True)) / len(prompts)
    return Decoding(
        name="mixed lengths",
        other=f"lm-eval, batch {theirs.batch}",
        prompts=len(prompts),
        tokens=sum(reply.tokens for reply in replies),
        lengths=_quartiles([reply.tokens for reply in replies]),
        ours=tuple(mine),
        theirs=tuple(others),
        same=same,
    )


def equal(prompts: Sequence[str], stage: Stage, *, rows: int) -> Decoding:
    """Answers of equal length from prompts of equal length, ours beside `model.generate`, `rows` at a time."""
    ours = stage.ours(rows=rows)
    texts = _of_length(prompts, stage.tokenizer(), count=rows)
    ids = torch.tensor(stage.tokenizer()(texts)["input_ids"], device=stage.other.device)
    requests = [(text, {"max_gen_toks": _NEW}) for text in texts]
    ours.lm.generate(requests[:1], _silent)
    _plain(stage.other, ids[:1])
    mine, others, same, replies = [], [], 0.0, []
    for _ in range(stage.rounds):
        seconds, replies = machine.timed(lambda: ours.lm.generate(requests, _silent))
        mine.append(seconds)
        seconds, output = machine.timed(lambda: _plain(stage.other, ids))
        others.append(seconds)
        answers = stage.tokenizer().batch_decode(output[:, ids.shape[1] :])
        same = sum(a.text == b for a, b in zip(replies, answers, strict=True)) / rows
    return Decoding(
        name=f"equal, batch {rows}",
        other="model.generate",
        prompts=rows,
        tokens=sum(reply.tokens for reply in replies),
        lengths=_quartiles([reply.tokens for reply in replies]),
        ours=tuple(mine),
        theirs=tuple(others),
        same=same,
    )


@final
class _Turns:
    """A listener to a decoding: after each token it reads as many bytes as the token did, at once and by matrices.

    Step and reading in turn meet the same state of a shared machine, whose bandwidth may halve within a minute.
    """

    def __init__(self, reading: machine.Reading, weights: Sequence[torch.Tensor]) -> None:
        self.steps: list[float] = []
        self.reads: list[float] = []
        self.pieces: list[float] = []
        self._reading = reading
        self._weights = weights
        self._done = 0
        self._since = 0.0

    def __call__(self, _phase: str, done: int, _total: int) -> None:
        """Ends a step; the first one, which reads the prompt, does not count."""
        now = machine.synchronised()
        if done > self._done > 0:
            self.steps.append(now - self._since)
            self.reads.append(self._reading.seconds())
            self.pieces.append(machine.timed(self._sums)[0])
        self._done, self._since = done, machine.synchronised()

    def _sums(self) -> None:
        for weight in self._weights:
            weight.sum()


def bandwidth(prompts: Sequence[str], stage: Stage) -> Bandwidth:
    """Steps of one row after its prompt, each beside the time of reading as many bytes as it reads."""
    ours = stage.ours(rows=1)
    text = _of_length(prompts, stage.tokenizer(), count=1)[0]
    weight = stage.model.get_output_embeddings().weight
    cost = shapes.cost(stage.model)
    held = 2 * cost.layers * cost.width * weight.element_size() * (_PROMPT + _NEW / 2)
    size = shapes.decoded_bytes(stage.model) + held
    reading = machine.Reading(weight.device.type, weight.dtype, size=size)
    ours.lm.generate([(text, {"max_gen_toks": 2})], _silent)
    tables = {id(module.weight) for module in stage.model.modules() if isinstance(module, torch.nn.Embedding)}
    matrices = [w for w in stage.model.parameters() if w.dim() > 1 and (w is weight or id(w) not in tables)]
    rounds: list[_Turns] = []
    for _ in range(max(3, stage.rounds)):
        rounds.append(_Turns(reading, matrices))
        ours.lm.generate([(text, {"max_gen_toks": 1 + _NEW})], rounds[-1])
    return Bandwidth(
        token_bytes=reading.bytes,
        steps=tuple(seconds for turns in rounds for seconds in turns.steps),
        reads=tuple(seconds for turns in rounds for seconds in turns.reads),
        pieces=tuple(seconds for turns in rounds for seconds in turns.pieces),
    )


def _seconds(theirs: Theirs, prompts: Sequence[str], arguments: dict[str, Any], batch: int) -> float:
    theirs.batch = batch
    return machine.timed(lambda: theirs.generate(prompts, arguments))[0]


@torch.inference_mode()
def _plain(model: Any, ids: torch.Tensor) -> torch.Tensor:
    """Exactly `_NEW` more tokens for each row, greedily."""
    return model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=_NEW,
        min_new_tokens=_NEW,
        do_sample=False,
        pad_token_id=0,
    )


def _of_length(prompts: Sequence[str], tokenizer: Any, *, count: int) -> list[str]:
    """`count` texts of exactly `_PROMPT` tokens, from the beginnings of the prompts taken together."""
    ids = tokenizer(" ".join(prompts))["input_ids"]
    starts = range(0, max(1, len(ids) - _PROMPT), 7)
    texts = (tokenizer.decode(ids[start : start + _PROMPT]) for start in starts)
    fitting = [text for text in texts if len(tokenizer(text)["input_ids"]) == _PROMPT]
    if len(fitting) < count:
        raise ValueError(f"{len(fitting)} prompts of {_PROMPT} tokens, {count} are needed: raise --documents")
    return fitting[:count]


def _quartiles(lengths: list[int]) -> tuple[int, ...]:
    ranked = sorted(lengths)
    return tuple(ranked[round(share * (len(ranked) - 1))] for share in (0, 0.25, 0.5, 0.75, 1))


def _silent(phase: str, done: int, total: int) -> None:
    """No progress."""
