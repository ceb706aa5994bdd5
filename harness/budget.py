"""The time a run may take: `20m` -> seconds, and how long what is still to be measured will probably take.

Layer: beside `devices`; stdlib only.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import dataclass
from typing import Any, final

from harness.config import ConfigError

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


@final
@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long a run may go on starting probes.

    Attributes:
        seconds: from the start of the run.
        text: the same as a person wrote it.
    """

    seconds: float
    text: str

    @property
    def used_up(self) -> str:
        """Why a cell was not measured, for its record."""
        return f"not run: the time budget of {self.text} was used up"

    @classmethod
    def parse(cls, value: Any) -> Budget | None:
        """The budget that the config's `budget` stands for: a number of seconds, or a text such as `90s`, `20m`, `2h`.

        >>> Budget.parse("20m")
        Budget(seconds=1200.0, text='20m')

        Raises:
            ConfigError: it is neither, or not above 0.
        """
        if value is None:
            return None
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value).replace(" ", ""))
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if not found or seconds <= 0:
            raise ConfigError(
                f"budget={value!r} is not a valid value: seconds above 0, a time such as 90s, 20m or 2h, or null"
            )
        return cls(seconds=seconds, text=f"{found[1]}{found[2] or 's'}")


@final
class Pace:
    """How long probes took in this run, and what that says of the next one."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, str, float]] = []

    def note(self, model: str, probe: str, *, cells: int, seconds: float) -> None:
        """Remembers that `cells` cells of a probe and a model took `seconds`, loading included."""
        self._seen.append((model, probe, seconds / cells))

    def estimate(self, model: str, probe: str, *, cells: int) -> float:
        """Seconds that `cells` cells will probably take; 0 where nothing was seen yet.

        It is the median of the same model and probe, else of the same probe, else the longest of all.
        """
        probes = [(m, seconds) for m, p, seconds in self._seen if p == probe]
        alike = [seconds for m, seconds in probes if m == model] or [seconds for _, seconds in probes]
        return cells * (statistics.median(alike) if alike else max((s for *_, s in self._seen), default=0.0))
