"""What everything that measures a loaded subject has: the protocol of tasks and probes.

Layer: beside `records`; stdlib only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from harness.records import Outcome, Progress


class Workload(Protocol):
    """A task or a probe: anything that measures a loaded subject.

    Workloads are frozen keyword-only dataclasses constructed from a YAML leaf; constructing one has no side effect and
    imports neither torch nor lm-eval. A probe over a grid also has `points()`, the workloads that become its cells. One
    whose class says `loads_itself = True` is run on a `harness.models.unloaded.Unloaded`.
    """

    @property
    def name(self) -> str:
        """Label, unique in its config group."""
        ...

    def check(self) -> None:
        """Looks at everything that can be known without weights (files, fields, names).

        Raises:
            ValueError: one line: what is wrong, where, what would be right.
        """
        ...

    def forecast(self) -> dict[str, int] | None:
        """`{"documents", "requests"}` where they can be known cheaply and offline, else None."""
        ...

    def run(self, subject: Any, progress: Progress) -> Outcome:
        """Measures `subject` (a `harness.models.subject.Subject`)."""
        ...
