"""One step of a plan on a model: which tokens go in at which positions, what they see, and whose targets they predict.

Layer: torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from transformers.cache_utils import DynamicCache

from harness.scoring import head, planner_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.forward.arena import Arena
    from harness.forward.body import Body
    from harness.scoring.planner import Plan, Step
    from harness.scoring.planner_tree import Tree
    from harness.scoring.sheet import Sheet

_MULTIPLE = 8
"""Passes are padded to a multiple of so many tokens: oneDNN compiles for every new shape, CUDA wants aligned ones."""


@final
class Passes:
    """Runs the steps of one plan in order and fills in the answers.

    Args:
        body: of the model.
        sheet: the requests.
        plan: over `sheet.rows`.
        chunk: tokens that follow each other go in so many at a time; None: all at once.

    Attributes:
        computed: tokens that went through the model, padding not counted.
        padded: the same with padding.
        tried: tokens of the latest call of the model.
    """

    def __init__(self, body: Body, sheet: Sheet, plan: Plan, *, chunk: int | None = None) -> None:
        self._body, self._sheet, self._plan, self._chunk = body, sheet, plan, chunk
        self._arena: Arena | None = None
        longest = max((step.end for step in plan.steps if step.end is not None), default=0)
        if longest or chunk:
            rest = max(step.tokens for step in plan.steps)
            self._arena = body.arena(slots=1, capacity=longest + rest + _MULTIPLE)
        self.computed = self.padded = self.tried = 0

    @torch.inference_mode()
    def run(self, step: Step, *, tree: bool) -> None:
        """Computes a step.

        Args:
            step: the next of the plan.
            tree: whether branches lie in one row under a mask, else side by side.
        """
        if step.end is not None:
            self._segment(step, step.end)
        elif step.tokens:
            (self._tree if tree else self._rows)(step)

    def _segment(self, step: Step, end: int) -> None:
        order, past = self._plan.order, step.past
        ids = self._sheet.rows[order[step.members[0]]][past:end]
        hidden = self._causal(ids, past)
        members = np.asarray(step.members)
        touched = members[self._sheet.firsts[order[members]] < end]
        self._deliver(hidden, [(int(order[place]), np.arange(end - past), past, end) for place in touched])

    def _tree(self, step: Step) -> None:
        members = step.members
        rows = [int(self._plan.order[place]) for place in members]
        if len(members) == 1:
            ids = self._sheet.rows[rows[0]][step.past :]
            hidden, index = self._causal(ids, step.past), [np.arange(len(ids))]
        else:
            layout = planner_tree.tree(self._plan, step)
            hidden = self._masked(layout, step.past)
            index = np.split(layout.places, layout.offsets[1:-1])
        self._deliver(
            hidden,
            [(row, at, step.past, len(self._sheet.rows[row])) for row, at in zip(rows, index, strict=True)],
        )

    def _causal(self, ids: np.ndarray, past: int) -> torch.Tensor:
        """Hidden states `[tokens, width]` of tokens that follow each other."""
        if self._chunk and len(ids) > self._chunk:
            parts = [ids[at : at + self._chunk] for at in range(0, len(ids), self._chunk)]
            return torch.cat([self._straight(part, past + i * self._chunk) for i, part in enumerate(parts)])
        return self._straight(ids, past)

    def _straight(self, ids: np.ndarray, past: int) -> torch.Tensor:
        count = len(ids)
        # Masks of models end where their positions end.
        width = max(count, min(_rounded(count), self._body.context - past))
        self._count(count, width)
        tokens = torch.zeros(1, width, dtype=torch.long)
        tokens[0, :count] = torch.from_numpy(ids.astype(np.int64))
        # Padding behind the text repeats its last position: there may be no position beyond.
        positions = (past + torch.arange(width)).clamp(max=past + count - 1)[None]
        if self._arena is not None:
            self._arena.place(slots=(0, 1), start=past, new=width)
        return self._body.hidden(tokens, positions, cache=self._arena)[0, :count]

    def _masked(self, tree: Tree, past: int) -> torch.Tensor:
        """Hidden states `[tokens, width]` of the distinct tokens of several rows."""
        count = len(tree.positions)
        width = _rounded(count)
        self._count(count, width)
        ids, positions = np.zeros(width, np.int64), np.zeros(width, np.int64)
        ids[:count] = planner_tree.ids(self._plan, tree, self._sheet.rows)
        positions[:count] = tree.positions
        seen = np.zeros((width, past + width), bool)
        seen[:count, :past] = True
        seen[:count, past : past + count] = planner_tree.seen(tree)
        seen[np.arange(count, width), past + np.arange(count, width)] = True
        keys = np.concatenate([np.arange(past), positions])
        cache = None
        if past:
            assert self._arena is not None
            self._arena.place(slots=(0, 1), start=past, new=width)
            cache = self._arena
        one = [torch.from_numpy(array)[None] for array in (ids, positions, keys, seen)]
        return self._body.hidden(one[0], one[1], cache=cache, keys=one[2], seen=one[3])[0]

    def _rows(self, step: Step) -> None:
        """Several rows side by side, padded on the right, behind copies of what they share."""
        rows = [int(self._plan.order[place]) for place in step.members]
        rest = [self._sheet.rows[row][step.past :] for row in rows]
        width = max(len(tokens) for tokens in rest)
        self._count(sum(map(len, rest)), width * len(rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        for i, tokens in enumerate(rest):
            ids[i, : len(tokens)] = torch.from_numpy(tokens.astype(np.int64))
        positions = (step.past + torch.arange(width)).expand(len(rows), width)
        hidden = self._body.hidden(ids, positions, cache=self._copies(step.past, len(rows)))
        self._deliver(
            hidden.flatten(0, 1),
            [
                (row, i * width + np.arange(len(tokens)), step.past, step.past + len(tokens))
                for i, (row, tokens) in enumerate(zip(rows, rest, strict=True))
            ],
        )

    def _copies(self, past: int, rows: int) -> DynamicCache | None:
        if not past:
            return None
        assert self._arena is not None
        cache = DynamicCache()
        layers: Any = self._arena.layers
        for index, layer in enumerate(layers):
            keys, values = (held[:1, :, :past].expand(rows, -1, -1, -1) for held in (layer.keys, layer.values))
            cache.update(keys, values, index)
        return cache

    def _count(self, tokens: int, padded: int) -> None:
        self.tried = padded
        self.computed += tokens
        self.padded += padded

    def _deliver(self, hidden: torch.Tensor, found: Sequence[tuple[int, np.ndarray, int, int]]) -> None:
        """Scores what positions [past, end) of some rows predict; `at` says where these lie in `hidden`."""
        where, flat = [], []
        for row, at, past, end in found:
            depths, places = self._sheet.wanted(row, past=past, end=end)
            where.append(at[depths])
            flat.append(places)
        if not sum(map(len, flat)):
            return
        targets = np.concatenate(flat)
        logprobs, hits = head.score(self._body, hidden, np.concatenate(where), self._sheet.targets(targets))
        self._sheet.fill(targets, logprobs, hits)


def _rounded(tokens: int) -> int:
    return -(-tokens // _MULTIPLE) * _MULTIPLE
