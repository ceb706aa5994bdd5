"""Rows of a local data file; a fault is one line that names file and line.

Layer: tasks, light. Stdlib only.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SURROGATE = re.compile(r"\\u[dD][89abABcdefCDEF]")

SUFFIXES = (".jsonl", ".json", ".ndjson", ".csv", ".tsv")


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a data file.

    Attributes:
        line: line of the file it starts on, from 1 (position in the array for a `.json` file).
        fields: its values; strings only for CSV.
    """

    line: int
    fields: dict[str, Any]


def read(path: Path, *, encoding: str = "utf-8") -> list[Row]:
    """The rows of a JSONL, JSON (an array of objects), CSV or TSV file.

    Raises:
        ConfigError: missing or unreadable file, wrong encoding, no rows, a malformed row (FILE:LINE).
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: unknown kind of data file; these are read: {', '.join(SUFFIXES)}")
    try:
        text = path.read_text(encoding=encoding)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such data file") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except LookupError:
        raise ConfigError(f"{path}: encoding={encoding!r} is not known, as utf-8 or latin-1 are") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not {encoding} text (byte {error.start}); name its encoding") from None
    parse = {".json": _array, ".csv": _commas, ".tsv": _tabs}.get(path.suffix.lower(), _lines)
    rows = list(parse(text.removeprefix("\ufeff"), path))
    if not rows:
        raise ConfigError(f"{path}: has no rows")
    return rows


def _lines(text: str, path: Path) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield Row(line=number, fields=_object(line, path, number))


def _object(line: str, path: Path, number: int) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{number}: not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}:{number}: not a JSON object but {type(value).__name__}")
    if _SURROGATE.search(line):
        _refuse_half_characters(value, f"{path}:{number}")
    return value


def _refuse_half_characters(value: dict[str, Any], where: str) -> None:
    """JSON may escape one half of a surrogate pair alone: a text that no tokenizer and no file can take."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        raise ConfigError(f"{where}: {half} is half of a character (a lone surrogate), not text") from None


def _array(text: str, path: Path) -> Iterator[Row]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}: not JSON ({error.msg} at column {error.colno})") from None
    if not isinstance(value, list):
        raise ConfigError(f"{path}: not a JSON array of objects; use .jsonl for one object a line")
    for number, item in enumerate(value, start=1):
        if not isinstance(item, dict):
            raise ConfigError(f"{path}:{number}: item {number} is not a JSON object but {type(item).__name__}")
        _refuse_half_characters(item, f"{path}:{number}")
        yield Row(line=number, fields=item)


def _commas(text: str, path: Path) -> Iterator[Row]:
    return _table(text, path, delimiter=",")


def _tabs(text: str, path: Path) -> Iterator[Row]:
    return _table(text, path, delimiter="\t")


def _table(text: str, path: Path, *, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    start = 1
    try:
        for cells in reader:
            if cells and header is None:
                header = _header(cells, path)
            elif cells and header is not None:
                if len(cells) != len(header):
                    raise ConfigError(f"{path}:{start}: {len(cells)} cells, the header has {len(header)}")
                yield Row(line=start, fields=dict(zip(header, cells, strict=True)))
            start = reader.line_num + 1
    except csv.Error as error:
        raise ConfigError(f"{path}:{start}: not CSV ({error})") from None


def _header(cells: list[str], path: Path) -> list[str]:
    names = [cell.strip() for cell in cells]
    if len(set(names)) < len(names) or "" in names:
        raise ConfigError(f"{path}:1: the header needs one distinct name per column, has {names}")
    return names
