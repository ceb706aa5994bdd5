"""One task in three protocols, on a model of this machine and behind a real server on loopback."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import cli
from harness.compose import plans, rewrite
from harness.config import ConfigError
from harness.devices import Device
from harness.models.spec import ModelSpec
from harness.models.subject import Subject, load
from harness.nodes import node
from harness.records import Outcome, Unsupported
from harness.tasks.spec import Task

pytest.importorskip("openai", reason="needs the extra [api]")

from harness.models.api.spec import ApiSpec
from harness.models.api.subject import ApiSubject, connect, rehearse
from harness.tasks import run
from harness.tasks.load import load as load_task
from harness.tasks.option_order import Shifted
from harness.tasks.protocol import Lettered

API = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "models" / "api_server.py")))
CPU = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=8, memory=2**33)
FAST = {"backoff": 0.01, "longest": 0.02, "attempts": 2, "breaker": 100}


def _silent(_phase: str, _done: int, _total: int) -> None:
    """No progress."""


@pytest.fixture(scope="module")
def zoo() -> Subject:
    """A model of the zoo."""
    return load(ModelSpec(name="m", family="gpt2", source="zoo:mini-gpt2-s"), CPU, _silent)


def api(server: Any, **fields: Any) -> ApiSubject:
    """A server's model; by its chat endpoint, unless said otherwise."""
    fields = {"endpoint": "chat", "rules": {"top_logprobs": 5, "prefix": "<|endoftext|>"}, **fields}
    spec = ApiSpec(name="m", model="tiny", base_url=server.base_url, key="", pacing=FAST, **fields)
    return connect(spec, spec.elsewhere, _silent)


def sentiment(protocol: str, **fields: Any) -> Task:
    """The zoo's classification task, of 12 documents."""
    fields = {"limit": 12, "metrics": ["acc"], **fields}
    return Task(name="s", kind="classification", source="zoo/sentiment.yaml", protocol=protocol, **fields)


def story(protocol: str, **fields: Any) -> Task:
    """The zoo's task with 4 options that differ in every document."""
    fields = {"limit": 16, "metrics": ["acc_norm"], **fields}
    return Task(name="t", kind="multiple_choice", source="zoo/story.yaml", protocol=protocol, **fields)


def values(outcome: Outcome) -> dict[str, float]:
    """Measurements by metric and subset."""
    return {f"{one.metric} {one.subset}".strip(): one.value for one in outcome.measurements}


def shown(prompt: str) -> dict[str, str]:
    """The options that the end of a prompt lists, by letter."""
    return dict(re.findall(r"^([A-Z])\. (.+)$", prompt.rsplit("\n\n", 1)[-1], re.MULTILINE))


class Scripted(API.Server):
    """A chat server that says what a function of the prompt says."""

    def __init__(self, said: Any) -> None:
        self.said = said
        super().__init__()

    def continued(self, prompt: str, body: dict[str, Any], new: int) -> dict[str, Any]:
        """The scripted answer."""
        return {**super().continued(prompt, body, new), "text": self.said(prompt)}


@pytest.mark.parametrize("protocol", ["likelihood", "letter", "generate"])
def test_a_server_and_the_same_model_here_agree_in_every_protocol(zoo: Subject, protocol: str) -> None:
    """Prompts, predictions and log-probabilities; the server gives one alternative, so letters are echoed."""
    here = story(protocol, limit=8).run(zoo, _silent)
    with API.Server(zoo) as server:
        subject: Any = api(server, endpoint="completions", tokenizer="zoo:mini-gpt2-s", context=256)
        there = story(protocol, limit=8).run(subject, _silent)
    assert [s.prompt_hash for s in there.samples] == [s.prompt_hash for s in here.samples]
    assert [s.pred for s in there.samples] == [s.pred for s in here.samples]
    for one, other in zip(here.samples, there.samples, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-3)
    assert there.facts["protocol"] == protocol
    assert there.facts["chat"] == "off"


def test_options_are_drawn_into_places_and_samples_keep_their_own_order(zoo: Subject) -> None:
    """The letter that is right stands before the right text; places vary; a run again is the same."""
    outcome = story("letter").run(zoo, _silent)
    clean = {s.item_id: s for s in story("likelihood").run(zoo, _silent).samples}
    places = set[float]()
    for sample in outcome.samples:
        listed = shown(sample.prompt)
        assert sample.options == clean[sample.item_id].options
        assert sample.gold == clean[sample.item_id].gold
        assert sorted(listed.values()) == sorted(option.strip() for option in sample.options)
        places.add(sample.metrics["gold_position"])
        assert listed["ABCD"[int(sample.metrics["gold_position"])]] == sample.gold
        assert listed["ABCD"[int(sample.metrics["pred_position"])]] == sample.pred
        best = max(range(4), key=lambda number: sample.logprobs[number])
        assert sample.options[best].strip() == sample.pred
    assert len(places) > 1
    assert story("letter").run(zoo, _silent).samples == outcome.samples


