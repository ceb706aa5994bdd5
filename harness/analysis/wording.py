"""How numbers and names are written: one place, so that the terminal, the page and the figures agree.

Layer: beside `stats`; pure functions from numbers to text.
"""

# ruff: noqa: PLR2004 - small counts and thresholds are clearer as they are
from __future__ import annotations

import math
import os
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MISSING = "—"
"""What stands where nothing was measured; the reason stands in a note."""

METRICS: Mapping[str, str] = MappingProxyType({
    "acc": "accuracy", "acc_norm": "accuracy (length-normalised)", "exact_match": "exact match", "f1": "F1",
    "bleu": "BLEU", "chrf": "chrF", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L",
    "bits_per_byte": "bits per byte", "byte_perplexity": "perplexity per byte",
    "word_perplexity": "perplexity per word",
    "perplexity": "perplexity", "balanced_accuracy": "balanced accuracy", "precision_macro": "precision",
    "recall_macro": "recall", "f1_macro": "F1", "mcc": "MCC", "majority_share": "largest share of one answer",
    "decode_tok_s": "decode", "prefill_tok_s": "prefill", "ttft": "time to first token", "itl": "time between tokens",
    "e2e": "whole request", "peak_device_bytes": "peak memory, device", "peak_host_bytes": "peak memory, host",
    "weights_bytes": "weights", "kv_bytes": "key-value cache", "throughput": "throughput", "seconds": "wall time",
    "tpot": "time per output token", "generate_e2e": "generate", "loop_e2e": "own loop", "request_s": "requests",
    "score_s": "scoring", "score_item_s": "items", "score_tok_s": "tokens", "step_s": "step", "forward_s": "forward",
    "backward_s": "backward", "optimiser_s": "optimiser", "train_tok_s": "training", "load_s": "loading",
    "read_s": "reading", "init_s": "building", "to_device_s": "to device", "read_B_s": "read rate", "mfu": "MFU",
    "mbu": "MBU", "mfu_spec": "MFU of data sheet", "mbu_spec": "MBU of data sheet", "max_batch": "largest batch",
    "predicted_max_batch": "predicted", "bytes_per_sequence": "per sequence", "compile_s": "compiling",
    "eager_s": "eager", "compiled_s": "compiled", "break_even": "calls to break even", "peak_memory": "peak memory",
    "buffers_bytes": "buffers", "activation_bytes": "activations", "overhead_bytes": "overhead",
    "gradient_bytes": "gradients", "optimiser_bytes": "optimiser", "predicted_bytes": "predicted",
    "peak_reserved_bytes": "reserved", "process_device_bytes": "process, device", "added_host_bytes": "added, host",
})  # fmt: skip
"""Words for metrics; a metric that is not listed goes by its own name."""

STATUSES: Mapping[str, str] = MappingProxyType({
    "oom": "OOM", "failed": "failed", "unsupported": "unsupported", "clipped": "clipped", "not_run": "not run",
})  # fmt: skip
"""What stands in the place of a number that could not be had."""

