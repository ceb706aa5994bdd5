"""The classification head: trained on every family, and asked through a task as any other model."""

from __future__ import annotations

import math

import pytest
import torch

from harness import zoo
from harness.devices import Device
from harness.models.spec import ModelSpec
from harness.models.subject import load
from harness.records import Unsupported
from harness.tasks.spec import Task
from harness.training.attach import attached
from harness.training.classifier import ClassifierLM, headed
from harness.training.examples import Data, Example
from harness.training.train import train
from harness.zoo import sentiment
from harness.zoo.items import stream

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_article_s_recipe_learns_what_there_is_to_learn(learners, family, tmp_path):
    """Who sits is learnt on every family; probabilities over the labels add up to one; truncation is told."""
    method = learners.method("article", objective="classification", epochs=12, learning_rate=5e-3)
    subject = learners.subject(family)
    every = learners.examples()
    data = Data(name="toy", train=every, labels=learners.LABELS)
    report = train(subject, method, data, folder=tmp_path / "one", progress=learners.quiet)
    assert report.final["train_accuracy"] == 1.0
    with attached(learners.subject(family), method, folder=tmp_path / "one") as adapted:
        found = learners.logprobs(adapted.lm, every)
        long = adapted.lm.score([("the cat " * 60, " good")], learners.quiet)[0]
    assert [math.exp(found[i]) + math.exp(found[i + 1]) for i in (0, 2)] == pytest.approx([1.0, 1.0])
    chosen = [learners.LABELS[int(found[i] < found[i + 1])] for i in range(0, len(found), 2)]
    assert chosen == [one.answer for one in every]
    assert long.truncated


def test_the_head_is_the_family_s_own_on_the_same_body(learners):
    """The body is shared, not copied; the head has one row for each label and reads its family's width."""
    subject = learners.subject("opt")
    model = headed(subject.model, subject.tokenizer, labels=5)
    assert type(model).__name__ == "OPTForSequenceClassification"
    assert model.base_model is subject.model.base_model
    assert sum(p.numel() for p in model.score.parameters()) == 5 * 32
    assert subject.model.config.pad_token_id is None


def test_what_is_no_label_is_refused(learners):
    """So is everything that a head cannot do."""
    subject = learners.subject("gpt2")
    torch.manual_seed(0)
    model = headed(subject.model, subject.tokenizer, labels=2)
    lm = ClassifierLM(model, subject.tokenizer, labels=learners.LABELS, context=64, batch=4)
    with pytest.raises(Unsupported, match=r"answer ' bad' is none of the labels"):
        lm.score([("the cat", " bad")], learners.quiet)
    for call in (lambda: lm.generate([], learners.quiet), lambda: lm.score_rolling([], learners.quiet)):
        with pytest.raises(Unsupported, match="objective=language"):
            call()


@pytest.mark.parametrize("objective", ["language", "classification"])
def test_a_task_asks_base_and_adapted_model_the_same(learners, tmp_path, objective):
    """The lm-eval task runs on both, on the same documents, and the adapted model does better than its chance."""
    device = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=8)
    spec = ModelSpec(name="base", family="auto", source="zoo:mini-gpt2-s", dtype="float32")
    task = Task(name="s", kind="classification", source="zoo/sentiment.yaml", metrics=["acc"], limit=24)
    rng = stream("finetune", "train", 0)
    items = [sentiment.make(rng) for _ in range(48)]
    train_set = tuple(Example(prompt=item.prompt, answer=f" {item.answer}") for item in items)
    data = Data(name="s", train=train_set, labels=tuple(f" {label}" for label in sentiment.LABELS))
    name = "lora" if objective == "language" else "full"
    method = learners.method(name, objective=objective, epochs=2, batch=16, learning_rate=1e-3)
    train(load(spec, device, learners.quiet), method, data, folder=tmp_path / "one", progress=learners.quiet)
    subject = load(spec, device, learners.quiet)
    before = task.run(subject, learners.quiet)
    with attached(subject, method, folder=tmp_path / "one") as adapted:
        after = task.run(adapted, learners.quiet)
    again = task.run(subject, learners.quiet)
    assert [one.item_id for one in after.samples] == [one.item_id for one in before.samples]
    assert [one.prompt_hash for one in after.samples] == [one.prompt_hash for one in before.samples]
    assert [one.logprobs for one in again.samples] == [one.logprobs for one in before.samples]
    assert [one.logprobs for one in after.samples] != [one.logprobs for one in before.samples]
    assert len(after.samples) == 24
    assert zoo.folder("mini-gpt2-s").exists()
