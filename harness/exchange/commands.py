"""`harness import lm-eval PATH` and `harness export STUDY FORM`.

Layer: above the rest of `exchange`, below the command line.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.config import ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def add_import(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `harness import` to its parser."""
    parser.add_argument("form", choices=["lm-eval"], help="whose files they are")
    parser.add_argument("path", type=Path, help="a results_*.json, or the folder that was lm-eval's --output_path")
    parser.add_argument("--study", default="imported", help="name of the study they join (default: imported)")
    parser.add_argument("--model", default="", help="label of the model (default: our config's of the same source)")
    parser.add_argument(
        "--task", action="append", default=[], metavar="THEIRS=OURS", help="our label of one of lm-eval's tasks"
    )
    parser.add_argument("--results", default="results", help="folder of the studies (default: results)")
    parser.set_defaults(command=bring)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of `harness export` to its parser."""
    parser.add_argument("study", help="name of a study under results/, or its folder")
    parser.add_argument("form", help="csv | latex | tensorboard | wandb | mlflow")
    parser.add_argument("--out", type=Path, default=None, help="folder (default: results/STUDY/export/FORM)")
    parser.add_argument("--results", default="results", help="folder of the studies (default: results)")


def bring(options: argparse.Namespace) -> int:
    """Imports results, prints a line for each and one for all that is missing; the exit code.

    Raises:
        ConfigError: nothing to import, damaged files, `--task` that is no pair.
    """
    from harness.exchange import lm_eval

    if any(sign in options.study for sign in "/\\") or options.study in {"", ".", ".."}:
        raise ConfigError(f"--study {options.study!r}: give the name of a study, not a path")
    folder = Path(options.results) / options.study
    found = lm_eval.bring(options.path, folder, model=options.model, tasks=_pairs(options.task))
    for record, samples in found.results:
        numbers = len(record.measurements)
        sys.stdout.write(f"{record.cell.title}: {numbers} numbers, {len(samples)} documents\n")
    for line in found.lines:
        sys.stdout.write(f"  {line}\n")
    sys.stdout.write(f"{len(found.results)} results in {folder}; compare them: harness report {options.study}\n")
    return 0


def send(folder: Path, form: str, out: Path | None) -> int:
    """Exports a study and prints what was written; the exit code.

    Raises:
        ConfigError: as `export.export`, or a row breaks the schema of the tables.
    """
    from harness.exchange import export

    try:
        written = export.export(folder, form, out or folder / "export" / form)
    except ConfigError:
        raise
    except ValueError as error:  # A row that breaks the schema.
        raise ConfigError(str(error)) from None
    sys.stdout.write("".join(f"{path}\n" for path in written))
    return 0


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = [one.partition("=") for one in given]
    wrong = next((one for one, (left, _, right) in zip(given, pairs, strict=True) if not (left and right)), None)
    if wrong is not None:
        raise ConfigError(f"--task {wrong}: give lm-eval's name and ours, as in --task arc_easy=arc_easy")
    return {left: right for left, _, right in pairs}
