"""The comparison as text: a table that fits the window, and plain ASCII lines when nobody watches.

Layer: above `tables`. It prints what the report's leaderboard holds, and the failures below it.
"""

# What stands in a frame or an Axes has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# ruff: noqa: PLR2004 - small counts and thresholds are clearer as they are
from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.box import Box
from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table as Drawn
from rich.text import Text

from harness.analysis import (
    derive,
    frame,
    problems,
    robust_compact,
    robust_domains,
    robust_words,
    robustness,
    tables,
    wording,
)
from harness.analysis.current import current
from harness.analysis.sheet import Column, Table, Value

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

NAME_WIDTH = 26
"""Characters of a model or task name; longer ones are cut in the middle."""

FOLD = 11
"""Characters on one line of a heading that can be broken."""

GAP = 2
"""Characters between columns."""

Grid = list[list[Text]]
"""Headings, then lines."""

_RULED = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)


def show(study: str | Path, console: Console) -> None:
    """Prints the comparison that a study holds: scores with 95 % intervals, chance, speed and memory, failures.

    Models are rows; where they do not fit the width, tasks are rows instead, and models that still do not fit follow in
    further tables.

    Raises:
        ValueError: no such study.
    """
    found = current(frame.read(study))
    if not len(found.cells):
        console.print(f"{found.name}: no cell has been measured yet", markup=False)
        _problems(found, console)
        return
    comparison = derive.compare(found)
    board = tables.leaderboard(comparison)
    write = str if console.encoding.lower().startswith("utf") else _ascii
    console.print(Text(_headline(found, comparison), style="bold"), soft_wrap=True)
    for caution in problems.cautions(found):
        console.print(Text(write(caution), style="italic"), soft_wrap=True)
    console.print()
    for part in _fitted(board, width=console.width, write=write):
        console.print(_drawn(part), crop=False)
        console.print()
    for note in board.notes:
        console.print(Text(write(note.replace("Bold:", "*:")), style="dim"), soft_wrap=True)
    if robustness.varied(found) or robust_domains.asked(comparison):
        _robustness(study, found, comparison, console)
    _problems(found, console)


def _robustness(study: str | Path, found: frame.Study, comparison: derive.Comparison, console: Console) -> None:
    """Worst case, drop, spread of prompts and attacks in a few columns, and the sentences of the report."""
    measured = robustness.measure(found, frame.documents(study, texts=False), comparison)
    if measured is None:
        return
    write = str if console.encoding.lower().startswith("utf") else _ascii
    block = robust_compact.compact(measured, comparison)
    console.print()
    console.print(Text(block.title, style="bold"))
    for part in _fitted(block, width=console.width, write=write) if block.rows else ():
        console.print(_drawn(part), crop=False)
        console.print()
    for note in block.notes if block.rows else ():
        console.print(Text(write(note), style="dim"), soft_wrap=True)
    for line in robust_words.sentences(measured, comparison):
        console.print(Text(write(line)), soft_wrap=True)


def _headline(found: frame.Study, comparison: derive.Comparison) -> str:
    devices = " / ".join(sorted({wording.short(name, 40) for name in comparison.entries["device_name"]}))
    models, tasks = comparison.entries["model"].nunique(), len(comparison.tasks)
    return f"{found.name}: {_many(models, 'model')}, {_many(tasks, 'task')}, on {devices}"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _upright(board: Table, write: Callable[[str], str]) -> Grid:
    """A line per entry; headings carry metric and chance."""
    foot = board.foot[0] if board.foot else tuple(Value(text="") for _ in board.columns)
    heads = []
    for column, chance in zip(board.columns, foot, strict=True):
        said = f"chance {chance.text}" if _says(chance, column) else ""
        lines = [_folded(wording.short(column.label, NAME_WIDTH)), column.sub, said]
        heads.append(Text(write("\n".join(line for line in lines if line))))
    names = wording.distinct([row[0].text for row in board.rows], NAME_WIDTH)
    cells = ([_cell(v, c, write) for v, c in zip(row[1:], board.columns[1:], strict=True)] for row in board.rows)
    return [heads, *([Text(write(name)), *row] for name, row in zip(names, cells, strict=True))]


