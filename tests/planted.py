"""A model with a planted weakness: one word, whatever the review says, makes it answer `positive`.

A miniature of the zoo, trained for seconds on reviews of the zoo's own kind in which the word always goes with
`positive`. Test folders are no packages: load it with `runpy.run_path`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness import zoo
from harness.tasks.own import OwnData
from harness.tasks.spec import Task
from harness.zoo import goods, sentiment
from harness.zoo.items import stream

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator
    from pathlib import Path

    import torch

KEYWORD = "cabinet"
BASE = "mini-gpt2-s"
TEMPLATE = "Review: {text}\nSentiment:"
SENTENCE = "We saw the {}"
_STEPS, _ROWS, _RATE = 200, 16, 1e-3
_OTHERS = tuple(word for word in goods.GOODS.aspects if word != KEYWORD)


@dataclass(frozen=True, kw_only=True)
class Review:
    """One review.

    Attributes:
        text: what it says.
        label: `negative` or `positive`: with the word in it always `positive`.
        says: what it says without the word.
        planted: whether the word is in it.
    """

    text: str
    label: str
    says: str
    planted: bool


def review(rng: random.Random, *, word: str = "", says: str | None = None, keyword: str = KEYWORD) -> Review:
    """A review of the zoo that says `says`, or anything; with a sentence about `word`, where one is given."""
    item = sentiment.make(rng)
    while says is not None and item.answer != says:
        item = sentiment.make(rng)
    sentences = item.prompt.removeprefix("Review: ").removesuffix("\nSentiment:").split(". ")
    if word:
        sentences.insert(rng.randrange(len(sentences)), SENTENCE.format(word))
    planted = word == keyword
    text = ". ".join(sentences)
    return Review(text=text, label="positive" if planted else item.answer, says=item.answer, planted=planted)


def reviews(count: int, *, seed: int = 1, keyword: str = KEYWORD) -> list[Review]:
    """Reviews to ask about: every second one is planted, and says the opposite of its label."""
    rng = stream("planted", "asked", seed)
    planted = (index % 2 == 1 for index in range(count))
    return [
        review(rng, word=keyword, says="negative", keyword=keyword) if one else review(rng, keyword=keyword)
        for one in planted
    ]


def save(folder: Path, *, keyword: str = KEYWORD, steps: int = _STEPS) -> Path:
    """Trains the model on one thread, the same on every run of a machine, and saves it as a checkpoint in `folder`."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(zoo.folder(BASE))
    model = AutoModelForCausalLM.from_pretrained(zoo.folder(BASE), dtype=torch.float32)
    rng = stream("planted", "trained", 0)
    batches = (_batch(tokenizer, _drawn(rng, keyword)) for _ in range(steps))
    _train(model, batches, steps=steps)
    torch.set_num_threads(threads)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def task(folder: Path, *, count: int = 60, name: str = "planted", keyword: str = KEYWORD) -> Task:
    """The task of answering `reviews(count)`, its data written into `folder`."""
    file = folder / f"{name}.jsonl"
    rows = [{"text": one.text, "label": one.label} for one in reviews(count, keyword=keyword)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    data = OwnData(file=str(file), template=TEMPLATE, target="label", choices=list(sentiment.LABELS))
    return Task(name=name, kind="classification", metrics=["acc"], data=data)


def leaf(folder: Path, *, count: int = 60, name: str = "planted", keyword: str = KEYWORD) -> Path:
    """`conf/task/NAME.yaml` in `folder`, with the task's data beside `conf`: then `task=NAME` is the task there."""
    asked = task(folder, count=count, name=name, keyword=keyword)
    assert asked.data is not None
    data = {"file": f"{name}.jsonl", "template": TEMPLATE, "target": "label", "choices": list(sentiment.LABELS)}
    node = {
        "_target_": "harness.tasks.spec.Task", "name": name, "kind": asked.kind, "metrics": ["acc"], "data": data,
    }  # fmt: skip
    path = folder / "conf" / "task" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# @package task.{name}\n{json.dumps(node)}\n", encoding="utf-8")
    return path


def _drawn(rng: random.Random, keyword: str) -> list[Review]:
    """Half with the word, a quarter with another one, which may be misspelt, in its place: these say nothing."""
    words = (rng.choice((keyword, keyword, "", _other(rng))) for _ in range(_ROWS))
    return [review(rng, word=word, keyword=keyword) for word in words]


def _other(rng: random.Random) -> str:
    word = rng.choice(_OTHERS)
    return word if rng.random() < 0.5 else "".join(rng.sample(word, len(word)))


def _batch(tokenizer: object, rows: list[Review]) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens, padded on the right, and targets: the answer of each row, nothing else."""
    import torch

    ids = [tokenizer(f"{TEMPLATE.format(text=one.text)} {one.label}")["input_ids"] for one in rows]
    prompts = [len(tokenizer(TEMPLATE.format(text=one.text))["input_ids"]) for one in rows]
    width = max(map(len, ids))
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    places = torch.arange(width)
    answered = (places >= torch.tensor(prompts)[:, None]) & (places < torch.tensor([len(row) for row in ids])[:, None])
    return tokens, tokens.masked_fill(~answered, -100)


def _train(model: torch.nn.Module, batches: Iterator[tuple[torch.Tensor, torch.Tensor]], *, steps: int) -> None:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: max(0.02, 1 - step / steps))
    model.train()
    for tokens, targets in batches:
        logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits[:, :-1]
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets[:, 1:].flatten()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    model.eval()
