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
        baseline: model label that every other model is compared with; None leaves that comparison out.
        formats: some of `FORMATS`.

    Raises:
        ValueError: no format, or one that is not known.
    """

    name: str = "default"
    title: str | None = None
    about: str = ""
    baseline: str | None = None
    formats: Sequence[str] = FORMATS

    def __post_init__(self) -> None:
        if isinstance(self.formats, str) or not self.formats:
            raise ValueError(f"formats={self.formats!r}: needs a list with at least one of {', '.join(FORMATS)}")
        for name in self.formats:
            one_of(name, FORMATS, field="formats")
        object.__setattr__(self, "formats", tuple(self.formats))
