"""An API model answers tasks as a local one does: the same log-probabilities, the same texts, or a clear refusal."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("openai", reason="needs the extra [api]")

from harness.devices import Device
from harness.models.api.answers import FirstToken, Missing
from harness.models.api.spec import ApiSpec
from harness.models.api.subject import connect, rehearse
from harness.records import Unsupported

API = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("api_server.py"))))
CPU = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=4, memory=2**33)
PAIRS = [
    ("The dogs near the house", " are asleep."),
    ("The dogs near the house ", "is asleep."),
    ("A long story begins. Anna went to the market and", " bought two apples"),
    ("", "Anna went home."),
    ("It was", " a very, very good day!\nThe end"),
]


def silent(*_):
    """No progress."""


def spec(server, **fields):
    """A model of `server`, without waits."""
    pacing = {"backoff": 0.01, "longest": 0.05, "timeout": 20, **fields.pop("pacing", {})}
    given = {"name": "tiny", "model": "tiny", "key": "", "endpoint": "completions", "base_url": server.base_url}
    return ApiSpec(**{**given, "pacing": pacing, **fields})


def lm(server, **fields):
    """Ready to be asked."""
    model = connect(spec(server, **fields), CPU, silent).lm
    model.configure(None)
    return model


@pytest.fixture(scope="module")
def zoo():
    """The smallest model of the zoo, loaded here."""
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    return load(ModelSpec(name="mini", family="gpt2", source="zoo:mini-gpt2-s"), CPU, silent)


@pytest.fixture(scope="module")
def served(zoo):
    """The same model behind a server."""
    with API.Server(zoo) as server:
        yield server


def zoo_fields(zoo):
    """What the spec of the served model says of it."""
    return {"tokenizer": "zoo:mini-gpt2-s", "context": 256, "rules": {"prefix": zoo.tokenizer.eos_token}}


def test_scores_are_those_of_the_same_model_in_process(zoo, served):
    """Log-probability, greedy flag and token counts of every pair, over HTTP and not."""
    remote = lm(served, **zoo_fields(zoo)).score(PAIRS, silent)
    local = zoo.lm.score(PAIRS, silent)
    for ours, theirs in zip(remote, local, strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)
        assert (ours.greedy, ours.tokens, ours.prompt_tokens) == (theirs.greedy, theirs.tokens, theirs.prompt_tokens)


def test_no_prompt_is_kept(zoo, served, tmp_path):
    """An echo is stored as its numbers."""
    model = connect(spec(served, **zoo_fields(zoo)), CPU, silent, folder=tmp_path).lm
    model.configure(None)
    model.score(PAIRS[:2], silent)
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.jsonl"))
    assert kept.count("logprob") == 2
    assert "dogs" not in kept


def test_whole_texts_score_alike(zoo, served):
    """Short texts exactly; a text longer than the context in windows that predict every token once."""
    model, texts = lm(served, **zoo_fields(zoo)), ["Anna went home.", "The dogs bark. " * 3]
    for ours, theirs in zip(model.score_rolling(texts, silent), zoo.lm.score_rolling(texts, silent), strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)
    long = " ".join(f"Anna saw {n} dogs near the old house." for n in range(60))
    ours, theirs = model.score_rolling([long], silent)[0], zoo.lm.score_rolling([long], silent)[0]
    assert ours.tokens == theirs.tokens > 256
    assert ours.logprob == pytest.approx(theirs.logprob, rel=0.02)


def test_generation_is_that_of_the_same_model_in_process(zoo, served):
    """Greedy texts, cut at the same stops, whole or streamed."""
    requests = [("The dogs", {"max_gen_toks": 12, "until": ["."]}), ("Anna", {"max_gen_toks": 8, "until": ["\n"]})]
    local = [one.text for one in zoo.lm.generate(requests, silent)]
    for stream in (True, False):
        rules = {**zoo_fields(zoo)["rules"], "stream": stream}
        found = lm(served, **{**zoo_fields(zoo), "rules": rules}).generate(requests, silent)
        assert [one.text for one in found] == local
        assert [one.first_seconds is not None for one in found] == [stream, stream]


def test_prompts_too_long_are_cut_on_the_left_and_said_to_be(zoo, served):
    """As for a local model: the end of the prompt is what counts."""
    context = "Anna saw the dogs. " * 80
    found = lm(served, **zoo_fields(zoo)).score([(context, " The end")], silent)[0]
    assert (found.truncated, found.prompt_tokens + found.tokens <= 256) == (True, True)
    refusing = API.Server(
        refuse=lambda b: (400, "maximum context length is 9 tokens", "") if "dogs" in str(b) else None
    )
    with refusing as server:
        answers = lm(server).generate([(context, {}), ("Hi", {})], silent)
    assert isinstance(answers[0], Missing)
    assert (answers[0].kind, answers[1].text[:6]) == ("too_long", "answer")


def test_a_server_whose_values_are_shifted_gives_no_likelihood(zoo):
    """Log-probabilities that belong to the neighbouring token are found out before anything is scored."""
    with API.Server(zoo, shift=1) as server:
        model = lm(server, **zoo_fields(zoo))
        assert model.abilities.protocols == ("generate",)
        with pytest.raises(Unsupported, match="do not belong to its tokens"):
            model.score(PAIRS, silent)


def test_an_opening_begins_every_text_once(zoo, served):
    """A server that needs a beginning-of-text token gets it, and gives what the model gives behind that token."""
    token = zoo.tokenizer.eos_token
    fields = zoo_fields(zoo)
    model = lm(served, **{**fields, "rules": {**fields["rules"], "opening": token, "top_logprobs": 5}})
    pairs = [(context, after) for context, after in PAIRS if context]
    opened = [(token + context, after) for context, after in pairs]
    found = model.score([*pairs, *opened], silent)
    for ours, theirs in zip(found, zoo.lm.score([*opened, *opened], silent), strict=True):
        assert ours.logprob == pytest.approx(theirs.logprob, abs=1e-4)
    model.generate([(pairs[0][0], {"max_gen_toks": 2})], silent)
    assert all(body["prompt"].count(token) == 1 for body in served.bodies[-5:])


def test_a_chat_model_says_which_protocols_work():
    """One line that names model, reason and what works instead."""
    with API.Server() as server:
        model = lm(server, endpoint="chat", rules={"top_logprobs": 5})
        with pytest.raises(Unsupported, match=r"tiny at .* gives no .* which likelihood needs .*; letter and generate"):
            model.score(PAIRS, silent)
        with pytest.raises(Unsupported, match="generate works"):
            lm(server, endpoint="chat").first_tokens(["Which?"], silent)


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_letters_come_from_the_first_token(endpoint):
    """Spellings of a letter together, letters that are not among the likeliest without a value, and their bound."""
    with API.Server() as server:
        first = lm(server, endpoint=endpoint, rules={"top_logprobs": 5}).first_tokens(["Which?"], silent)[0]
    a, b, d = first.of(["A", "B", "D"])
    assert (a, d, first.bound) == (-1.5, None, -4.5)
    assert b > -0.5
    assert FirstToken().bound < -1e300


def test_equal_requests_are_sent_once_and_draws_are_not():
    """Without temperature one reply serves all; with it, the n-th equal request is the n-th draw with its own seed."""
    with API.Server() as server:
        model = lm(server)
        sent = len(server.bodies)
        model.generate([("Hi", {})] * 3, silent)
        assert len(server.bodies) - sent == 1
        model.generate([("Hi", {"temperature": 0.7})] * 3, silent)
    drawn = server.bodies[-3:]
    assert sorted(body["seed"] for body in drawn) == [0, 1, 2]


def test_payloads_follow_the_rules_of_the_model():
    """The limit's name and headroom, no temperature, no stops, the role of instructions, fields on top."""
    rules = {"limit": "max_completion_tokens", "temperature": False, "seed": False, "stops": 1, "system": "developer",
             "headroom": 100, "extra": {"reasoning_effort": "minimal"}}  # fmt: skip
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    with API.Server() as server:
        model = lm(server, endpoint="chat", rules=rules)
        answer = model.generate([(talk, {"max_gen_toks": 7, "until": ["\n", "xyz"]})], silent)[0]
        body = server.bodies[-1]
        assert "\n" not in answer.text
        assert (body["max_completion_tokens"], body["stop"], body["reasoning_effort"]) == (107, ["\n"], "minimal")
        assert not {"max_tokens", "temperature", "seed"} & set(body)
        assert [m["role"] for m in body["messages"]] == ["developer", "user"]
        assert any("draws" in line for line in model.cautions())
        lm(server, endpoint="chat", rules={"system": "none"}).generate([(talk, {})], silent)
        assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]


