"""Prompts -> answers, in batches of like requests, longest prompt first.

Layer: torch. Equal to lm-eval's own Hugging Face backend in the text of every answer at batch 1; unlike there, a row
does not depend on the rows beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.generation.decoder import Decoder
from harness.generation.sampling import choose, stream
from harness.generation.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.generation.budget import Budget
    from harness.generation.options import Options
    from harness.records import Progress


@final
@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt as tokens, with the options it is decoded by.

    Attributes:
        tokens: at least one token.
        options: its `new` fits into the model's context together with `tokens`.
        draw: which of several draws of the same prompt this is.
    """

    tokens: tuple[int, ...]
    options: Options
    draw: int = 0


@final
@dataclass(frozen=True, kw_only=True)
class Reply:
    """Generated text and the number of tokens it took, with the stop string's or end token's."""

    text: str
    tokens: int


def generate(model: Any, tokenizer: Any, prompts: Sequence[Prompt], budget: Budget, progress: Progress) -> list[Reply]:
    """A reply to each prompt, in order. Equal prompts that are decoded greedily are computed once.

    Progress counts tokens, since one batch may take minutes; the total is what the replies may take at most.

    Raises:
        OutOfMemory: if one row does not fit.
        ValueError: if the model's logits are not numbers.
    """
    waiting = sorted(set(prompts), key=lambda p: (repr(p.options), -len(p.tokens), p.tokens, p.draw))
    done, total = 0, sum(p.options.new for p in waiting)
    replies: dict[Prompt, Reply] = {}
    while waiting:
        options = waiting[0].options
        rows = budget.fit(len(waiting[0].tokens) + options.new)
        batch = [prompt for prompt in waiting[:rows] if prompt.options == options]

        def step(tokens: int, *, before: int = done) -> None:
            progress("generating tokens", before + tokens, total)

        found = budget.attempt(lambda batch=batch, step=step: _decode(model, tokenizer, batch, step), rows=len(batch))
        if found is None:
            continue
        del waiting[: len(batch)]
        replies |= dict(zip(batch, found, strict=True))
        # The last token of a reply is never read.
        budget.computed += sum(len(p.tokens) + reply.tokens - 1 for p, reply in zip(batch, found, strict=True))
        done += options.new * len(batch)
        progress("generating tokens", done, total)
    return [replies[prompt] for prompt in prompts]


def _decode(model: Any, tokenizer: Any, batch: Sequence[Prompt], progress: Callable[[int], None]) -> list[Reply]:
    options = batch[0].options
    stops = Stops(tokenizer, until=options.until, ends=ends(model, tokenizer))
    streams = [stream(p.tokens, seed=options.seed, draw=p.draw) for p in batch]
    rows: list[list[int]] = [[] for _ in batch]
    open_rows = set(range(len(batch)))
    decoder = Decoder(model, [p.tokens for p in batch])
    logits = decoder.prefill()
    for step in range(options.new):
        progress(step * len(batch))
        tokens = choose(logits, options, streams)
        for i in sorted(open_rows):
            rows[i].append(int(tokens[i]))
            if stops.finished(rows[i]):
                open_rows.discard(i)
        if not open_rows or step + 1 == options.new:
            break
        logits = decoder.step(tokens.to(model.device))
    return [Reply(text=stops.text(row), tokens=len(row)) for row in rows]


def ends(model: Any, tokenizer: Any) -> frozenset[int]:
    """Tokens that end an answer: the tokenizer's, and those of the model's generation config."""
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    listed = configured if isinstance(configured, list) else [configured]
    return frozenset(token for token in [*listed, tokenizer.eos_token_id] if token is not None)
