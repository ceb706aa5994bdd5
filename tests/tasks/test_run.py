"""Tasks from file to outcome on a tiny real model."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harness.config import construct
from harness.scoring.options import Scoring
from harness.tasks.own import OwnData
from harness.tasks.spec import Task

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.models.subject import Subject
    from harness.records import Outcome

WORDS = ["good cat", "bad mat", "the best answer", "a sad question", "fine", "awful or bad", "nice", "poor"]
CONF = Path(__file__).parents[2] / "conf" / "task"


def quiet(_phase: str, _done: int, _total: int) -> None:
    """Progress that is not shown."""


def value(outcome: Outcome, metric: str, subset: str = "") -> float:
    """The value of one measurement."""
    return next(m.value for m in outcome.measurements if (m.metric, m.subset) == (metric, subset))


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 40 reviews as JSONL and CSV, three quarters of them positive."""
    monkeypatch.chdir(tmp_path)
    items = [
        {"text": f"{WORDS[i % 8]} {i}", "label": "bad" if i % 4 == 0 else "good", "answer": WORDS[i % 3], "n": i}
        for i in range(40)
    ]
    Path("r.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    with Path("r.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, items[0])
        writer.writeheader()
        writer.writerows(items)
    return tmp_path


def own(file: str, **change: Any) -> Task:
    """A classification of the reviews."""
    data = OwnData(file=file, template="Review: {text}\nVerdict:", target="label", choices=["bad", "good"])
    return Task(**{"name": "r", "kind": "classification", "metrics": ["acc"], "data": data, **change})


@pytest.mark.usefixtures("reviews")
def test_own_jsonl_and_csv_are_the_same_task(tiny: Subject) -> None:
    """The same rows give the same prompts, answers and numbers, whatever the file."""
    first, second = (own(file, shots=2).run(tiny, quiet) for file in ("r.jsonl", "r.csv"))
    assert first.samples == second.samples
    assert len(first.samples) == 40
    assert first.samples[0].prompt.endswith("\n\nReview: good cat 0\nVerdict:")
    assert value(first, "acc") == pytest.approx(sum(s.gold == s.pred for s in first.samples) / 40)
    counts = Counter((s.gold, s.pred) for s in first.samples)
    assert value(first, "confusion", "gold=bad,pred=good") == counts["bad", "good"]
    assert value(first, "requests") == 80
    for metric in ("balanced_accuracy", "precision_macro", "recall_macro", "f1_macro", "mcc", "majority_share"):
        assert -1 <= value(first, metric) <= 1
    assert {m.unit for m in first.measurements if m.metric == "throughput"} == {"tok/s"}
    assert value(first, "seconds") > 0
    assert value(first, "peak_host_bytes") > 0


@pytest.mark.usefixtures("reviews")
def test_shared_rows_count_once_in_the_throughput(tiny: Subject) -> None:
    """Options of one token share their prompt's row, prompts may share their beginning: computed once, or less."""
    words = [token[1:] for token in sorted(tiny.tokenizer.get_vocab()) if token[0] == "Ġ" and token[1:].isalpha()]
    data = OwnData(file="r.jsonl", template="Review: {text}\nVerdict:", target="n", choices=words[:4])
    Path("r.jsonl").write_text("".join(Path("r.jsonl").read_text().splitlines(keepends=True)[:4]))
    outcome = own("r.jsonl", kind="multiple_choice", data=data).run(tiny, quiet)
    rows = [tuple(tiny.tokenizer(sample.prompt).input_ids) for sample in outcome.samples]
    tokens, least = sum(map(len, rows)), len({row[: i + 1] for row in rows for i in range(len(row))})
    assert [sample.tokens for sample in outcome.samples] == [(1, 1, 1, 1)] * 4
    assert value(outcome, "prompt_tokens") == 4 * tokens
    assert least <= value(outcome, "computed_tokens") <= tokens
    rate = value(outcome, "computed_tokens") / value(outcome, "seconds")
    assert value(outcome, "throughput") == pytest.approx(rate)


def test_a_perplexity_too_large_for_a_number_is_left_out(tiny: Subject, reviews: Path) -> None:
    """One word of four hundred letters; the reader is told, and the other numbers stay."""
    (reviews / "long.jsonl").write_text(json.dumps({"text": "xq" * 200}) + "\n")
    data = OwnData(file="long.jsonl", template="{text}")
    wanted = ["word_perplexity", "bits_per_byte"]
    outcome = Task(name="l", kind="language_modelling", metrics=wanted, data=data).run(tiny, quiet)
    assert outcome.measurements[0].metric == "bits_per_byte"
    assert "word_perplexity is left out: it is too large for a number." in outcome.warnings