def test_examples_are_asked_and_answered_by_letter(zoo: Subject) -> None:
    """The prompt ends in the task's own cue, and each example in the letter of its label."""
    prompt = sentiment("letter", shots=2).run(zoo, _silent).samples[0].prompt
    examples = prompt.split("\n\n")
    assert prompt.startswith("Answer with the letter of one option.")
    assert prompt.endswith("\nSentiment:")
    assert sum(bool(re.search(r"\nSentiment: [AB]$", one)) for one in examples) == 2


def test_options_that_the_task_lists_itself_are_not_listed_twice(zoo: Subject, tmp_path: Path) -> None:
    """The task's own prompt with its options in other places; one that speaks of others leaves them where they are."""
    rows = [
        {"q": f"Which is {n}?", "a": f"it is {n}", "b": f"it is {n + 1}", "gold": 0, "end": "it is none"}
        for n in range(12)
    ]
    rows.append({"q": "Which is odd?", "a": "one", "b": "two", "gold": 0, "end": "none of the above"})
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.yaml").write_text(
        "task: own\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_choice: [A, B, C]\ndoc_to_target: gold\n"
        'doc_to_text: "{{q}}\\nA. {{a}}\\nB. {{b}}\\nC. {{end}}\\nAnswer:"\nmetric_list: [{metric: acc}]\n'
    )
    task = Task(name="o", kind="multiple_choice", source=str(tmp_path / "own.yaml"), metrics=["acc"], protocol="letter")
    samples = task.run(zoo, _silent).samples
    assert {s.gold for s in samples} == {"A"}
    assert all(s.options == ("A", "B", "C") and s.prompt.count("\nB. ") == 1 for s in samples)
    places = [int(s.metrics["gold_position"]) for s in samples]
    assert set(places[:-1]) == {0, 1, 2}
    assert places[-1] == 0
    for number, (sample, place) in enumerate(zip(samples[:-1], places[:-1], strict=True)):
        assert shown(sample.prompt)["ABC"[place]] == f"it is {number}"


def test_options_that_begin_a_text_are_listed_with_its_end(zoo: Subject, tmp_path: Path) -> None:
    """As Winogrande's: no question, whole sentences; options, right answers and ids are those of likelihood."""
    rows = [
        {"a": f"Anna thanked Mary, since Anna{n}", "b": f"Anna thanked Mary, since Mary{n}", "end": "had helped.",
         "gold": n % 2}
        for n in range(8)
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "own.yaml").write_text(
        "task: own\ndataset_path: json\ndataset_kwargs: {data_files: {test: rows.jsonl}}\ntest_split: test\n"
        "fewshot_split: test\noutput_type: multiple_choice\ndoc_to_text: gold\ndoc_to_target: '{{end}}'\n"
        "doc_to_choice: '{{[a, b]}}'\nmetric_list: [{metric: acc}]\n"
    )
    asked = {"name": "o", "kind": "multiple_choice", "source": str(tmp_path / "own.yaml"), "metrics": ["acc"]}
    clean = Task(**asked).run(zoo, _silent).samples
    for shots in (0, 2):
        samples = Task(**asked, protocol="letter", shots=shots).run(zoo, _silent).samples
        assert [(s.item_id, s.gold, s.options) for s in samples] == [(s.item_id, s.gold, s.options) for s in clean]
        for sample in samples:
            listed = shown(sample.prompt)
            assert set(listed.values()) == {f"{option.strip()} had helped." for option in sample.options}
            assert listed["AB"[int(sample.metrics["gold_position"])]] == f"{sample.gold} had helped."
        assert samples[0].prompt.count("had helped.") == 2 * (shots + 1)
    assert {s.gold.rpartition(" ")[2][:4] for s in clean} == {"Anna", "Mary"}
    with Scripted(lambda prompt: next((t for t in shown(prompt).values() if "since Mary" in t), "?")) as server:
        subject: Any = api(server)
        samples = Task(**asked, protocol="generate").run(subject, _silent).samples
    assert {"Mary" in s.pred for s in samples} == {True}
    assert sum(s.metrics["acc"] for s in samples) == 4


def test_a_plan_asks_in_every_protocol_and_knows_no_device_or_budget_of_an_api() -> None:
    """Cells are the same on another machine and under another budget, so that nobody pays twice."""
    asked = ["model=gpt-4o", "task=[zoo-sentiment,zoo-list]", "protocol=letter,generate"]
    plan, richer = plans(rewrite(asked))[0], plans(rewrite([*asked, "model.budget_usd=5"]))[0]
    assert [c.spec["workload"].get("protocol") for c in plan.cells] == ["letter", "generate", None]
    assert {c.spec["device"]["kind"] for c in plan.cells} == {"api"}
    assert [c.id for c in richer.cells] == [c.id for c in plan.cells]
    assert richer.aside["budget_usd"] == 5
    with pytest.raises(ConfigError, match="protocol='leter'"):
        plans([*asked[:2], "protocol=leter"])