_SCALES = {"B": ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B")),
           "s": ((60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")),
           "B/s": ((1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1, "B/s")),
           "FLOP/s": ((1e15, "PFLOP/s"), (1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1e6, "MFLOP/s"), (1, "FLOP/s")),
           "J/tok": ((1, "J/tok"), (1e-3, "mJ/tok"), (1e-6, "µJ/tok")),
           "J/item": ((1, "J/item"), (1e-3, "mJ/item"), (1e-6, "µJ/item"))}  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]+")


def metric(name: str) -> str:
    """Words for a metric.

    >>> metric("acc")
    'accuracy'
    """
    return METRICS.get(name, name.replace("_", " "))


def plain(text: str) -> str:
    """Text on one line, without control characters and marks that reorder text."""
    return " ".join(_CONTROL.sub(" ", text).split())


def short(text: str, width: int = 28) -> str:
    """One line of at most `width` characters, cut in the middle: names differ at their ends.

    >>> short("EleutherAI/pythia-1.4b-deduped-v0", 20)
    'EleutherAI…eduped-v0'
    """
    line = plain(text)
    if len(line) <= width:
        return line
    return f"{line[: width // 2]}…{line[len(line) - (width - width // 2 - 1) :]}"


def distinct(names: Sequence[str], width: int = 28) -> list[str]:
    """Names as `short` writes them, told apart: what all long ones begin with goes first, then the limit.

    >>> distinct(["gpt2", "mini-gpt2-s + lora (seed 0)", "mini-gpt2-s + full (seed 0)"], 24)
    ['gpt2', '…lora (seed 0)', '…full (seed 0)']
    """
    lines = [plain(name) for name in names]
    cut = {line: short(line, width) for line in lines}
    if len(set(cut.values())) == len(cut) and not any("…" in one and " " in line for line, one in cut.items()):
        return [cut[line] for line in lines]
    long = sorted({line for line in lines if len(line) > width})
    head = os.path.commonprefix(long).rpartition(" ")[0] if len(long) > 1 else ""  # noqa: RUF071 - names are no paths
    ends = {line: f"…{line[len(head) :].strip()}" if head else line for line in long}
    cut |= {line: short(end, width) for line, end in ends.items()}
    clear = len(set(cut.values())) == len(cut)
    return [cut[line] if clear else ends.get(line, line) for line in lines]


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits, thousands separated, never in powers of ten below 1e15.

    >>> significant(12345.6), significant(0.01234)
    ('12,346', '0.0123')
    """
    if value == 0 or not math.isfinite(value):
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 9)}f}"


def percent(value: float) -> str:
    """A fraction as per cent with one decimal, without the sign.

    >>> percent(0.7125)
    '71.2'
    """
    return f"{100 * value:.1f}"


def scaled(value: float, unit: str) -> str:
    """A number with a unit of a size fit to read.

    >>> scaled(3 * 2**29, "B"), scaled(0.0123, "s")
    ('1.50 GiB', '12.3 ms')
    """
    if unit not in _SCALES:
        return f"{significant(value)} {unit}".removesuffix(" 1")
    factor, name = next((s for s in _SCALES[unit] if abs(value) >= s[0]), _SCALES[unit][-1])
    return f"{significant(value / factor)} {name}"


def tick(value: float, unit: str) -> str:
    """A number for an axis: scaled, without zeros that say nothing.

    >>> tick(0.015, "s"), tick(1_000_000, "params"), tick(2000, "tok/s")
    ('15 ms', '1M', '2,000')
    """
    words = count(round(value)) if unit == "params" else scaled(value, unit) if unit in _SCALES else significant(value)
    return re.sub(r"\.(\d*?)0+(?!\d)", lambda found: f".{found[1]}" if found[1] else "", words)


def factor(value: float, unit: str) -> float:
    """What a number of that size is divided by before it is written."""
    return next((s[0] for s in _SCALES.get(unit, ()) if abs(value) >= s[0]), 1)


def spread(value: float, half: float, unit: str) -> str:
    """Half of an interval, at the scale and with the decimals of the value it stands beside.

    >>> spread(0.0123, 0.00044, "s"), spread(1.874, 0.0615, "bit/B")
    ('±0.4', '±0.06')
    """
    scale = factor(value, unit)
    digits = significant((value or half) / scale).partition(".")[2]
    return f"±{half / scale:,.{len(digits)}f}"


def count(value: int) -> str:
    """A count of parameters as people say it.

    >>> count(124_439_808), count(950)
    ('124M', '950')
    """
    for factor, name in ((10**12, "T"), (10**9, "B"), (10**6, "M"), (10**3, "k")):
        if value >= factor:
            return f"{significant(value / factor)}{name}"
    return str(value)


def listing(names: Sequence[str], *, most: int = 6) -> str:
    """Names as a phrase; long lists are cut and counted.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    shown = [short(name, 40) for name in names]
    if len(shown) > most:
        return f"{', '.join(shown[: most - 1])} and {len(shown) - most + 1} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else "".join(shown)


def p_value(p: float) -> str:
    """A p-value as people write it.

    >>> p_value(0.0004), p_value(0.0312)
    ('< 0.001', '0.031')
    """
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
