"""The white box: its slope against finite differences, its flips against decoding and encoding."""

from __future__ import annotations

import copy
import json
from types import SimpleNamespace

import pytest
import torch

from harness.attacks.candidates import Candidate
from harness.attacks.gradient import Gradient, log_likelihood, log_likelihood_slope
from harness.attacks.spec import Attack
from harness.attacks.view import TaskView
from harness.attacks.workload import AttackedTask
from harness.records import Unsupported
from harness.scoring.lm import HarnessLM
from harness.scoring.requests import Encoder, cut
from harness.tasks.own import OwnData
from harness.tasks.spec import Task

FAMILIES = ("gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama")


def quiet(phase, done, total):
    """A progress listener that does nothing."""


def request(tiny):
    """A prompt of several words with an answer of several tokens."""
    before, after = Encoder(tiny.tokenizer()).pairs([("the cat sat on the mat and the dog ran", " home. the mat")])[0]
    return cut(before, after, limit=tiny.CONTEXT, label="")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_slope_is_that_of_finite_differences(tiny, family):
    """Central differences along random directions at single tokens; some families keep parts of float64 in float32."""
    model, asked = copy.deepcopy(tiny.model(family)).double(), request(tiny)
    slope = log_likelihood_slope(model, asked)
    inputs = model.get_input_embeddings()(torch.tensor(asked.row[None].astype("int64"))).detach()
    assert slope.shape == inputs.shape[1:]
    torch.manual_seed(0)
    for token in (0, 3, len(asked.row) - 1):
        step = torch.zeros_like(inputs)
        step[0, token] = torch.randn(inputs.shape[-1], dtype=torch.float64)
        with torch.no_grad():
            up, down = (log_likelihood(model, inputs + sign * 1e-3 * step, asked) for sign in (1, -1))
        expected = float(up - down) / 2e-3
        assert float((slope * step[0]).sum()) == pytest.approx(expected, rel=2e-3, abs=5e-3)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """A task of two documents in words that the tiny tokenizers know as tokens."""
    path = tmp_path_factory.mktemp("flip") / "d.jsonl"
    texts = ["the cat sat on the mat and the dog ran home", "what is the dog on the mat"]
    path.write_text("".join(json.dumps({"text": text, "label": "it"}) + "\n" for text in texts))
    data = OwnData(file=str(path), template="Q: {text}\nA:", target="label", choices=["it", "naïve"])
    return Task(name="d", kind="classification", metrics=["acc"], data=data)


def subject(tiny, family, *, begins, **facts):
    """A tiny model as a subject."""
    tokenizer, model = tiny.tokenizer(begins=begins), tiny.model(family)
    lm = HarnessLM(model, tokenizer, batch=4, context=tiny.CONTEXT)
    device = SimpleNamespace(kind="cpu")
    return SimpleNamespace(lm=lm, model=model, tokenizer=tokenizer, device=device,
                           facts={"quantisation": "none", **facts})  # fmt: skip


