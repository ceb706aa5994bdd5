"""What a reader may choose about a report. Light: standard library only, constructed from `conf/report/*.yaml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from harness.config import one_of

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("html", "md")
"""What a report can be written as."""


@final
@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """How a report is written.

    Attributes:
        name: label, unique in its config group.
        title: headline; None names the study.
        about: a paragraph under the headline, plain text.
        baseline: model or entry that every other one is compared with; None takes the first of the leaderboard for the
            forest of differences and leaves its sentence out.
        formats: some of `FORMATS`.
        margin: difference that does not matter, in the unit of each metric: 0.01 is one point of a score in per cent.
        against: folder of another study that this one is compared with, entry by entry; None for none.

    Raises:
        ValueError: no format, one that is not known, or a margin that is not positive.
    """

    name: str = "default"
    title: str | None = None
    about: str = ""
    baseline: str | None = None
    formats: Sequence[str] = FORMATS
    margin: float = 0.01
    against: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.formats, str) or not self.formats:
            raise ValueError(f"formats={self.formats!r}: needs a list with at least one of {', '.join(FORMATS)}")
        for name in self.formats:
            one_of(name, FORMATS, field="formats")
        if isinstance(self.margin, bool) or not isinstance(self.margin, int | float) or not 0 < self.margin < 1:
            raise ValueError(f"margin={self.margin!r}: needs a difference between 0 and 1, as in 0.01 for one point")
        object.__setattr__(self, "formats", tuple(self.formats))