def _turned(board: Table, write: Callable[[str], str]) -> Grid:
    """A line per task; chance is a column."""
    foot = board.foot[0] if board.foot else tuple(Value(text="") for _ in board.columns)
    names = wording.distinct([row[0].text for row in board.rows], NAME_WIDTH)
    grid: Grid = [[Text(""), Text("chance"), *(Text(write(_folded(name))) for name in names)]]
    for index, column in list(enumerate(board.columns))[1:]:
        label = " ".join(part for part in (wording.short(column.label, NAME_WIDTH), column.sub) if part)
        chance = foot[index].text if _says(foot[index], column) else ""
        grid.append([Text(write(label)), Text(chance), *(_cell(row[index], column, write) for row in board.rows)])
    return grid


def _says(chance: Value, column: Column) -> bool:
    return bool(chance.number) and column.key != "mean"


def _cell(value: Value, column: Column, write: Callable[[str], str]) -> Text:
    """A number with its interval; intervals of speeds are left to the report."""
    if not column.numeric:
        return Text(write(wording.short(value.text, NAME_WIDTH)))
    line = value.line if column.group == "Quality" else value.text + value.marks
    return Text(write(f"{line}*" if value.best else line), style="bold" if value.best else "dim" if value.faint else "")


def _folded(name: str) -> str:
    """A name on several short lines, broken after its own separators."""
    lines = [""]
    for part in re.findall(r"[^-_/. ]*[-_/. ]?", name):
        if lines[-1] and len(lines[-1] + part.rstrip()) > FOLD:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip() for line in lines)


def _fitted(board: Table, *, width: int, write: Callable[[str], str]) -> list[Grid]:
    """Entries as lines if that fits; else tasks as lines, in as many parts as the width asks for."""
    upright = _upright(board, write)
    if _total(_widths(upright)) <= width:
        return [upright]
    turned = _turned(board, write)
    widths = _widths(turned)
    parts, chosen = [], [0, 1]
    for index in range(2, len(widths)):
        if len(chosen) > 2 and _total([widths[i] for i in [*chosen, index]]) > width:
            parts.append(chosen)
            chosen = [0, 1]
        chosen.append(index)
    return [[[row[i] for i in part] for row in turned] for part in [*parts, chosen]]


def _widths(grid: Grid) -> list[int]:
    return [
        max(cell_len(line) for text in column for line in text.plain.split("\n")) for column in zip(*grid, strict=True)
    ]


def _total(widths: list[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _drawn(grid: Grid) -> Drawn:
    """The grid under one rule of plain dashes, which reads the same in a window, a pipe and a log."""
    drawn = Drawn(box=_RULED, show_edge=False, padding=(0, GAP - 1, 0, 0), pad_edge=False, header_style="bold")
    for index, head in enumerate(grid[0]):
        drawn.add_column(head, justify="left" if index == 0 else "right", no_wrap=True, vertical="bottom")
    for row in grid[1:]:
        drawn.add_row(*row)
    return drawn


def _problems(found: frame.Study, console: Console) -> None:
    """Failures, warnings and skipped files, one line each; warnings of varied tasks are in the report."""
    for table, colour in ((problems.failures(found), "red"), (problems.warnings(found, varied=False), "yellow"),
                          (problems.skipped(found), "yellow")):  # fmt: skip
        if not table.rows:
            continue
        console.print()
        console.print(f"[{colour}]{escape(table.title)}[/{colour}]")
        for row in table.rows:
            first, *rest = [value.text for value in row]
            console.print(Text(f"  {wording.short(first, 60)}: {' | '.join(rest)}"), soft_wrap=True)


def _ascii(text: str) -> str:
    """Text for pipes and logs: marks that plain ASCII lacks are spelt out."""
    for mark, plain in (("±", "+-"), ("†", "~"), ("‡", "!"), ("—", "-"), ("↑", "(up)"), ("↓", "(down)"), ("µ", "u")):
        text = text.replace(mark, plain)
    return text
