"""The tables on the terminal.

Layer: rich, no torch.
"""

from __future__ import annotations

import math
import statistics
import sys
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.workloads import SEVEN, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.report import Report
    from benchmarks.results import Decoding, Speed

_WIDTH = 100
"""Columns, where the output is no terminal."""


def show(report: Report) -> None:
    """Prints every section that was measured on standard output."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    console.print(_machine(report))
    if report.speeds:
        console.print(_speeds(report.speeds))
        console.print(_works(report.speeds))
    if report.screenings:
        console.print(_screenings(report))
    if report.decodings:
        console.print(_decodings(report.decodings))
    for text in _rest(report):
        console.print(text)


def _machine(report: Report) -> str:
    machine, settings = report.machine, report.settings
    rates = [rate for speed in report.speeds for rate in speed.products]
    products = f"{statistics.mean(rates) / 1e9:.0f}" if rates else "not measured"
    why = f" ({settings['why']})" if settings["why"] else ""
    return (
        f"{machine['device']}, {machine['threads']} threads, torch {machine['torch']}, transformers "
        f"{machine['transformers']}, lm-eval {machine['lm_eval']}\n"
        f"{settings['model']} in {settings['dtype']}, random weights, {settings['prompts']} prompts{why}\n"
        f"matrix products between the rounds: {products} GFLOP/s in the model's shapes; "
        f"{report.square_rate / 1e9:.0f} GFLOP/s square"
    )


def _table(title: str, columns: Iterable[str], caption: str) -> Table:
    table = Table(
        title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_justify="left",
        caption_justify="left", title_style="bold", caption_style="dim", expand=False,
    )  # fmt: skip
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _speeds(speeds: list[Speed]) -> Table:
    table = _table(
        "Log-likelihoods: seconds of all documents",
        ("", "docs", "reqs", "batch", "lm-eval s", "ours s", "±", "ratio", "rounds", "bound", "ref"),
        "batch: lm-eval's best of those tried. ±: half the range of our rounds. ratio: lm-eval / ours, with the "
        "lowest and highest round; bound: the ratio at the rate of matrix products on unique tokens only. "
        "ref: reference / ours, one sequence at a time, extrapolated by tokens from a sample. * outside the seven.",
    )
    for speed in speeds:
        spread = (max(speed.ours) - min(speed.ours)) / 2 / speed.our_seconds
        table.add_row(
            TITLES[speed.name] + ("" if speed.name in SEVEN else " *"),
            str(speed.documents),
            str(speed.requests),
            str(speed.batch),
            f"{speed.their_seconds:.2f}",
            f"{speed.our_seconds:.2f}",
            f"{spread:.0%}",
            f"[bold]{speed.ratio:.2f}[/]",
            f"{min(speed.ratios):.2f}-{max(speed.ratios):.2f}",
            f"{speed.bound:.2f}",
            _number(speed.reference_ratio, ".1f"),
        )
    return table


def _works(speeds: list[Speed]) -> Table:
    table = _table(
        "What was computed",
        ("", "naive", "unique", "computed", "waste", "heads", "GFLOP/s", "GEMM", "plan", "diff", "flips"),
        "tokens: of all requests, of the radix tree over them, through our engine with padding. heads: distinct "
        "scored positions. GFLOP/s: operations needed at least, over our time; GEMM: the same over the rate of matrix "
        "products. plan: share of our time. diff: largest of a log-likelihood, in nats; flips: documents "
        "answered differently.",
    )
    for speed in speeds:
        table.add_row(
            TITLES[speed.name],
            str(speed.work.naive),
            str(speed.work.unique),
            _number(speed.computed, ".0f"),
            _number(speed.padding, ".1%"),
            str(speed.work.heads),
            f"{speed.flops / statistics.mean(speed.ours) / 1e9:.0f}",
            f"{speed.product_fraction:.0%}",
            _number(speed.planning_share, ".2%"),
            f"{speed.difference:.0e}" + (f" ({speed.left_out} left out)" if speed.left_out else ""),
            str(speed.flips),
        )
    return table


def _screenings(report: Report) -> Table:
    table = _table(
        "bf16 first (scoring=screened), beside our own full precision",
        ("", "docs", "full s", "screened s", "ratio", "bound", "products", "again", "error", "flips"),
        "products: rate of matrix products in bf16 over that in full precision, in the same run. bound: the ratio if "
        "there were nothing but products. again: documents scored again, whose decision the error of bf16 could have "
        "changed; error: the bound on it.",
    )
    for found in report.screenings:
        table.add_row(
            TITLES[found.name],
            str(found.documents),
            f"{statistics.median(found.full):.2f}",
            f"{statistics.median(found.screened):.2f}",
            f"[bold]{found.ratio:.2f}[/]",
            _number(found.bound, ".2f"),
            f"{statistics.median(found.products):.2f}",
            _number(found.rescored_share, ".0%"),
            _number(found.error_bound, ".1e"),
            str(found.flips),
        )
    return table


def _decodings(decodings: list[Decoding]) -> Table:
    table = _table(
        "Generation",
        ("", "beside", "n", "tokens", "lengths", "their s", "ours s", "ratio", "rounds", "same"),
        "n: prompts. lengths: shortest, median and longest answer in tokens. same: share of identical answers.",
    )
    for decoding in decodings:
        table.add_row(
            decoding.name,
            decoding.other,
            str(decoding.prompts),
            str(decoding.tokens),
            f"{decoding.lengths[0]}/{decoding.lengths[2]}/{decoding.lengths[-1]}",
            f"{statistics.median(decoding.theirs):.2f}",
            f"{statistics.median(decoding.ours):.2f}",
            f"[bold]{decoding.ratio:.2f}[/]",
            f"{min(decoding.ratios):.2f}-{max(decoding.ratios):.2f}",
            f"{decoding.same:.0%}",
        )
    return table


def _rest(report: Report) -> Iterable[str]:
    if report.bandwidth:
        found = report.bandwidth
        yield (
            f"Decoding one row: {found.tokens_per_second:.1f} tokens/s, {found.fraction:.0%} of what reading "
            f"{found.token_bytes / 1e6:.0f} MB a token at once allows ({found.read_rate / 1e9:.1f} GB/s, in turn with "
            f"the tokens), {found.fraction_of_pieces:.0%} of what reading the weights matrix by matrix allows."
        )
    for memory in report.memories:
        yield (
            f"Peak memory above the weights, {TITLES[memory.workload]}, {memory.documents} documents: ours "
            f"{memory.ours / 1e6:.0f} MB, lm-eval {memory.theirs / 1e6:.0f} MB, ratio {memory.ratio:.3f}."
        )
    yield f"The whole run took {report.seconds:.0f} s."


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