@pytest.mark.usefixtures("reviews")
def test_prompts_do_not_depend_on_limit_or_order(tiny: Subject) -> None:
    """Under any limit, and with the file turned round, a document keeps its id and every character of its prompt."""
    whole = {s.item_id: s.prompt_hash for s in own("r.jsonl", shots=3).run(tiny, quiet).samples}
    assert len(whole) == len(set(whole.values())) == 40
    seen: set[str] = set()
    for limit in (5, 12, 40):
        part = {s.item_id: s.prompt_hash for s in own("r.jsonl", shots=3, limit=limit).run(tiny, quiet).samples}
        assert len(part) == limit
        assert part.items() <= whole.items()
        assert seen <= set(part)
        seen = set(part)
    Path("r.jsonl").write_text("\n".join(reversed(Path("r.jsonl").read_text().splitlines())))
    turned = own("r.jsonl", shots=3).run(tiny, quiet)
    assert {s.item_id: s.prompt_hash for s in turned.samples} == whole
    other = own("r.jsonl", shots=3, seed=1).run(tiny, quiet)
    assert {s.item_id: s.prompt_hash for s in other.samples} != whole


@pytest.mark.usefixtures("reviews")
def test_limit_keeps_the_labels_in_proportion_and_is_said(tiny: Subject) -> None:
    """Eight of forty documents hold two of the ten negative ones; the record says that a limit is in force."""
    outcome = own("r.jsonl", limit=8).run(tiny, quiet)
    assert Counter(s.gold for s in outcome.samples) == {"bad": 2, "good": 6}
    assert "Scored 8 of 40 documents: a limit is in force." in outcome.warnings
    assert (outcome.facts["documents"], outcome.facts["available"]) == (8, 40)
    larger = own("r.jsonl", limit=400).run(tiny, quiet)
    assert not any("limit" in warning for warning in larger.warnings)
    assert (larger.facts["limit"], larger.facts["documents"]) == (400, 40)


@pytest.mark.usefixtures("reviews")
def test_generation_has_text_metrics_of_its_own(tiny: Subject) -> None:
    """Exact match by lm-eval, the rest by us; a reply is the reference if the stop text says so."""
    data = OwnData(file="r.jsonl", template="{text} is", target="answer")
    metrics = ["exact_match", "f1", "bleu", "chrf", "rouge1", "rougeL"]
    task = Task(name="g", kind="generation", metrics=metrics, data=data, max_new_tokens=5, limit=6)
    outcome = task.run(tiny, quiet)
    assert [m.metric for m in outcome.measurements][:6] == metrics
    assert 0 < value(outcome, "generated_tokens") <= 30
    assert set(outcome.samples[0].metrics) == {"exact_match", "f1", "rouge1", "rougeL"}
    assert outcome.samples[0].gold in WORDS[:3]


@pytest.mark.usefixtures("reviews")
def test_whole_texts_and_last_words(tiny: Subject) -> None:
    """Language modelling by bits per byte, and by predicting a target."""
    text = OwnData(file="r.jsonl", template="{text}. {answer}!")
    outcome = Task(name="l", kind="language_modelling", metrics=["bits_per_byte"], data=text).run(tiny, quiet)
    bits = sum(-s.logprobs[0] for s in outcome.samples) / sum(s.metrics["bytes"] for s in outcome.samples)
    assert value(outcome, "bits_per_byte") == pytest.approx(bits / 0.6931471805599453)
    assert {m.unit for m in outcome.measurements if m.metric == "bits_per_byte"} == {"bit/B"}
    word = OwnData(file="r.jsonl", template="The {text} is", target="answer")
    outcome = Task(name="w", kind="language_modelling", metrics=["acc", "perplexity"], data=word).run(tiny, quiet)
    assert outcome.samples[0].options == ("good cat",)
    with pytest.raises(ValueError, match="whole texts are scored without examples"):
        Task(name="l", kind="language_modelling", metrics=["bits_per_byte"], data=text, shots=1).run(tiny, quiet)


def test_empty_texts_weigh_nothing(tmp_path: Path, tiny: Subject) -> None:
    """A document without text counts as a document and changes no figure."""
    file = tmp_path / "t.jsonl"
    file.write_text('{"text": "the cat"}\n')
    task = Task(
        name="e",
        kind="language_modelling",
        metrics=["bits_per_byte"],
        data=OwnData(file=str(file), template="{text}"),
    )
    one = task.run(tiny, quiet)
    file.write_text('{"text": "the cat"}\n{"text": ""}\n')
    two = task.run(tiny, quiet)
    assert value(one, "bits_per_byte") == pytest.approx(value(two, "bits_per_byte"))
    assert "bits_per_byte" not in two.samples[1].metrics