@pytest.mark.parametrize(("family", "begins"), [("gpt2", False), ("opt", True), ("llama", True)])
def test_flips_change_one_token_and_are_ranked_by_their_slope(tiny, documents, family, begins):
    """Every flip decodes and encodes to one other token; the first ones are those of the steepest descent."""
    from harness.attacks.target import target
    from harness.attacks.victim import Slope

    lm = subject(tiny, family, begins=begins).lm
    view = TaskView(documents, lm, quiet)
    attack = Attack(name="h", search="hotflip", candidates="tokens", severity=1.0, tries=4)
    one = target(0, view.sources(0, "en"), view.items[0].gold, attack, document="d")
    verdict = view.judge([(0, one.texts)])[0]
    words = {number: one.word(number) for number in range(len(one.sites))}
    assert set(words.values()) == {"cat", "sat", "mat", "dog", "ran", "home"}

    def render(number, word):
        site = one.sites[number]
        text = one.texts[0]
        return (text[: site.start] + word + text[site.end :],)

    slope = Slope(query=one.texts, places=words, render=render, verdict=verdict, gold=one.gold,
                  forbidden=frozenset({"home"}), most=4)  # fmt: skip
    flips = Gradient(view, lm).flips(0, slope)
    assert 0 < len(flips) <= 4
    model, encoder = lm.model, Encoder(lm.tokenizer)
    table = model.get_input_embeddings().weight.detach()

    def rows(query):
        pairs = encoder.pairs(view.requests(0, query))
        return [cut(before, after, limit=tiny.CONTEXT, label="") for before, after in pairs]

    right, wrong = (log_likelihood_slope(model, row) for row in rows(one.texts))
    clean = rows(one.texts)[0].row
    promised = []
    for number, word in flips:
        assert word != words[number]
        assert word != "home"
        changed = rows(render(number, word))[0].row
        places = [i for i in range(len(clean)) if clean[i] != changed[i]]
        assert len(clean) == len(changed)
        assert len(places) == 1
        at = places[0]
        promised.append(float((table[changed[at]] - table[clean[at]]) @ (right - wrong)[at]))
    assert promised == sorted(promised)
    assert promised[0] < 0


def test_random_words_change_one_token_and_differ(tiny, documents):
    """The control takes words at random in the places that flips take: others by another seed, never a barred one."""
    from harness.attacks.target import target
    from harness.attacks.victim import Slope, Words

    lm = subject(tiny, "gpt2", begins=False).lm
    view = TaskView(documents, lm, quiet)
    attack = Attack(name="r", search="random", candidates="tokens", severity=1.0, tries=2)
    one = target(0, view.sources(0, "en"), view.items[0].gold, attack, document="d")
    verdict = view.judge([(0, one.texts)])[0]
    slope = Slope(query=one.texts, places={number: one.word(number) for number in range(len(one.sites))},
                  render=lambda number, word: one.text({number: Candidate(word)}), verdict=verdict, gold=one.gold,
                  forbidden=frozenset({"home"}), most=2)  # fmt: skip
    white, encoder = Gradient(view, lm), Encoder(lm.tokenizer)
    drawn = [white.words(0, Words(slope=slope, seed=seed)) for seed in range(8)]
    assert drawn[0] == white.words(0, Words(slope=slope, seed=0))
    assert len({tuple(one) for one in drawn}) > 1
    assert all([number for number, _ in flips].count(place) <= 2 for flips in drawn for place in slope.places)
    clean = encoder.pairs(view.requests(0, one.texts))[0]
    for number, word in {flip for flips in drawn for flip in flips}:
        assert word not in (one.word(number), "home")
        made = encoder.pairs(view.requests(0, slope.render(number, word)))[0]
        assert sum(a != b for a, b in zip(clean[0], made[0], strict=True)) == 1


def test_hotflip_attacks_a_real_model(tiny, documents):
    """The whole workload on a random model: queries within budget, gradients counted; quantised models are refused."""
    attack = Attack(name="h", search="hotflip", candidates="tokens", severity=0.5, tries=3)
    work = AttackedTask(task=documents, variation=attack)
    for sample in work.run(subject(tiny, "gpt_neox", begins=False), quiet).samples:
        assert 1 <= sample.metrics["queries"] <= sample.metrics["query_budget"]
        if sample.metrics["attacked"]:
            assert sample.metrics["queries"] > 2
    with pytest.raises(Unsupported, match="quantisation=int8"):
        work.run(subject(tiny, "gpt2", begins=False, quantisation="int8"), quiet)
    control = AttackedTask(task=documents, variation=attack.control())
    samples = control.run(subject(tiny, "gpt2", begins=False, quantisation="int8"), quiet).samples
    assert all(1 <= s.metrics["queries"] <= s.metrics["query_budget"] for s in samples)  # It needs no gradient.
