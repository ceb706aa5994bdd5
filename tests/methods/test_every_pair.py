"""Every trained method on every family: what is trained, what it merges to, and how it comes back from its folder."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch

from harness.training.attach import attached
from harness.training.train import fitted, train

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")
METHODS = ("full", "head", "bitfit", "adapter", "lora", "adalora", "ia3", "prefix", "prompt")
OBJECTIVES = ("language", "classification")


@pytest.fixture(scope="session")
def learnt(learners, tmp_path_factory):
    """Trains a method on a family, once a session: the folder, and the base before and after."""
    known = {}

    def run(family, name, objective):
        key = (family, name, objective)
        if key not in known:
            subject, method = learners.subject(family), learners.method(name, objective=objective)
            before = learners.values(subject.model)
            folder = tmp_path_factory.mktemp("adapters") / "one"
            report = train(subject, method, learners.data(dev=0), folder=folder, progress=learners.quiet)
            known[key] = SimpleNamespace(
                method=method, folder=folder, report=report, before=before, after=learners.values(subject.model)
            )
        return known[key]

    return run


def cases():
    """All methods under `language`; `classification` with families in turn, which `test_classifier.py` completes."""
    found = [(family, name, "language") for name in METHODS for family in FAMILIES]
    turns = [name for name in METHODS if name != "prompt"]
    return found + [(FAMILIES[i % 6], name, "classification") for i, name in enumerate(turns)]


def bare(name):
    """The name of a parameter of the base, whatever is wrapped around its layer."""
    return re.sub(r"\.(base_layer|layer(?!s))(?=\.)", "", name)


@pytest.mark.parametrize(("family", "name", "objective"), cases())
def test_only_what_is_trained_changes(learnt, family, name, objective):
    """Frozen parameters are the same bit by bit; trained ones of the base are the method's own, and they do change."""
    run = learnt(family, name, objective)
    own = {"full": r".*", "bitfit": r".*bias", "head": r"(lm_head|embed_out)\..*"}.get(name, r"(?!)")
    if name == "head" and objective == "classification":
        own = r"(?!)"
    after = {bare(key): value for key, value in run.after.items()}
    frozen = [key for key in run.before if not re.fullmatch(own, key)]
    trained = [key for key in run.before if re.fullmatch(own, key)]
    assert all(torch.equal(run.before[key], after[key]) for key in frozen)
    assert not trained or any(not torch.equal(run.before[key], after[key]) for key in trained)
    assert 0 < run.report.trainable <= run.report.parameters
    assert len(run.report.train) == run.report.steps == 4


@pytest.mark.parametrize(("family", "name", "objective"), cases())
def test_merged_equals_unmerged_and_comes_off_again(learners, learnt, family, name, objective):
    """Plain weights answer as the trained model does (1e-5), not as the base; undone, the base is there bit by bit."""
    run = learnt(family, name, objective)
    subject = learners.subject(family)
    fitting = fitted(subject, run.method, labels=learners.LABELS, steps=run.report.steps, reversible=True)
    fitting.load(torch_state(run.folder))
    fitting.model.eval()
    ids = torch.tensor([subject.tokenizer(learners.examples()[3].prompt)["input_ids"]])
    with torch.no_grad():
        unmerged = fitting.model(input_ids=ids).logits
        merged = fitting.merged()(input_ids=ids).logits
    size = min(unmerged.shape[1], merged.shape[1])
    scale = unmerged.abs().max().clamp(min=1.0)
    assert (unmerged[:, -size:] - merged[:, -size:]).abs().max() / scale < 1e-5
    fitting.undo()
    assert set(learners.values(subject.model)) == set(run.before)
    assert all(torch.equal(value, run.before[key]) for key, value in learners.values(subject.model).items())
    assert all(parameter.requires_grad for parameter in subject.model.parameters())


@pytest.mark.parametrize(("family", "name", "objective"), cases())
def test_an_adapter_elsewhere_gives_the_same_predictions(learners, learnt, family, name, objective):
    """A fresh subject with the adapter scores as plain calls of the model do, twice the same, and not as the base."""
    run = learnt(family, name, objective)
    scores = []
    for _ in range(2):
        with attached(learners.subject(family), run.method, folder=run.folder) as adapted:
            scores.append(learners.logprobs(adapted.lm))
            expected = [yardstick(adapted, *pair) for pair in learners.pairs()]
    assert scores[0] == scores[1]
    assert scores[0] == pytest.approx(expected, abs=1e-3)
    if objective == "language":
        before = learners.logprobs(learners.subject(family).lm)
        assert max(abs(x - y) for x, y in zip(scores[0], before, strict=True)) > 1e-3


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_several_adapters_share_one_loaded_base(learners, learnt, family):
    """One after the other on one base each scores as on a base of its own; the base scores as before."""
    subject = learners.subject(family)
    before = learners.logprobs(subject.lm)
    for name in (*METHODS, *METHODS[::-1]):
        run = learnt(family, name, "language")
        with attached(learners.subject(family), run.method, folder=run.folder) as fresh:
            expected = learners.logprobs(fresh.lm)
        with attached(subject, run.method, folder=run.folder) as adapted:
            assert learners.logprobs(adapted.lm) == expected
    assert learners.logprobs(subject.lm) == before


def test_a_base_survives_an_adapter_that_does_not_fit(learners, learnt):
    """Another family's weights are refused by name, and the base is as it was."""
    run, subject = learnt("llama", "lora", "language"), learners.subject("gpt2")
    with (
        pytest.raises(ValueError, match="stored weights do not fit this model and method"),
        attached(subject, run.method, folder=run.folder),
    ):
        pass
    before = learners.values(learners.subject("gpt2").model)
    assert all(torch.equal(value, before[key]) for key, value in learners.values(subject.model).items())


def torch_state(folder):
    """The stored weights."""
    from safetensors.torch import load_file

    return load_file(folder / "adapter.safetensors")


def yardstick(adapted, prompt, answer):
    """The log-likelihood by one plain call of the model, nothing shared."""
    tokenizer, labels = adapted.tokenizer, getattr(adapted.lm, "labels", ())
    with torch.inference_mode():
        if labels:
            logits = adapted.model(input_ids=torch.tensor([tokenizer(prompt)["input_ids"]])).logits[0]
            return torch.log_softmax(logits.double(), -1)[labels.index(answer)].item()
        whole, before = (tokenizer(text)["input_ids"] for text in (prompt + answer, prompt))
        logits = adapted.model(input_ids=torch.tensor([whole])).logits[0, len(before) - 1 : -1]
        targets = torch.tensor(whole[len(before) :])
        return torch.log_softmax(logits.double(), -1).gather(1, targets[:, None]).sum().item()
