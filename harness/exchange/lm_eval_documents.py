"""The documents that lm-eval logged -> samples, with the identities that our own runs give them.

Layer: below `lm_eval`; stdlib only, no lm-eval.
"""

from __future__ import annotations

import ast
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.exchange.lm_eval_files import mapping
from harness.records import Sample
from harness.tasks.documents import item_ids

if TYPE_CHECKING:
    from collections.abc import Iterable


def samples(rows: Iterable[Mapping[str, Any]], config: Mapping[str, Any], *, subset: str = "") -> list[Sample]:
    """One sample per document, in the order of the task; of several filters the first one's.

    Args:
        rows: lines of a `samples_*.jsonl`.
        config: of the task.
        subset: label of the task within a group, else empty.
    """
    every = list(rows)
    first = first_filter(config, [str(row.get("filter", "none")) for row in every])
    own = {row.get("doc_id"): row for row in every if str(row.get("filter", "none")) == first}
    chosen = sorted(own.values(), key=lambda row: int(row.get("doc_id") or 0))
    ids = item_ids([_document(row["doc"]) for row in chosen])
    return [_sample(row, key, config, subset=subset) for row, key in zip(chosen, ids, strict=True)]


def first_filter(config: Mapping[str, Any], present: Sequence[str]) -> str:
    """The filter whose results are the task's: the first one that its configuration names."""
    filters = config.get("filter_list") or []
    named = [str(one.get("name")) for one in filters if isinstance(one, Mapping)]
    return next((name for name in named if name in present), present[0] if present else "none")


def prompt_hash(arguments: Sequence[Sequence[Any]]) -> str:
    """The hash that our own runs give the same requests: equal where every request is the same, character by character.

    Args:
        arguments: of every request of a document.
    """
    hasher = hashlib.sha256()
    for request in arguments:
        for part in request:
            hasher.update(repr(part).encode() + b"\0")
    return hasher.hexdigest()[:16]


def _document(doc: Any) -> Mapping[str, Any]:
    return doc if isinstance(doc, Mapping) else {"doc": doc}


def _sample(row: Mapping[str, Any], key: str, config: Mapping[str, Any], *, subset: str) -> Sample:
    asked = _arguments(row.get("arguments"))
    kind = str(config.get("output_type") or "")
    scored = kind != "generate_until"
    options = _options(asked, config) if kind == "multiple_choice" else ()
    found = _logprobs(row.get("resps")) if scored else ()
    shown = found[: len(options)] if options else found
    gold = "" if kind == "loglikelihood_rolling" else _gold(row.get("target"), options)
    return Sample(
        item_id=key, index=int(row.get("doc_id") or 0), subset=subset, prompt_hash=prompt_hash(asked) if asked else "",
        prompt=str(asked[0][0]) if asked and asked[0] else "", gold=gold, pred=_pred(row, options, shown),
        options=options or ((gold,) if kind == "loglikelihood" else ()), logprobs=shown, metrics=_metrics(row),
    )  # fmt: skip


def _arguments(given: Any) -> list[list[Any]]:
    """The arguments of every request, as a run of ours has them."""
    if isinstance(given, Mapping):
        return [list(one.values()) if isinstance(one, Mapping) else [one] for one in given.values()]
    return [list(one) if isinstance(one, list) else [one] for one in given or []]


def _options(asked: Sequence[Sequence[Any]], config: Mapping[str, Any]) -> tuple[str, ...]:
    """Texts of the options: the continuations, or the contexts where these are what differs."""
    pairs = [(str(one[0]), str(one[1])) for one in asked if len(one) > 1]
    if len({context for context, _ in pairs}) > 1 and len({text for _, text in pairs}) == 1:
        return tuple(context for context, _ in pairs)
    contexts = {context for context, _ in pairs}
    if len(contexts) > 1:  # For mutual information every option is asked for a second time, without the question.
        pairs = [pair for pair in pairs if pair[0] == pairs[0][0]]
    between = str(config.get("target_delimiter", " "))
    return tuple(text.removeprefix(between) for _, text in pairs)