@pytest.mark.slow
def test_a_budget_stops_a_study_that_goes_on_without_paying_twice(tmp_path: Path) -> None:
    """By the command itself: cells are not run, no failure; then all are done, and no request was answered twice."""
    with API.Server() as server:
        words = [
            "run", "model=local_server", f"model.base_url={server.base_url}", "model.endpoint=chat", "limit=30",
            "task=[zoo-sentiment,zoo-topic]", "protocol=letter", "study=s", f"results={tmp_path}",
        ]  # fmt: skip
        assert cli.main([*words, "model.budget_tokens=1200"]) == 0
        told = [json.loads(p.read_text()) for p in (tmp_path / "s" / "records").rglob("*.json")]
        assert "not_run" in {one["status"] for one in told}
        assert any("the same command goes on from there" in one["error"] for one in told)
        assert cli.main(words) == 0
        told = [json.loads(p.read_text()) for p in (tmp_path / "s" / "records").rglob("*.json")]
        assert [one["status"] for one in told] == ["ok", "ok"]
        repeated = [body for body, count in server.answered.items() if count > 1]
    assert all("capital of France" in body for body in repeated)  # what is asked before each run


def test_position_bias_shows_as_recall_by_place() -> None:
    """A model that always says B is right where B is right, and nowhere else."""
    with API.Server() as server:
        subject: Any = api(server)
        found = values(sentiment("letter").run(subject, _silent))
    assert (found["recall position=A"], found["recall position=B"]) == (0.0, 1.0)
    assert (found["chosen position=A"], found["chosen position=B"]) == (0.0, 1.0)
    assert found["unparsed"] == 0.0


def test_free_answers_are_read_or_counted_for_what_they_are() -> None:
    """Right letters, refusals and chatter; no class of its own in the macro means."""

    def said(prompt: str) -> str:
        listed = shown(prompt)
        if "hotel" in prompt:
            return "I'm sorry, but I can't judge that."
        if "food" in prompt:
            return "Well, hard to say."
        return "The answer is {}.".format(next((k for k, text in listed.items() if text == "positive"), "unknown"))

    with Scripted(said) as server:
        subject: Any = api(server)
        outcome = sentiment("generate", limit=60).run(subject, _silent)
    found, samples = values(outcome), outcome.samples
    refused = sum("hotel" in s.prompt for s in samples)
    lost = sum("hotel" not in s.prompt and "food" in s.prompt for s in samples)
    assert refused
    assert lost
    assert found["refusal"] == pytest.approx(refused / 60)
    assert found["unparsed"] == pytest.approx(lost / 60)
    assert {s.pred for s in samples} == {"(refusal)", "(unparsed)", "positive"}
    assert {"confusion gold=negative,pred=(unparsed)", "recall class=positive"} <= set(found)
    assert "recall class=(unparsed)" not in found
    kept = [s for s in samples if s.pred == "positive"]
    assert found["acc"] == pytest.approx(sum(s.gold == "positive" for s in kept) / 60)
    assert found["acc_parsed"] == pytest.approx(sum(s.gold == "positive" for s in kept) / len(kept))
    assert outcome.facts["chat"] == "on (by the endpoint)"
    assert any("answers decline to choose" in line for line in outcome.warnings)


def test_an_answer_may_begin_with_empty_lines() -> None:
    """It is not cut before it begins; behind examples, where answers follow at once, the next example is."""

    def said(prompt: str) -> str:
        return "\n\nB. " + shown(prompt).get("B", "?") + "\n\nAnd so on."

    with Scripted(said) as server:
        subject: Any = api(server)
        outcome = sentiment("generate").run(subject, _silent)
        sentiment("generate", shots=1).run(subject, _silent)
    assert {s.metrics["pred_position"] for s in outcome.samples} == {1.0}
    asked = [body for body in server.bodies if "Sentiment:" in str(body)]
    assert [body.get("stop") for body in (asked[0], asked[-1])] == [None, ["\n\n"]]


def test_an_empty_answer_is_an_answer_that_names_nothing() -> None:
    """Neither missing nor a refusal: unparsed, and wrong."""
    with Scripted(lambda _: "") as server:
        subject: Any = api(server)
        found = values(sentiment("generate").run(subject, _silent))
    assert (found["unparsed"], found["refusal"], found["missing"], found["acc"]) == (1.0, 0.0, 0.0, 0.0)


