"""The task data made from the corpus: JSON lines beside the task definitions (stdlib only)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from harness.zoo import agreement, corpus, goods, prose, question, sentiment, sequences, story, topic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.zoo.items import Item, Maker, Split

FOLDER = Path(__file__).parent.parent / "tasks" / "definitions" / "zoo" / "data"
TEST, POOL, LEARN = 240, 40, 1024
# Out of domain, examples come from the domain that is known.
_WITHOUT_POOL = frozenset({"agreement", "perplexity", "sentiment_ood"})
# What fine-tuning learns from: the first of it are the examples, and no model of the zoo was trained on any.
_LEARNT = frozenset({"sentiment", "topic"})


def files() -> Iterator[tuple[str, str]]:
    """Yield the name and the content of every data file."""
    for name, make in makers().items():
        yield f"{name}_test.jsonl", _lines(held_out(name, make, "test"))
        if name not in _WITHOUT_POOL:
            yield f"{name}_train.jsonl", _lines(held_out(name, make, "pool"))
        if name in _LEARNT:
            yield f"{name}_learn.jsonl", _lines(corpus.held_out(make, name, LEARN, split="pool"))


def held_out(name: str, make: Maker, split: Split) -> list[Item]:
    """Return the items of one data file."""
    return corpus.held_out(make, name, TEST if split == "test" else POOL, split=split)


def write(folder: Path = FOLDER) -> None:
    """Write every data file into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files():
        (folder / name).write_text(content, encoding="utf-8", newline="\n")


def makers() -> dict[str, Maker]:
    """Return the maker of each task, by the stem of its files."""
    return {
        "sentiment": sentiment.make,
        "sentiment_ood": goods.make,
        "topic": topic.make,
        "story": story.make,
        "agreement": agreement.make,
        "question": question.make,
        "list": sequences.make,
        "perplexity": prose.make,
    }


def _lines(items: list[Item]) -> str:
    """Return items as JSON lines."""
    return "".join(json.dumps(_row(item), ensure_ascii=False) + "\n" for item in items)


def _row(item: Item) -> dict[str, object]:
    """Return the fields that the task definitions name."""
    if not item.choices:
        return {"prompt": item.prompt, "answer": item.answer} if item.prompt else {"text": item.answer}
    label = item.choices.index(item.answer)
    if item.kind == "agreement":
        # Whole sentences are compared: what comes before the verb is the same in both.
        return {"choices": [f"{item.prompt} {choice}" for choice in item.choices], "label": label}
    return {"prompt": item.prompt, "choices": list(item.choices), "label": label}