def _logprobs(responses: Any) -> tuple[float, ...]:
    """The log-likelihood of each request; none where a response is not one."""
    try:
        found = [float(_first(one)) for one in responses or []]
    except (TypeError, ValueError):
        return ()
    return () if any(math.isnan(one) for one in found) else tuple(found)


def _first(value: Any) -> Any:
    """The first of the first of nested lists: lm-eval nests by request, by repeat, and by part of an answer."""
    return _first(value[0]) if isinstance(value, list | tuple) and value else value


def _gold(target: Any, options: Sequence[str]) -> str:
    """The right answer as text; several are joined as in our own samples."""
    text = str(target)
    if not options:
        return text.strip()
    if text.startswith("["):
        try:
            many = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            return text.strip()
        return " | ".join(_gold(one, options) for one in many)
    position = int(text) if text.lstrip("-").isdecimal() else -1
    return str(options[position]).strip() if 0 <= position < len(options) else text.strip()


def _pred(row: Mapping[str, Any], options: Sequence[str], logprobs: Sequence[float]) -> str:
    if options:
        return options[max(range(len(logprobs)), key=logprobs.__getitem__)].strip() if logprobs else ""
    answer = _first(row.get("filtered_resps"))
    return "" if logprobs else str(answer if answer is not None else "")


def _metrics(row: Mapping[str, Any]) -> dict[str, float]:
    """Metrics that are defined on one document, as our own samples hold them."""
    named = row.get("metrics") or [key for key in row if key in {"acc", "acc_norm", "exact_match", "f1"}]
    found: dict[str, float] = {}
    for metric in named:
        value = row.get(metric)
        pair = value if isinstance(value, list) and len(value) == 2 else None  # noqa: PLR2004 - (log-likelihood, size)
        if metric == "bits_per_byte" and pair and pair[1]:
            found |= {metric: -float(pair[0]) / float(pair[1]) / math.log(2), "bytes": float(pair[1])}
        elif metric == "word_perplexity" and pair:
            found["words"] = float(pair[1])
        elif metric != "perplexity" and isinstance(value, int | float) and math.isfinite(value):
            found[str(metric)] = float(value)
    return found


def standard_error(documents: Sequence[Sample], metric: str, value: float) -> float | None:
    """The standard error of a mean over documents, of bits per byte over their bytes; None of what is no such mean.

    Source:
        Cochran (1977), Sampling Techniques, 3rd edition, section 6.4: linearisation of a ratio of sums.
    """
    held = [sample.metrics for sample in documents if metric in sample.metrics]
    n = len(held)
    if n < 2:  # noqa: PLR2004 - a spread needs two
        return None
    weights = [one.get("bytes", 1.0) if metric == "bits_per_byte" else 1.0 for one in held]
    size = math.fsum(weights) / n
    centre = math.fsum(weight * one[metric] for weight, one in zip(weights, held, strict=True)) / (size * n)
    if not math.isclose(centre, value, rel_tol=1e-6, abs_tol=1e-9):
        return None
    squares = math.fsum((weight * (one[metric] - centre)) ** 2 for weight, one in zip(weights, held, strict=True))
    return math.sqrt(squares / (n - 1) / n) / size


def known_tasks(data: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every task or group that stands for itself, with the tasks it is made of: itself for a task.

    A group that lm-eval reports is one task of ours, and its tasks are its subsets.
    """
    results, below = mapping(data.get("results")), mapping(data.get("group_subtasks"))
    parts = {str(name): [str(one) for one in members] for name, members in below.items() if members}
    inner = {member for members in parts.values() for member in members}

    def leaves(name: str, above: frozenset[str]) -> list[str]:
        if name not in parts or name in above:
            return [name]
        return [leaf for member in parts[name] for leaf in leaves(member, above | {name})]

    tops = [str(name) for name in results if name not in inner]
    tops += [name for name in parts if name not in inner and name not in tops]
    return {name: list(dict.fromkeys(leaves(name, frozenset()))) for name in tops}