def test_a_failed_call_is_no_wrong_answer_and_bounds_the_accuracy() -> None:
    """Documents without an answer are left out, counted, and between which values the whole lies is said."""
    with API.Server(refuse=lambda body: (400, "no", "bad") if "hotel" in str(body) else None) as server:
        subject: Any = api(server)
        outcome = sentiment("letter", limit=40).run(subject, _silent)
    found = values(outcome)
    missing = int(found["missing"])
    right = sum(s.metrics["acc"] for s in outcome.samples)
    assert 0 < missing < 40
    assert len(outcome.samples) == 40 - missing
    assert not any("hotel" in s.prompt for s in outcome.samples)
    assert found["acc"] == pytest.approx(right / (40 - missing))
    assert (found["acc_least"], found["acc_most"]) == pytest.approx((right / 40, (right + missing) / 40))
    assert any(line.startswith(f"{missing} of 40 documents have no answer") for line in outcome.warnings)


def test_what_a_protocol_or_a_template_cannot_have_is_said_in_one_line(zoo: Subject) -> None:
    """Unsupported, with what works instead."""
    with API.Server() as server:
        subject: Any = api(server)
        for task, line in (
            (sentiment("likelihood"), r"likelihood needs .*; letter and generate work"),
            (sentiment("letter", chat="off"), "chat=off, but a chat endpoint"),
        ):
            with pytest.raises(Unsupported, match=line):
                task.run(subject, _silent)
    with pytest.raises(Unsupported, match="tokenizer has no chat template"):
        sentiment("letter", chat="on").run(zoo, _silent)
    with pytest.raises(Unsupported, match="draws an order of options"):
        Lettered(load_task(story("letter"), _silent)[0], story("letter"), Shifted(1))


def test_a_template_of_the_tokenizer_is_used_where_it_is_asked_for(zoo: Subject) -> None:
    """The answer begins right behind the template."""
    zoo.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<answer>"
    try:
        outcome = sentiment("letter", chat="on", limit=4).run(zoo, _silent)
    finally:
        zoo.tokenizer.chat_template = None
    assert all(s.prompt.startswith("<user>Answer") and s.prompt.endswith(":<answer>") for s in outcome.samples)
    assert outcome.facts["chat"] == "on (by the tokenizer's template)"


def test_a_protocol_is_part_of_a_task_only_where_it_is_not_the_default() -> None:
    """Older cells keep their identity; metrics of likelihoods become accuracy; texts have no options."""
    assert {"protocol", "chat"}.isdisjoint(node(sentiment("likelihood")))
    assert node(sentiment("letter"))["protocol"] == "letter"
    assert story("generate").metrics == ("acc",)
    with pytest.raises(ValueError, match="protocol=letter has no meaning for kind=generation"):
        Task(name="g", kind="generation", source="x", metrics=["f1"], protocol="letter")
    with pytest.raises(ValueError, match="protocol='leter'"):
        sentiment("leter")


def test_a_forecast_counts_what_would_be_asked_and_asks_nothing() -> None:
    """Without a key and without a server; letters take one request a document, likelihood one an option."""
    spec = ApiSpec(
        name="m", model="tiny", endpoint="completions", base_url="http://127.0.0.1:9/v1", key="NOT_SET_ANYWHERE",
        rules={"top_logprobs": 5}, prices={"input": 1.0, "output": 2.0, "date": "2025-11-04"},
    )  # fmt: skip
    found = {p: run.rehearse(story(p), rehearse(spec, spec.elsewhere)) for p in ("likelihood", "letter", "generate")}
    assert {p: one.requests for p, one in found.items()} == {"likelihood": 64, "letter": 16, "generate": 16}
    assert found["letter"].new_tokens == 16
    least, most = found["generate"].usd_least, found["generate"].usd_most
    assert least is not None
    assert most is not None
    assert 0 < least < most


def test_a_process_that_only_talks_to_an_api_does_not_import_torch() -> None:
    """From the spec to the outcome."""
    script = (
        "import json, sys\n"
        "from harness import worker\n"
        "from harness.models.api.spec import ApiSpec\n"
        "from harness.models.api.subject import connect\n"
        "from harness.tasks.spec import Task\n"
        "silent = lambda *_: None\n"
        "spec = ApiSpec(name='m', model='tiny', base_url=sys.argv[1], key='', rules={'top_logprobs': 5})\n"
        "task = Task(name='s', kind='classification', source='zoo/sentiment.yaml', metrics=['acc'], limit=4,"
        " protocol='letter')\n"
        "outcome = task.run(connect(spec, spec.elsewhere, silent), silent)\n"
        "print(json.dumps([len(outcome.samples), 'torch' in sys.modules]))\n"
    )
    with API.Server() as server:
        done = subprocess.run(
            [sys.executable, "-c", script, server.base_url], capture_output=True, text=True, check=False, timeout=120
        )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [4, False]