@pytest.mark.usefixtures("reviews")
def test_one_answer_for_all_is_called_out(tiny: Subject) -> None:
    """A model that always says the same at the level of guessing gets two sentences."""
    data = OwnData(file="r.jsonl", template="{text}", target="n", choices=["x", "y " * 30])
    Path("r.jsonl").write_text("".join(json.dumps({"text": f"t{i}", "n": i % 2}) + "\n" for i in range(30)))
    outcome = Task(name="o", kind="classification", metrics=["acc"], data=data).run(tiny, quiet)
    assert any(warning.startswith("acc 0.500 cannot be told from guessing (0.500)") for warning in outcome.warnings)
    assert "One answer ('x') takes 100% of the predictions." in outcome.warnings


@pytest.mark.usefixtures("reviews")
def test_truncated_prompts_are_counted(tiny: Subject) -> None:
    """Prompts longer than the context are cut on the left, counted and said."""
    rows = [{"text": "word " * (400 if i < 2 else 3) + str(i), "label": i % 2} for i in range(5)]
    Path("r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    outcome = own("r.jsonl").run(tiny, quiet)
    assert sum(s.truncated for s in outcome.samples) == 2
    assert any(warning.startswith("2 of 5 prompts were cut on the left") for warning in outcome.warnings)


@pytest.mark.usefixtures("reviews")
def test_unknown_metric_is_refused_before_the_model_is_asked(tiny: Subject) -> None:
    """The nearest metric is named."""
    with pytest.raises(ValueError, match="metric 'acc_nrom' is not among its metrics: did you mean 'acc_norm'"):
        own("r.jsonl", metrics=["acc_nrom"]).run(tiny, quiet)


def local(folder: Path, name: str, extra: str = "") -> None:
    """A local YAML over eight documents."""
    (folder / f"{name}.jsonl").write_text("".join(json.dumps({"q": f"{name} {w}", "a": w}) + "\n" for w in WORDS))
    (folder / f"{name}.yaml").write_text(
        f"""task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{q}}}}"
doc_to_choice: "{{{{['fine', a]}}}}"
doc_to_target: 1
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
{extra}"""
    )


def test_examples_that_a_yaml_lists_are_used(tmp_path: Path, tiny: Subject) -> None:
    """`samples` in the YAML: the first ones, for every document."""
    listed = "fewshot_config: {samples: [{q: one, a: x}, {q: two, a: y}, {q: three, a: z}]}"
    local(tmp_path, "listed", listed)
    task = Task(name="t", kind="multiple_choice", source=str(tmp_path / "listed.yaml"), shots=2, metrics=["acc"])
    outcome = task.run(tiny, quiet)
    assert all(s.prompt.startswith("one x\n\ntwo y\n\nlisted ") for s in outcome.samples)
    assert outcome.facts["fewshot"] == "listed"


def test_a_group_is_pooled_and_split(tmp_path: Path, tiny: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group has one value over all documents and one per sub-task; samples say where they belong."""
    from harness.tasks import index

    local(tmp_path, "north")
    local(tmp_path, "south")
    (tmp_path / "g.yaml").write_text("group: both\ntask: [north, {group: inner, task: [south]}]\n")
    monkeypatch.setattr(index, "entries", lambda: index.build(tmp_path))
    monkeypatch.setattr(index, "folder", lambda: tmp_path)
    outcome = Task(name="t", kind="multiple_choice", source="both", metrics=["acc"]).run(tiny, quiet)
    assert Counter(s.subset for s in outcome.samples) == {"north": 8, "south": 8}
    parts = [value(outcome, "acc", f"task={name}") for name in ("north", "south")]
    assert value(outcome, "acc") == pytest.approx(sum(parts) / 2)
    limited = Task(name="t", kind="multiple_choice", source="both", metrics=["acc"], limit=6).run(tiny, quiet)
    assert Counter(s.subset for s in limited.samples) == {"north": 3, "south": 3}


def test_a_data_set_out_of_reach_is_one_line(tiny: Subject) -> None:
    """Without the hub a task of lm-eval ends in one sentence, not in a traceback."""
    with pytest.raises(
        ValueError, match=r"dataset nyu-mll/glue/sst2 of task sst2 could not be loaded: .*hub reachable"
    ):
        Task(name="sst2", kind="classification", source="sst2", metrics=["acc"]).run(tiny, quiet)


def test_a_template_that_fails_late_is_one_line(tmp_path: Path, tiny: Subject) -> None:
    """What only lm-eval can see is one line too: an unknown key, a function that is not there."""
    local(tmp_path, "late", "docs_to_text: x\n")
    task = Task(name="t", kind="multiple_choice", source=str(tmp_path / "late.yaml"), metrics=["acc"])
    with pytest.raises(ValueError, match="unknown key 'docs_to_text': did you mean 'doc_to_text'"):
        task.run(tiny, quiet)
    local(tmp_path, "late", "process_docs: !function nowhere.f\n")
    with pytest.raises(ValueError, match="its Python cannot be imported"):
        task.run(tiny, quiet)


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_tasks_construct_and_name_what_exists(path: Path) -> None:
    """Every task of conf/ constructs, carries its file's name, and its source is found."""
    from harness.tasks import sources

    node = yaml.safe_load(path.read_text())
    task = construct(node, where=path.stem)
    assert task.name == path.stem
    assert path.read_text().startswith(f"# @package task.{path.stem}\n")
    assert sources.leaves(task.source)


@pytest.mark.parametrize("name", ["sst2", "piqa", "arc_easy", "copa", "boolq", "hellaswag", "lambada", "gsm8k"])
def test_local_tasks_run(name: str, harness_data: Path, tiny: Subject) -> None:
    """The tasks over a data folder pass their check and run; forecasts are right."""
    node = yaml.safe_load((CONF / f"local-{name}.yaml").read_text())
    task = construct({**node, "limit": 3, "shots": min(node["shots"], 1)}, where=name)
    if task.kind == "generation":
        task = construct({**node, "limit": 3, "shots": 1, "max_new_tokens": 4}, where=name)
    task.check()
    outcome = task.run(tiny, quiet)
    assert len(outcome.samples) == 3
    assert task.forecast() == {"documents": 3, "requests": value(outcome, "requests")}
    assert harness_data.is_dir()


def test_wikitext_is_cut_into_articles(harness_data: Path, tiny: Subject) -> None:
    """The one text of the file becomes its 60 articles, nothing lost."""
    from harness.tasks.definitions.local.articles import articles

    text = json.loads((harness_data / "wikitext2_test.jsonl").read_text())["text"]
    assert "".join(articles(text)) == text
    node = yaml.safe_load((CONF / "local-wikitext2.yaml").read_text())
    outcome = construct({**node, "limit": 2}, where="wikitext2").run(tiny, quiet)
    assert outcome.facts["available"] == 60
    assert value(outcome, "bits_per_byte") > 0


@pytest.fixture
def plain(tiny: Subject) -> Iterator[Subject]:
    """The tiny subject, scored as by default again afterwards."""
    yield tiny
    tiny.lm.configure(Scoring())


@pytest.mark.usefixtures("reviews")
def test_how_it_was_scored_is_in_the_outcome(plain: Subject) -> None:
    """The layout in force, the check against the reference, and how much was computed, as JSON."""
    plain.lm.configure(Scoring(layout="reference"))
    facts = own("r.jsonl", limit=5).run(plain, quiet).facts["scoring"]
    assert (facts["layout"], facts["requests"]) == ("reference", 10)
    plain.lm.configure(Scoring())
    facts = own("r.jsonl", limit=5).run(plain, quiet).facts["scoring"]
    assert facts["layout"] != "reference"
    assert 0 <= facts["difference"] <= facts["tolerance"]
    assert json.dumps(facts)


@pytest.mark.usefixtures("reviews")
def test_an_audit_is_measured(plain: Subject) -> None:
    """What re-scoring some documents in float32 found becomes numbers, over so many documents."""
    plain.lm.configure(Scoring(precision_audit=3))
    found = {m.metric: m for m in own("r.jsonl").run(plain, quiet).measurements}
    assert 0 <= found["audit_max_difference"].value < 1e-3
    assert (found["audit_flips"].value, found["audit_flips"].n, found["audit_max_difference"].n) == (0, 3, 3)
    plain.lm.configure(Scoring())
    assert not [m for m in own("r.jsonl").run(plain, quiet).measurements if m.metric.startswith("audit")]


@pytest.mark.usefixtures("reviews")
def test_only_what_the_likeliest_option_decides_is_screened(plain: Subject) -> None:
    """Accuracy needs no more than the best option; a task that looks at probabilities is scored in full and says so."""
    screened = Scoring(screened=True)
    plain.lm.configure(screened)
    outcome = own("r.jsonl").run(plain, quiet)
    assert outcome.facts["scoring"]["screened"]["documents"] == 40
    assert any(warning.startswith("screened: ") for warning in outcome.warnings)
    Path("brier.yaml").write_text(
        "task: brier\ndataset_path: json\ndataset_kwargs: {data_files: {test: r.jsonl}}\ntest_split: test\n"
        "output_type: multiple_choice\ndoc_to_text: 'Review: {{text}}'\ndoc_to_target: label\n"
        "doc_to_choice: [bad, good]\nmetric_list:\n  - metric: brier_score\n  - metric: acc\n"
    )
    for metrics, full in ((["brier_score"], True), (["acc"], False)):
        plain.lm.configure(screened)
        task = Task(name="b", kind="multiple_choice", source="brier.yaml", metrics=metrics)
        outcome = task.run(plain, quiet)
        assert ("screened" not in outcome.facts["scoring"]) == full
        assert any(warning.startswith("not screened") for warning in outcome.warnings) == full
