"""Padding on either side, for every family: the same logits, and those of single texts."""

from __future__ import annotations

import pytest
import torch

from harness.training import rows
from harness.training.classifier import headed
from harness.training.loop import mean_loss
from harness.training.rows import Collator

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")


@pytest.mark.parametrize("family", FAMILIES)
def test_classes_do_not_depend_on_the_side_of_padding(learners, family):
    """A classification head reads the last token of each text, whatever stands before or behind it."""
    subject = learners.subject(family)
    torch.manual_seed(0)
    model = headed(subject.model, subject.tokenizer, labels=3)
    texts = [one.prompt for one in learners.examples()]
    encoded = rows.prompts(texts, subject.tokenizer, limit=learners.CONTEXT)
    items = [{"input_ids": ids, "targets": [0]} for ids in encoded]
    found = {side: logits(model, subject.tokenizer, items, side=side, labelled=True) for side in ("left", "right")}
    with torch.inference_mode():
        alone = torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in encoded])
    assert len({len(ids) for ids in encoded}) > 1
    assert torch.allclose(found["left"], found["right"], atol=1e-5)
    assert torch.allclose(found["right"], alone, atol=1e-5)
    assert alone.std() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_do_not_depend_on_the_side_of_padding(learners, family):
    """The loss of the answer tokens is that of the engine, on either side."""
    subject = learners.subject(family)
    examples = learners.examples()
    items = rows.language(examples, subject.tokenizer, limit=learners.CONTEXT)
    scored = subject.lm.score([(one.prompt, one.answer) for one in examples], learners.quiet)
    expected = -sum(one.logprob for one in scored) / sum(one.tokens for one in scored)
    for side in ("left", "right"):
        collator = Collator.of(subject.model, subject.tokenizer, side=side, labelled=False)
        batch = collator(items)
        labels = batch.pop("labels")
        with torch.inference_mode():
            loss = mean_loss(subject.model(**batch).logits, labels)
        assert loss.item() == pytest.approx(expected, abs=1e-4)
        assert ("logits_to_keep" in batch) is (side == "left")


def test_long_prompts_lose_their_beginning(learners):
    """Rows are cut on the left to the context, and the answer stays whole."""
    subject = learners.subject("gpt2")
    one = learners.examples()[0]
    long = type(one)(prompt="the cat sat on the mat. " * 40 + "so:", answer=one.answer)
    (row,) = rows.language([long], subject.tokenizer, limit=learners.CONTEXT)
    assert len(row["input_ids"]) == learners.CONTEXT
    assert subject.tokenizer.decode(row["targets"]) == one.answer
    (ids,) = rows.prompts([long.prompt], subject.tokenizer, limit=learners.CONTEXT)
    assert len(ids) == learners.CONTEXT


def test_a_prompt_that_ends_with_padding_is_refused(learners):
    """A head would read it one place too early."""
    subject = learners.subject("gpt2")
    with pytest.raises(ValueError, match="ends with the padding token"):
        rows.prompts(["the cat<|endoftext|>"], subject.tokenizer, limit=9)
    assert rows.prompts([""], subject.tokenizer, limit=9) == [[subject.tokenizer.eos_token_id]]


def logits(model, tokenizer, items, *, side, labelled):
    """Logits of a padded batch."""
    batch = Collator.of(model, tokenizer, side=side, labelled=labelled)(items)
    batch.pop("labels")
    with torch.inference_mode():
        return model(**batch).logits
