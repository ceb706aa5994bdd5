"""What scoring took and how it was done, for records and benchmarks.

Layer: stdlib only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, final


@final
@dataclass
class Account:
    """Running totals of one task, and the settings that were in force.

    Attributes:
        layout: how tokens were laid out: tree, repeated or reference.
        kernels: see `harness.forward.kernels.describe`.
        reason: why a safer layout than the first choice is in force, else empty.
        difference: largest difference between the layout and the reference on prompts of the task, in nats; None
            where it was not measured.
        tolerance: the difference that is allowed.
        requests: requests answered.
        resumed: of these, answered by an earlier run that was broken off.
        unique_tokens: nodes of the radix tree over all input rows: the fewest tokens that can be computed.
        computed_tokens: tokens that went through the model in passes that count: those shared computed once, padding
            not counted.
        padded_tokens: the same with padding.
        scored_positions: distinct positions that predict a target.
        passes: forward passes.
        planning_seconds: time spent on planning.
        seconds: time spent in all, planning and checks included.
        notes: what the modes on top of scoring found (screening, audit).
    """

    layout: str = ""
    kernels: str = ""
    reason: str = ""
    difference: float | None = None
    tolerance: float | None = None
    requests: int = 0
    resumed: int = 0
    unique_tokens: int = 0
    computed_tokens: int = 0
    padded_tokens: int = 0
    scored_positions: int = 0
    passes: int = 0
    planning_seconds: float = 0.0
    seconds: float = 0.0
    notes: dict[str, Any] = field(default_factory=dict[str, Any])

    def add(self, shard: Account) -> None:
        """Adds the counts of one replica."""
        for name in ("unique_tokens", "computed_tokens", "padded_tokens", "scored_positions", "passes"):
            setattr(self, name, getattr(self, name) + getattr(shard, name))
        self.planning_seconds += shard.planning_seconds

    def facts(self) -> dict[str, Any]:
        """The account as small JSON values."""
        plain = {name: value for name, value in vars(self).items() if name != "notes"}
        return {**plain, **self.notes}
