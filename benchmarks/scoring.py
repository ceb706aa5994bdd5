"""`python -m benchmarks.scoring`: ours beside lm-eval's backend, in one run, taking turns.

Prints tables, and as the last line figures for machines:

    bench: geomean=… min=… gemm_fraction=… padding=… peak_memory_ratio=… generation=…

geomean and min: of the ratios (lm-eval's time over ours) of the seven workloads. gemm_fraction: operations that
HellaSwag needs at least, over our time and the rate of matrix products measured between its rounds. padding: tokens
computed beyond the unique ones, over the seven. peak_memory_ratio: ours over lm-eval's above the weights, on HellaSwag.
generation: the ratio on answers of mixed lengths. What was not measured is `nan`.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, final

from benchmarks.ask import DEVICES, DTYPES, MODELS, SECTIONS, Ask

if TYPE_CHECKING:
    from collections.abc import Sequence


@final
class _Parser(argparse.ArgumentParser):
    """One line for a bad argument, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"benchmarks.scoring: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns the exit status: 0, 1 if it failed, 2 for a bad argument."""
    given = _parser().parse_args(arguments)
    _quiet()
    try:
        _run(given)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"benchmarks.scoring: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmarks.scoring", description="Ours beside lm-eval's backend.")
    parser.add_argument("--quick", action="store_true", help="few documents, the seven workloads and generation only")
    parser.add_argument("--documents", type=_positive, help="documents of each of the seven workloads (200)")
    parser.add_argument("--workloads", type=_names, help="names separated by commas; all of them by default")
    parser.add_argument("--json", type=Path, help="file to write everything to, raw rounds included")
    parser.add_argument("--figure", type=Path, help="file to draw the ratios to, such as bench.png")
    parser.add_argument("--threads", type=_positive, help="threads of torch (as many as torch takes)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (%(default)s)")
    parser.add_argument("--model", choices=MODELS, default="gpt2", help="shape of the model (%(default)s)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="(%(default)s)")
    return parser


def _run(given: argparse.Namespace) -> None:
    import torch

    from benchmarks import figure, suite, table

    if given.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no CUDA device here, take --device cpu")
    names = given.workloads or SECTIONS
    plan = (suite.Plan.quick if given.quick else suite.Plan.full)(names, given.documents)
    ask = Ask(
        model=given.model, dtype=given.dtype, device=given.device, threads=given.threads or torch.get_num_threads()
    )
    report = suite.run(ask, plan)
    report.settings |= {"quick": given.quick, "workloads": list(names), "documents": given.documents}
    table.show(report)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report.plain(), indent=1, default=str), encoding="utf-8")
        print(f"JSON: {given.json}")
    if given.figure:
        figure.draw(report, given.figure)
        print(f"figure: {given.figure}")
    print(report.line())


def _quiet() -> None:
    """Libraries say nothing below an error; no hub is asked."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TQDM_DISABLE"] = "1"  # lm-eval's rolling log-likelihood draws bars that cannot be switched off.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers.utils import logging as theirs

    theirs.set_verbosity_error()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a valid value: a whole number of at least 1")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a workload: any of {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    raise SystemExit(main())
