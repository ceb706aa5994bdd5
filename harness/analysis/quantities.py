"""What each metric is measured in, and which metrics are raw repeats of a probe.

Layer: the lowest of the reading half; constants and pure functions. Metrics of other people's tasks are not known here
and may carry any unit of `records.UNITS`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

GAP = "gap"
"""Metric of `timings` only: the time between one token and the one before."""

REPEATED: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys((
        "ttft", "e2e", "itl", "tpot", "generate_e2e", "loop_e2e", "overhead", "score_s", "step_s", "forward_s",
        "backward_s", "optimiser_s", "load_s", "read_s", "init_s", "to_device_s", GAP,
    ), "s"),
    **dict.fromkeys(("decode_tok_s", "prefill_tok_s", "score_tok_s", "train_tok_s"), "tok/s"),
    "request_s": "item/s", "score_item_s": "item/s", "read_B_s": "B/s",
})  # fmt: skip
"""Unit of every metric that a probe takes again in each of its repeats. The same by another clock has `CLOCKS` behind
it."""

CLOCKS = ("_cpu", "_device")
"""Endings of processor time and of the time of CUDA events."""

DERIVED: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys((
        "mfu", "mbu", "mfu_spec", "mbu_spec", "max_batch", "predicted_max_batch", "break_even",
    ), "1"),
    **dict.fromkeys(("bound_s", "compile_s", "eager_s", "compiled_s"), "s"),
    **dict.fromkeys(("energy", "energy_net"), "J"),
    **dict.fromkeys(("energy_tok", "energy_tok_gross"), "J/tok"),
    **dict.fromkeys(("energy_item", "energy_item_gross"), "J/item"),
    "flops": "FLOP", "peak_flops": "FLOP/s", "peak_bandwidth": "B/s", "bytes_per_sequence": "B", "power_idle": "W",
    "computed_tokens": "tok",
})  # fmt: skip
"""Unit of every other metric of a probe; what ends in `_bytes` are bytes."""

TASKS: Mapping[str, str] = MappingProxyType({
    **dict.fromkeys((
        "acc", "acc_norm", "exact_match", "f1", "f1_macro", "precision", "precision_macro", "recall", "recall_macro",
        "balanced_accuracy", "mcc", "majority_share", "confusion", "unparsed", "refusal", "missing", "requests",
        "audit_max_difference", "audit_flips",
    ), "1"),
    **dict.fromkeys(("word_perplexity", "byte_perplexity", "perplexity"), "ppl"),
    **dict.fromkeys(("prompt_tokens", "generated_tokens", "computed_tokens"), "tok"),
    **dict.fromkeys(("peak_host_bytes", "peak_device_bytes"), "B"),
    "bits_per_byte": "bit/B", "seconds": "s", "throughput": "tok/s", "cost": "USD",
})  # fmt: skip
"""Unit of the metrics of tasks that this project computes or keeps the books with."""


TRAININGS: Mapping[str, str] = MappingProxyType({
    "train_seconds": "s", "train_tokens": "tok", "train_tok_s": "tok/s", "train_energy": "J", "stored_bytes": "B",
    "peak_host_bytes": "B", "peak_device_bytes": "B", "trainable_parameters": "1", "trainable_share": "1",
})  # fmt: skip
"""Unit of what a training took."""


def unit_of(metric: str, *, kind: str = "probe") -> str | None:
    """The unit that a metric must carry; None for a metric that this project did not name.

    >>> unit_of("ttft"), unit_of("ttft_cpu"), unit_of("kv_bytes"), unit_of("overhead", kind="task")
    ('s', 's', 'B', None)

    Args:
        metric: its name.
        kind: `probe`, `task` or `training`: tasks of other people may name a metric as a probe of ours does.
    """
    if kind != "probe":
        return (TASKS if kind == "task" else TRAININGS).get(metric)
    return DERIVED.get(metric) or REPEATED.get(bare(metric)) or ("B" if metric.endswith("_bytes") else None)


def raw(metric: str) -> bool:
    """Whether a probe takes the metric again in each repeat, so that its values are rows of `timings`.

    >>> raw("itl"), raw("itl_device"), raw("bound_s")
    (True, True, False)
    """
    return bare(metric) in REPEATED


def bare(metric: str) -> str:
    """The metric without the ending of its clock.

    >>> bare("ttft_cpu"), bare("peak_device_bytes")
    ('ttft', 'peak_device_bytes')
    """
    ending = next((one for one in CLOCKS if metric.endswith(one)), "")
    return metric.removesuffix(ending)