def test_a_rehearsal_costs_nothing_and_says_what_the_study_would(tmp_path):
    """Without key and network; replies that are kept are not counted again."""
    prices = {"input": 1.0, "output": 2.0, "date": "2025-01-01"}
    asks = [(f"question {n}", {"max_gen_toks": 10}) for n in range(5)]
    with API.Server() as server:
        given = spec(server, endpoint="chat", prices=prices, key="")
        study = connect(given, CPU, silent, folder=tmp_path).lm
        study.configure(None)
        study.generate(asks[:2], silent)
    dry = rehearse(given, CPU, folder=tmp_path).lm
    assert [isinstance(one, Missing) for one in dry.generate(asks, silent)] == [False] * 2 + [True] * 3
    found = dry.forecast()
    assert (found.requests, found.kept, found.new_tokens) == (3, 2, 30)
    assert found.usd_least < found.usd_most == pytest.approx((found.prompt_tokens + 2 * 30) / 1e6)
    assert "3 requests" in found.sentence
    assert "estimate" in found.sentence


def test_facts_say_what_was_asked_what_it_took_and_who_answered():
    """Usage as the endpoint counts it, cost at the given prices, forecast, names; all of it JSON."""
    prices = {"input": 1000.0, "output": 2000.0, "date": "2025-01-01"}
    with API.Server() as server:
        model = lm(server, endpoint="chat", prices=prices)
        model.generate([("one two three", {"max_gen_toks": 9})], silent)
        server.fingerprint = "fp_2"
        model.generate([("four five", {})], silent)
    facts = json.loads(json.dumps(model.facts()))["api"]
    assert facts["usage"] == {"prompt_tokens": 5, "new_tokens": 8, "cached_tokens": 0, "thought_tokens": 0,
                              "estimated": 0}  # fmt: skip
    assert facts["usd"] == pytest.approx((5 * 1000 + 8 * 2000) / 1e6)
    assert model.costs() == [("cost", facts["usd"], "USD")]
    assert (facts["forecast"][0]["requests"], facts["forecast"][0]["new_tokens"]) == (1, 9)
    assert (facts["models"], facts["fingerprints"]) == ({"tiny": 2}, {"fp_1": 1, "fp_2": 1})
    assert any("fp_1" in line and "fp_2" in line for line in model.cautions())
    assert facts["first_token_seconds"]["n"] == 2


def test_azures_older_addresses_name_the_model_and_the_version():
    """The deployment stands in the path, the version of the API behind it."""
    with API.Server() as server:
        fields = {"endpoint": "chat", "base_url": server.base_url.removesuffix("/v1"), "api_version": "2024-10-21"}
        model = lm(server, **fields)
        assert model.generate([("Hi", {})], silent)[0].text.startswith("answer")
    assert set(server.paths) == {"/openai/deployments/tiny/chat/completions?api-version=2024-10-21"}
