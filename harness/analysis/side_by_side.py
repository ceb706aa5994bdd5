"""`harness compare A B`: two entries, or two studies, side by side in the terminal.

Layer: above `against_page`, below the command line. A word names an entry of the study that `--study` gives, an entry
of any study as `STUDY:ENTRY`, or a whole study.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.cells import cell_len

from harness.analysis import against, against_page, wording
from harness.config import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.against import Beside, Side
    from harness.analysis.sheet import Table

SPARED = ("only_left", "only_right", "p_holm", "interval")
"""Columns that a narrow window goes without, first to last."""

NAME_WIDTH = 30
"""Characters of a name; longer ones are cut in the middle."""


def lines(a: str, b: str, *, study: str | None, results: Path, width: int) -> list[str]:
    """What the command prints.

    Raises:
        ConfigError: no such study or entry, or the same one twice.
    """
    left, right = _folder(a, results), _folder(b, results)
    if study is None and left is not None and right is not None:
        return between(*_apart(against.side(left), against.side(right), (left, right)), width=width)
    (home, first), (away, second) = (_place(word, study, results) for word in (a, b))
    one = against.side(home)
    other = one if away.resolve() == home.resolve() else against.side(away)
    first, second = against.entry(one, first), against.entry(other, second)
    if one is other and first == second:
        raise ConfigError(f"{first!r} beside itself: name two entries")
    one, other = (one, other) if one is other else _apart(one, other, (home, away))
    found = against.beside(one, other, [(first, second)])
    where = one.name if one is other else f"{one.name} and {other.name}"
    title = f"{wording.short(first, 60)} and {wording.short(second, 60)} in {where}, item by item"
    heads = (first, second) if first != second else (one.name, other.name)
    return [title, "", *_printed(found, heads=heads, several=False, width=width)]


def between(one: Side, other: Side, *, width: int) -> list[str]:
    """The entries that two studies share, side by side."""
    pairs = against.matched(one.comparison, other.comparison)
    if not pairs:
        names = wording.listing([str(name) for name in other.comparison.entries["entry"]])
        raise ConfigError(f"no entry of {one.name} is in {other.name}, which has {names}")
    found = against.beside(one, other, pairs)
    title = f"{one.name} beside {other.name}, item by item"
    printed = _printed(found, heads=(one.name, other.name), several=True, width=width)
    return [title, "", *printed, against_page.sentence(found, other.name)]


def drawn(table: Table, *, width: int) -> list[str]:
    """A table as lines of text that fit the width, the less important columns left out first."""
    parts = [_columns(table, SPARED[:spared]) for spared in range(len(SPARED) + 1)]
    columns = next((one for one in parts if _across(one) <= width), parts[-1])
    lines = ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]
    return [lines[0], "-" * min(width, _across(columns)), *lines[1:]]


def _columns(table: Table, spared: Sequence[str]) -> list[list[str]]:
    """Every column that is not spared, its heading first, all cells of one width."""
    found = []
    for at, column in enumerate(table.columns):
        if column.key in spared:
            continue
        head = " ".join(filter(None, (column.label, column.sub)))
        cells = [head, *(wording.short(row[at].line, 60) for row in table.rows)]
        room = [" " * (max(map(cell_len, cells)) - cell_len(cell)) for cell in cells]
        found.append([gap + cell if column.numeric else cell + gap for cell, gap in zip(cells, room, strict=True)])
    return found


def _across(columns: Sequence[Sequence[str]]) -> int:
    return sum(cell_len(column[0]) for column in columns) + 2 * (len(columns) - 1)


def _printed(found: Beside, *, heads: tuple[str, str], several: bool, width: int) -> Sequence[str]:
    short = wording.short(heads[0], NAME_WIDTH), wording.short(heads[1], NAME_WIDTH)
    board = against_page.table(found.lines, heads=short, name="compare", title="", several=several)
    told = [*drawn(board, width=width), "", *board.notes] if found.lines else ["nothing could be paired"]
    return [*told, *(f"not paired: {a} and {b} on {task}: {reason}" for a, b, task, reason in found.refused)]


def _place(word: str, study: str | None, results: Path) -> tuple[Path, str]:
    """The folder of the study and the entry that a word names; a bare entry is of the only study there is.

    Raises:
        ConfigError: no such study, or several that it could be.
    """
    known = sorted(path.parent for path in results.glob("*/records"))
    names = [folder.name for folder in known]
    if study is not None:
        if (folder := _folder(study, results)) is None:
            hint = nearest(study, names) if names else f"no studies under {results}"
            raise ConfigError(f"no records of a study {study!r}: {hint}")
        return folder, word
    place, _, name = word.rpartition(":")
    if (folder := _folder(place, results)) is not None:
        return folder, name
    if len(known) == 1:
        return known[0], word
    if not known:
        raise ConfigError(f"no studies under {results}: measure one with harness run, or name its folder with --study")
    raise ConfigError(f"{word!r}: in which study? give --study, or STUDY:{word} (studies: {', '.join(names)})")


def _folder(word: str, results: Path) -> Path | None:
    """The folder of a study given by name or by path; None where it is none."""
    if not word:
        return None
    return next((folder for folder in (results / word, Path(word)) if (folder / "records").is_dir()), None)


def _apart(one: Side, other: Side, folders: tuple[Path, Path]) -> tuple[Side, Side]:
    """Two studies whose names differ: studies of one name go by their folders."""
    if one.name != other.name:
        return one, other
    names = [f"{folder.resolve().parent.name}/{folder.name}" for folder in folders]
    names = names if names[0] != names[1] else [str(folder) for folder in folders]
    return replace(one, name=names[0]), replace(other, name=names[1])
