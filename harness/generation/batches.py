"""Replies without slots, for models whose attention or cache the slots do not know: slower, and as correct.

Layer: torch.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from harness.generation.decoder import Decoder
from harness.generation.rows import extend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from harness.generation.ledger import Ledger
    from harness.generation.prompts import Generation
    from harness.generation.rows import Row


def cached(model: Any) -> bool:
    """Whether `model` takes and returns keys and values."""
    return "past_key_values" in inspect.signature(model.forward).parameters


def decode(model: Any, rows: Sequence[Row], *, ledger: Ledger, account: Generation) -> None:
    """Completes `rows` together, until the longest is finished; replies are handed in on the way.

    A model without keys and values reads each text from its beginning for every token; it is given one at a time.
    """
    for group in [rows] if cached(model) else [[row] for row in rows]:
        _decode(model, group, ledger=ledger, account=account)


def _decode(model: Any, rows: Sequence[Row], *, ledger: Ledger, account: Generation) -> None:
    decoder = Decoder(model, [row.prompt.tokens for row in rows]) if cached(model) else None
    account.prefilled += sum(len(row.prompt.tokens) for row in rows)
    logits = decoder.prefill() if decoder is not None else _plain(model, rows[0])
    while True:
        open_rows = [i for i, row in enumerate(rows) if not row.finished]
        extend([rows[i] for i in open_rows], logits[open_rows])
        for i in open_rows:
            if rows[i].finished:
                ledger.finish(rows[i].prompt, rows[i].reply())
        unfinished = [row for row in rows if not row.finished]
        ledger.report(sum(len(row.tokens) for row in unfinished))
        if not unfinished:
            return
        account.step(len(unfinished), slots=len(rows))
        if decoder is None:
            logits = _plain(model, rows[0])
        else:
            logits = decoder.step(torch.tensor([row.tokens[-1] for row in rows], device=model.device))


@torch.inference_mode()
def _plain(model: Any, row: Row) -> Tensor:
    ids = torch.tensor([[*row.prompt.tokens, *row.tokens]], device=model.device)
    return model(input_ids=ids).logits[:, -1]
