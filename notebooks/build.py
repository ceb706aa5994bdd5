"""The notebooks from their sources.

    python notebooks/build.py                 NAME.py -> NAME.ipynb beside it, without outputs
    python notebooks/build.py --execute OUT   run them, and write them with their outputs into OUT

Needs the extra `notebooks`. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).resolve().parent


def sources() -> list[Path]:
    """The percent scripts, in order."""
    return sorted(HERE.glob("[0-9]*.py"))


def notebook(source: Path) -> Any:
    """The notebook of a percent script, without outputs."""
    made = jupytext.read(source, fmt="py:percent")
    for place, cell in enumerate(made.cells):
        cell["id"] = f"{source.stem}-{place:02}"
        cell["metadata"] = {}
    made.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    made.nbformat, made.nbformat_minor = 4, 5
    return made


def execute(source: Path, folder: Path) -> Any:
    """The notebook of a percent script, run in `folder`.

    Raises:
        CellExecutionError: a cell fails.
    """
    from nbclient import NotebookClient

    made = notebook(source)
    return NotebookClient(made, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()


def main() -> int:
    """Writes all notebooks."""
    parser = argparse.ArgumentParser(prog="python notebooks/build.py", description="build or run the notebooks")
    parser.add_argument("--execute", type=Path, metavar="OUT", help="run them and write them into this folder")
    out: Path | None = parser.parse_args().execute
    for source in sources():
        target = (out or HERE) / f"{source.stem}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        made = notebook(source) if out is None else execute(source, out)
        nbformat.write(made, target)
        sys.stdout.write(f"{target}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
