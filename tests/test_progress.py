"""What a person sees while cells are measured: counts, remaining time, and no line lost to markup."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.progress import Bars, Lines, display, left


def test_plain_lines_count_cells_and_name_failures() -> None:
    """Off a terminal each finished cell is one line with its count; brackets in errors survive."""
    out = io.StringIO()
    with display(Console(file=out, width=80), total=3, done=1) as shown:
        assert isinstance(shown, Lines)
        shown.phase("gpt2 · sst2", "scoring", done=0, total=10)
        shown.finished("gpt2 · sst2", "ok")
        shown.finished("gpt2 · piqa", "failed: [Errno 28] no space left on device [/dim]")
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("[2/3] gpt2 · sst2: ok")
    assert lines[1] == "[3/3] gpt2 · piqa: failed: [Errno 28] no space left on device [/dim]"


def test_bars_name_the_cell_and_keep_finished_ones() -> None:
    """On a terminal the finished cells stay above the bars, whatever characters their errors hold."""
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    with display(console, total=2, done=0) as shown:
        assert isinstance(shown, Bars)
        shown.phase("gpt2 · sst2", "scoring", done=3, total=10)
        shown.finished("gpt2 · sst2", "failed: [/red] bad")
    assert "gpt2 · sst2  failed: [/red] bad" in out.getvalue()
    assert "3/10" in out.getvalue()


def test_blocks_are_named_once() -> None:
    """A line where another block begins, off a terminal; beside the upper bar on one."""
    out = io.StringIO()
    with display(Console(file=out, width=80), total=3, done=0) as shown:
        for title, block in (("a", "replicate 1 of 2"), ("b", "replicate 1 of 2"), ("a", "replicate 2 of 2")):
            shown.block(block)
            shown.finished(title, "ok")
    names = [line.split(":")[0].strip() for line in out.getvalue().splitlines()]
    assert names == ["replicate 1 of 2", "[1/3] a", "[2/3] b", "replicate 2 of 2", "[3/3] a"]
    out = io.StringIO()
    with display(Console(file=out, width=100, force_terminal=True, color_system=None), total=2, done=0) as shown:
        shown.block("replicate 2 of 3")
        shown.finished("a", "ok")
    assert "cells, replicate 2 of 3" in out.getvalue()


@pytest.mark.parametrize(
    ("elapsed", "done", "remaining", "text"),
    [(10.0, 5, 5, ", 10 s left"), (600.0, 1, 2, ", 20 min left"), (5.0, 0, 3, ""), (5.0, 3, 0, "")],
)
def test_remaining_time_is_by_proportion(elapsed: float, done: int, remaining: int, text: str) -> None:
    """Nothing is said where nothing is known."""
    assert left(elapsed, done, remaining) == text
