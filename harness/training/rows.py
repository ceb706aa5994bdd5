"""Examples -> batches of tokens: the very ids that scoring uses, padded, with a target for each answer token.

Layer: training; torch.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch

from harness.scoring.requests import Encoder, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.training.examples import Example

IGNORED = -100
"""Target of a place that is not predicted."""


def language(examples: Sequence[Example], tokenizer: Any, *, limit: int) -> list[dict[str, list[int]]]:
    """Rows whose last places predict the answer: `input_ids` without the last answer token, and `targets`.

    Cut on the left to `limit` tokens, as requests are (`harness.scoring.requests.cut`).

    Raises:
        ValueError: an answer that has no tokens, or more than `limit`.
    """
    pairs = Encoder(tokenizer).pairs([(one.prompt, one.answer) for one in examples])
    cuts = [cut(before, after, limit=limit, label=e.prompt) for (before, after), e in zip(pairs, examples, strict=True)]
    return [{"input_ids": one.row.tolist(), "targets": one.targets.tolist()} for one in cuts]


def classification(
    examples: Sequence[Example], tokenizer: Any, *, labels: Sequence[str], limit: int
) -> list[dict[str, list[int]]]:
    """Rows of prompts, and as target the number of the right label."""
    encoded = prompts([one.prompt for one in examples], tokenizer, limit=limit)
    numbers = {label: number for number, label in enumerate(labels)}
    return [{"input_ids": ids, "targets": [numbers[one.answer]]} for ids, one in zip(encoded, examples, strict=True)]


def prompts(texts: Sequence[str], tokenizer: Any, *, limit: int) -> list[list[int]]:
    """Tokens of prompts, cut on the left to `limit`; never empty, and never with the padding token at the end.

    The heads of transformers read the last token that is not padding. GPT-2 pads with the token that ends texts, so a
    prompt that ends with it would be read one place too early.

    Raises:
        ValueError: a prompt ends with the padding token.
    """
    encoder = Encoder(tokenizer)
    known = encoder.encode_all(texts)
    found = []
    for text in texts:
        ids = (known[text] or [encoder.prefix])[-limit:]
        if ids[-1] == tokenizer.pad_token_id and len(ids) > 1:
            raise ValueError(f"prompt {text[-60:]!r} ends with the padding token, where a classifier reads: remove it")
        found.append(ids)
    return found


@final
@dataclass(frozen=True, kw_only=True)
class Collator:
    """Rows -> a batch.

    On the left, where the last places of all rows are the last columns, only the logits of the answers are computed.

    Attributes:
        pad: token that fills rows up; it is masked.
        side: `left` or `right`.
        labelled: whether a row has one target, the number of a label, instead of one for each answer token.
        positions: whether the model is told the positions; needed on the left where they are learnt.
        keep: whether the model can leave the output layer of other places out.
    """

    pad: int
    side: str
    labelled: bool
    positions: bool
    keep: bool

    @classmethod
    def of(cls, model: Any, tokenizer: Any, *, side: str, labelled: bool) -> Collator:
        """The collator for a model of transformers, seen without what methods wrap around it."""
        accepted = inspect.signature(model.forward).parameters
        return cls(
            pad=tokenizer.pad_token_id,
            side=side,
            labelled=labelled,
            positions=side == "left" and "position_ids" in accepted,
            keep=side == "left" and not labelled and "logits_to_keep" in accepted,
        )

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        """`input_ids`, `attention_mask` and, where the model is told, `position_ids` `[rows, tokens]`; `labels`.

        `labels` are `[rows]`, or `[rows, kept]` for the last `kept` places: what each of them predicts.
        """
        width = max(len(row["input_ids"]) for row in rows)
        ids = torch.tensor([self._filled(row["input_ids"], self.pad, width) for row in rows])
        mask = torch.tensor([self._filled([1] * len(row["input_ids"]), 0, width) for row in rows])
        batch: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if self.positions:
            batch["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
        if self.labelled:
            batch["labels"] = torch.tensor([row["targets"][0] for row in rows])
            return batch
        batch["labels"] = self._labels(rows, width)
        if self.keep:
            kept = max(len(row["targets"]) for row in rows)
            batch["labels"], batch["logits_to_keep"] = batch["labels"][:, -kept:], kept
        return batch

    def _labels(self, rows: Sequence[dict[str, list[int]]], width: int) -> Tensor:
        labels = []
        for row in rows:
            blank = [IGNORED] * (len(row["input_ids"]) - len(row["targets"]))
            labels.append(self._filled([*blank, *row["targets"]], IGNORED, width))
        return torch.tensor(labels)

    def _filled(self, values: list[int], fill: int, width: int) -> list[int]:
        blank = [fill] * (width - len(values))
        return [*blank, *values] if self.side == "left" else [*values, *blank]
