"""What one call of `generate` still has to do, and what is done.

Layer: stdlib only. The ways of decoding read what waits here and hand in what is finished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.generation.budget import Budget
    from harness.generation.prompts import Journal, Prompt, Reply
    from harness.records import Progress


@final
class Ledger:
    """The distinct prompts of a call, longest work first, with the replies that are finished.

    Equal prompts that are decoded greedily are one. Replies that the journal knows are finished from the start.

    Args:
        prompts: in any order.
        budget: finished tokens are added to its `computed`.
        progress: told how many tokens are done, of those that the replies may take at most.
        journal: where replies are looked up and kept.
    """

    def __init__(
        self, prompts: Sequence[Prompt], budget: Budget, *, progress: Progress, journal: Journal | None
    ) -> None:
        self._order = sorted(set(prompts), key=lambda p: (-p.options.new, -len(p.tokens), p.tokens, repr(p)))
        self._budget = budget
        self._progress = progress
        self._journal = journal
        self._total = sum(p.options.new for p in self._order)
        self._replies: dict[Prompt, Reply] = {}
        for prompt in self._order if journal is not None else ():
            reply = journal.known(prompt) if journal is not None else None
            if reply is not None:
                self._replies[prompt] = reply
        self._done = sum(p.options.new for p in self._replies)

    def waiting(self) -> list[Prompt]:
        """Prompts without a reply, those that may take most steps first, then the longest."""
        return [prompt for prompt in self._order if prompt not in self._replies]

    def reply(self, prompt: Prompt) -> Reply:
        """The finished reply to `prompt`."""
        return self._replies[prompt]

    def finish(self, prompt: Prompt, reply: Reply, *, shared: int = 0) -> None:
        """Takes a reply, whose prompt had `shared` tokens in common with others, counted elsewhere."""
        self._replies[prompt] = reply
        # The last token of a reply is never read.
        self.count(len(prompt.tokens) - shared + reply.tokens - 1)
        self._done += prompt.options.new
        if self._journal is not None:
            self._journal.add(prompt, reply)

    def count(self, tokens: int) -> None:
        """Counts tokens that went through the model."""
        self._budget.computed += tokens

    def report(self, unfinished: int) -> None:
        """Tells how far the call is, with `unfinished` tokens of replies in progress."""
        self._progress("generating tokens", self._done + unfinished, self._total)
