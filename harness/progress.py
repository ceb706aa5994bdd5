"""What a person sees while cells are measured: bars on a terminal, plain lines elsewhere.

Layer: beside `execute`; needs rich only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, Self, final

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import Console

MINUTE = 60
PLAIN_SECONDS = 5.0
"""Least time between two plain lines about the same cell."""


class Display(Protocol):
    """Where the progress of a run is shown."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *args: object) -> None: ...

    def phase(self, title: str, phase: str, *, done: int, total: int) -> None:
        """`done` of `total` steps of a phase of the cell `title` are behind us."""
        ...

    def block(self, name: str) -> None:
        """The cells that follow belong to the block `name`; empty where there is but one."""
        ...

    def finished(self, title: str, note: str) -> None:
        """The cell `title` ended; `note` is its status or why it failed."""
        ...


@final
class Bars:
    """Two bars: all cells of the run, and the phase of the present cell."""

    def __init__(self, console: Console, *, total: int, done: int) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
        )
        self._progress = Progress(*columns, console=console, transient=True)
        self._cells: TaskID = self._progress.add_task("cells", total=total, completed=done)
        self._phase: TaskID = self._progress.add_task("starting", total=None)
        self._shown = ("", "")

    def __enter__(self) -> Self:
        """Starts drawing."""
        self._progress.start()
        return self

    def __exit__(self, *args: object) -> None:
        """Stops drawing and leaves the lines of the finished cells."""
        self._progress.stop()

    def phase(self, title: str, phase: str, *, done: int, total: int) -> None:
        """Moves the lower bar, which starts anew with every phase so that its remaining time is right."""
        if self._shown != (title, phase):
            self._progress.remove_task(self._phase)
            self._phase = self._progress.add_task(escape(f"{title}  {phase}"), total=total or None)
            self._shown = (title, phase)
        self._progress.update(self._phase, completed=done, total=total or None)

    def block(self, name: str) -> None:
        """Names the block beside the upper bar."""
        self._progress.update(self._cells, description=escape(", ".join(["cells", *([name] if name else [])])))

    def finished(self, title: str, note: str) -> None:
        """Prints a line above the bars and moves the upper bar."""
        line = Text.assemble("  ", title, "  ", (note, "dim" if note == "ok" else "bold"))
        self._progress.console.print(line, soft_wrap=True)
        self._progress.advance(self._cells)


@final
class Lines:
    """One plain line per finished cell, and one every few seconds within a long cell."""

    def __init__(self, console: Console, *, total: int, done: int) -> None:
        self._console, self._total, self._done = console, total, done
        self._start, self._began, self._last = time.monotonic(), done, time.monotonic()
        self._phase_start, self._phase_done, self._shown = time.monotonic(), 0, ("", "")
        self._block = ""

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(self, *args: object) -> None:
        """Nothing to stop."""

    def phase(self, title: str, phase: str, *, done: int, total: int) -> None:
        """Prints counts and remaining time, at most every few seconds."""
        now = time.monotonic()
        if self._shown != (title, phase):
            self._shown, self._phase_start, self._phase_done = (title, phase), now, done
        if now - self._last >= PLAIN_SECONDS and total:
            self._last = now
            remaining = left(now - self._phase_start, done - self._phase_done, total - done)
            self._print(f"  {title}: {phase} {done}/{total}{remaining}")

    def block(self, name: str) -> None:
        """Prints a line where another block begins."""
        if name != self._block:
            self._block = name
            self._print(f"  {name}")

    def finished(self, title: str, note: str) -> None:
        """Prints the count of finished cells."""
        self._done += 1
        self._last = now = time.monotonic()
        remaining = left(now - self._start, self._done - self._began, self._total - self._done)
        self._print(f"[{self._done}/{self._total}] {title}: {note}{remaining}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def left(elapsed: float, done: int, remaining: int) -> str:
    """`, 12 s left` by proportion, or nothing where it cannot be known.

    >>> left(10.0, 5, 6)
    ', 12 s left'
    """
    if done <= 0 or remaining <= 0:
        return ""
    seconds = elapsed / done * remaining
    return f", {seconds:.0f} s left" if seconds < 2 * MINUTE else f", {seconds / MINUTE:.0f} min left"


def display(console: Console, *, total: int, done: int) -> Display:
    """Bars on a terminal, plain lines elsewhere."""
    kind = Bars if console.is_terminal else Lines
    return kind(console, total=total, done=done)
