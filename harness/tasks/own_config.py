"""A user's own file as the config of an lm-eval task.

Layer: tasks, light: the config is plain data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.tasks.own import OwnData
    from harness.tasks.spec import Task

NEW_TOKENS = 128
"""Most tokens generated per document where the task does not say."""

_UP = {"aggregation": "mean", "higher_is_better": True}


def build(spec: Task, data: OwnData) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """The lm-eval config and the documents per split (`test`, and `train` for few-shot examples).

    A prompt that does not end in white space is joined to its answer by one space. Generated text is compared without
    surrounding white space and without case.

    Raises:
        ConfigError: a malformed row.
    """
    splits = {"test": data.documents(spec.kind), "train": data.examples(spec.kind)}
    spaced = data.template[-1:].isspace()
    config: dict[str, Any] = {
        "task": spec.name,
        "test_split": "test",
        "fewshot_split": "train",
        "num_fewshot": spec.shots,
        "target_delimiter": "" if spaced else " ",
        "metadata": {"version": 1},
        "doc_to_text": "prompt",
    }
    make = {"generation": _generation, "language_modelling": _language_modelling}.get(spec.kind, _choice)
    return config | make(spec, splits), splits


def _choice(_spec: Task, _splits: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    return {
        "output_type": "multiple_choice",
        "doc_to_choice": "choices",
        "doc_to_target": "gold",
        "metric_list": [{"metric": "acc", **_UP}, {"metric": "acc_norm", **_UP}],
    }


def _generation(spec: Task, splits: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """One reference each stays a text; as soon as one document has several, all are lists, as lm-eval wants it."""
    if all(len(document["target"]) == 1 for documents in splits.values() for document in documents):
        for documents in splits.values():
            for document in documents:
                document["target"] = document["target"][0]
    stop = list(spec.data.stop) if spec.data is not None else []
    return {
        "output_type": "generate_until",
        "doc_to_target": "target",
        "generation_kwargs": {"until": stop, "do_sample": False, "max_gen_toks": spec.max_new_tokens or NEW_TOKENS},
        "filter_list": [
            {
                "name": "strip",
                "filter": [
                    {"function": "regex", "regex_pattern": r"(?s)^\s*(.*?)\s*$", "fallback": ""},
                    {"function": "take_first"},
                ],
            }
        ],
        "metric_list": [{"metric": "exact_match", "ignore_case": True, **_UP}],
    }


def _language_modelling(_spec: Task, splits: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """With a target the last word is predicted, as in LAMBADA; without, the whole text is scored."""
    down = {"higher_is_better": False}
    if all("target" in document for document in splits["test"]):
        for documents in splits.values():
            for document in documents:
                document["target"] = " " + document["target"][0]
        perplexity = {"metric": "perplexity", "aggregation": "perplexity", **down}
        return {
            "output_type": "loglikelihood",
            "doc_to_target": "target",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc", **_UP}, perplexity],
        }
    weighted = {"aggregation": "weighted_perplexity", **down}
    return {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "prompt",
        "metric_list": [
            {"metric": "bits_per_byte", "aggregation": "bits_per_byte", **down},
            {"metric": "byte_perplexity", **weighted},
            {"metric": "word_perplexity", **weighted},
        ],
    }
