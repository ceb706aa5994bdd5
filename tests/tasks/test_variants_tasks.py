"""Variants of a prompt on real lm-eval tasks: this project's, lm-eval's own recipes over small data, own files."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harness.config import construct
from harness.records import Unsupported
from harness.scoring.answers import Scored
from harness.tasks import index, recipe, score
from harness.tasks.load import load
from harness.tasks.own import OwnData
from harness.tasks.perturbed import PerturbedTask
from harness.tasks.prompts import Prompter
from harness.tasks.run import documents_of
from harness.tasks.spec import Task
from harness.tasks.templates import compiled_once
from harness.tasks.variants import ExampleDraw, ExampleOrder, OptionOrder, PromptFormat, PromptVariant

if TYPE_CHECKING:
    from harness.models.subject import Subject
    from harness.records import Outcome, Sample

CONF = Path(__file__).parents[2] / "conf" / "task"
MOST = 20
"""Documents of a task that prompts are compared for."""
COLOURS = ["red", "blue", "green", "the dark\nyellow", "grey and white", "black", "a pale pink", "brown"]


def quiet(_phase: str, _done: int, _total: int) -> None:
    """Progress that is not shown."""


def leaf(name: str, **change: Any) -> Task:
    """A task of this project."""
    return construct({**yaml.safe_load((CONF / f"{name}.yaml").read_text()), **change}, where=name)


def rows(folder: Path, items: list[dict[str, Any]], name: str = "rows.jsonl") -> None:
    """A data file."""
    (folder / name).write_text("".join(json.dumps(item) + "\n" for item in items))


def theirs(folder: Path, file: str, items: list[dict[str, Any]], **change: Any) -> Task:
    """The recipe of an lm-eval task, over data of our own."""
    content = recipe.read(index.folder() / file)
    for key in ("dataset_path", "dataset_name", "training_split", "validation_split", "tag", "process_docs"):
        content.pop(key, None)
    rows(folder, items)
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}}, "test_split": "test"}
    merged = {"task": "theirs", **content, **data, "fewshot_split": "test"}
    (folder / "theirs.yaml").write_text(yaml.safe_dump(merged))
    fields = {"name": "theirs", "kind": "multiple_choice", "metrics": ["acc"], **change}
    return Task(**fields, source=str(folder / "theirs.yaml"))


def mmlu(folder: Path, **change: Any) -> Task:
    """MMLU's recipe: four options, listed behind letters that are the answers."""
    items = [
        {"question": f"Which is number {i}?", "choices": [COLOURS[(i + j) % 8] for j in range(4)], "answer": i % 4}
        for i in range(12)
    ]
    items[3]["choices"] = ["red", "blue", "both of the above", "none of the above"]
    return theirs(folder, "mmlu/default/_default_template_yaml", items, **change)


def commonsense(folder: Path) -> Task:
    """CommonsenseQA's recipe: five options in a list beside the list of their labels; the target is a letter."""
    texts = [[COLOURS[(i + 3 * j) % 8] for j in range(5)] for i in range(10)]
    items = [
        {
            "question": f"Which is {i}?",
            "choices": {"label": list("ABCDE"), "text": texts[i]},
            "answerKey": "ABCDE"[i % 5],
        }
        for i in range(10)
    ]
    return theirs(folder, "commonsense_qa/default.yaml", items)


def fields(folder: Path) -> Task:
    """Options in fields of their own, behind numbers that are the answers."""
    items = [
        {"q": f"Which is {i}?", **dict(zip("wxyz", COLOURS[i % 5 :], strict=False)), "gold": i % 4} for i in range(9)
    ]
    task = theirs(folder, "mmlu/default/_default_template_yaml", items)
    content = yaml.safe_load((folder / "theirs.yaml").read_text())
    content["doc_to_text"] = "{{q}}\n(1) {{w}} (2) {{x}} (3) {{y}} (4) {{z}}\nAnswer:"
    content |= {"doc_to_choice": ["1", "2", "3", "4"], "doc_to_target": "gold"}
    (folder / "theirs.yaml").write_text(yaml.safe_dump(content))
    return task


def texts(folder: Path) -> Task:
    """Options that are listed and are the answers themselves."""
    items = [{"q": f"Which is {i}?", "ones": [COLOURS[(i + j) % 8] for j in range(3)], "gold": i % 3} for i in range(9)]
    task = theirs(folder, "mmlu/default/_default_template_yaml", items)
    content = yaml.safe_load((folder / "theirs.yaml").read_text())
    content["doc_to_text"] = "{{q}}\n{% for one in ones %}- {{one}}\n{% endfor %}Answer:"
    content |= {"doc_to_choice": "ones", "doc_to_target": "{{ones[gold]}}"}
    (folder / "theirs.yaml").write_text(yaml.safe_dump(content))
    return task


def own(folder: Path, **change: Any) -> Task:
    """A user's own file, whose prompts are made before lm-eval sees them."""
    plain = [one for one in COLOURS if "\n" not in one]
    items = [
        {"q": f"Which is {i}?", **dict(zip("abc", plain[i % 5 :], strict=False)), "right": "ABC"[i % 3]}
        for i in range(9)
    ]
    rows(folder, items, "own.jsonl")
    template = "Question: {q}\nA. {a}\nB. {b}\nC. {c}\nAnswer:"
    data = OwnData(file=str(folder / "own.jsonl"), template=template, target="right", choices=["A", "B", "C"])
    return Task(**{"name": "own", "kind": "multiple_choice", "metrics": ["acc"], "data": data, **change})


LISTING = {"mmlu": mmlu, "commonsense": commonsense, "fields": fields, "texts": texts, "own": own}


@compiled_once()
def prompts(task: Task, variant: PromptVariant | None = None) -> dict[str, list[Any]]:
    """The requests of every document under its id."""
    change = variant.change(task) if variant else None
    found: dict[str, list[Any]] = {}
    for part in load(task, quiet):
        loaded = change.task(part) if change else part
        prompter = Prompter(loaded, task, change)
        for document in documents_of(loaded)[:MOST]:
            asked = change.document(document) if change else document
            found[document.item_id] = [one.args for one in prompter.requests(asked)]
    return found


@compiled_once()
def judged(task: Task, variant: PromptVariant | None, prefer: Any) -> list[Sample]:
    """The samples of somebody who gives every option the number `prefer(context, continuation)`."""
    change = variant.change(task) if variant else None
    (part,) = load(task, quiet)
    loaded = change.task(part) if change else part
    prompter, asked = Prompter(loaded, task, change), []
    for document in documents_of(loaded):
        one = change.document(document) if change else document
        instances = prompter.requests(one)
        answers = [
            [Scored(logprob=prefer(*i.args), greedy=False, tokens=1, prompt_tokens=1, truncated=False)]
            for i in instances
        ]
        for instance, (answer,) in zip(instances, answers, strict=True):
            instance.resps = [(answer.logprob, answer.greedy)]
        asked.append(score.Asked(document=one, instances=instances, answers=answers))
    samples = score.score(loaded, asked, subset="", wanted=["acc"]).samples
    return [change.sample(s, a.document) for s, a in zip(samples, asked, strict=True)] if change else list(samples)


def by_text(context: str, continuation: str) -> float:
    """What somebody prefers who reads the option behind a label and does not care where it stands."""
    label = continuation.strip()
    listed = re.search(rf"(?s)[(\n]{re.escape(label)}[.)] (.*?)(?=\s\(?[1-9A-E][.)] |\nAnswer:)", context)
    text = listed[1] if listed else label
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / -(2**32)


def by_place(context: str, continuation: str) -> float:
    """What somebody prefers who answers whatever stands last."""
    label = continuation.strip()
    return float(context.rfind(label)) if len(label) > 1 else float(ord(label))


@pytest.mark.parametrize("name", LISTING)
def test_who_reads_the_options_answers_alike_in_every_order(tmp_path: Path, name: str) -> None:
    """Mapped back, every sample is the clean one; the right option stands once in every place."""
    task = LISTING[name](tmp_path)
    clean = judged(task, None, by_text)
    size = len(clean[0].options)
    stood = {sample.item_id: [sample.options.index(sample.gold)] for sample in clean}
    for variant in OptionOrder(name="option_order", replicates=size - 1).each():
        for sample, before in zip(judged(task, variant, by_text), clean, strict=True):
            assert sample.prompt != before.prompt or not sample.metrics["changed"]
            kept = ("item_id", "index", "options", "logprobs", "tokens", "pred", "gold")
            assert [getattr(sample, one) for one in kept] == [getattr(before, one) for one in kept]
            assert sample.metrics["acc"] == before.metrics["acc"] == float(sample.pred == sample.gold)
            assert (sample.metrics["gold_position"] == sample.metrics["pred_position"]) == bool(sample.metrics["acc"])
            if sample.metrics["changed"]:
                stood[sample.item_id].append(int(sample.metrics["gold_position"]))
    bound = sum(len(places) == 1 for places in stood.values())
    assert bound == (1 if name == "mmlu" else 0)  # the one that speaks of the options above it
    assert all(sorted(places) == list(range(size)) for places in stood.values() if len(places) > 1)


@pytest.mark.parametrize("name", ["mmlu", "texts", "own"])
def test_who_answers_by_place_is_found_out(tmp_path: Path, name: str) -> None:
    """The last place is always predicted, and every option once."""
    task = LISTING[name](tmp_path)
    size = len(judged(task, None, by_place)[0].options)
    chosen: Counter[str] = Counter()
    for variant in OptionOrder(name="option_order", replicates=size - 1).each():
        for sample in judged(task, variant, by_place):
            assert sample.metrics["pred_position"] == size - 1
            chosen[sample.options[sample.options.index(sample.pred)]] += bool(sample.metrics["changed"])
    if name != "texts":  # their options are the labels
        *others, last = judged(task, None, by_place)[0].options
        assert chosen[last] == 0
        assert len({chosen[one] for one in others}) == 1


def test_orders_leave_examples_as_they_are(tmp_path: Path) -> None:
    """Only the last question of the prompt has its options shifted."""
    task = own(tmp_path, shots=2)
    before, after = prompts(task), prompts(task, OptionOrder(name="option_order"))
    assert before.keys() == after.keys()
    for key, requests in before.items():
        *examples, query = requests[0][0].split("\n\n")
        *same, shifted = after[key][0][0].split("\n\n")
        assert examples == same
        assert sorted(query) == sorted(shifted)


def test_orders_need_listed_options(tmp_path: Path, tiny: Subject) -> None:
    """One line says what the task lacks."""
    order = OptionOrder(name="option_order")
    for task, lack in (
        (leaf("zoo-topic"), "task zoo_topic: its prompts do not list the options"),
        (leaf("zoo-list"), "task zoo_list: its answers are not chosen from options"),
    ):
        with pytest.raises(Unsupported, match=lack):
            PerturbedTask(task=task, variation=order).run(tiny, quiet)
    with pytest.raises(Unsupported, match="its 3 options can be shifted round by 1 to 2 places, not by 3"):
        prompts(own(tmp_path), OptionOrder(name="option_order", replicate=2))


@pytest.mark.parametrize("name", ["zoo-sentiment", "zoo-topic", "zoo-story", "zoo-list", "zoo-question"])
def test_formats_of_the_zoo_are_distinct_and_keep_every_text(name: str) -> None:
    """Twelve, all unlike the task's own prompts; letters and digits are the same but for their case."""
    task = leaf(name, shots=1)
    seen = [prompts(task)]
    for variant in PromptFormat(name="prompt_format", replicates=12).each():
        found = prompts(task, variant)
        assert found.keys() == seen[0].keys()
        for key, requests in found.items():
            (context, answer), (before, clean) = requests[0], seen[0][key][0]
            assert re.sub(r"\W", "", context).lower() == re.sub(r"\W", "", before).lower()
            assert context == context.rstrip()
            if isinstance(answer, str):
                assert [one[1].strip() for one in requests] == [one[1].strip() for one in seen[0][key]]
                assert context.split("\n\n")[0].endswith(tuple(str(one[1]) for one in requests)) or name == "zoo-story"
            else:
                assert answer["until"][: len(clean["until"])] == clean["until"]
        seen.append(found)
    for key in seen[0]:
        assert len({repr(found[key]) for found in seen}) == 13


@pytest.mark.parametrize(
    ("file", "items", "written"),
    [
        (
            "glue/sst2/default.yaml",
            {"sentence": "fine ", "label": 1},
            "fine || QUESTION - Is this sentence positive or negative? || ANSWER -",
        ),
        (
            "super_glue/boolq/default.yaml",
            {"passage": "P: x", "question": "y", "label": 0},
            "P: x || QUESTION - y? || ANSWER -",
        ),
        ("piqa/piqa.yaml", {"goal": "g", "sol1": "a", "sol2": "b", "label": 0}, "QUESTION - g || ANSWER -"),
        (
            "commonsense_qa/default.yaml",
            {"question": "q", "choices": {"text": list("vwxyz")}, "answerKey": "B"},
            "QUESTION - q || [A] v || [B] w || [C] x || [D] y || [E] z || ANSWER -",
        ),
        (
            "sciq/sciq.yaml",
            {
                "support": " s",
                "question": "q",
                "distractor1": "a",
                "distractor2": "b",
                "distractor3": "c",
                "correct_answer": "d",
            },
            "s || QUESTION - q || ANSWER -",
        ),
    ],
)
def test_formats_of_lm_evals_own_tasks(tmp_path: Path, file: str, items: dict[str, Any], written: str) -> None:
    """Descriptors and labels of the recipe take the format, contents stay, the answer gets the separator's space."""
    form = {"casing": "upper", "separator": " - ", "space": " || ", "wrapper": "[{}]"}
    task = theirs(tmp_path, file, [{**items, "n": n} for n in range(2)])
    for requests in prompts(task, PromptFormat(name="prompt_format", format=form)).values():
        assert {context for context, _ in requests} == {written}
        assert all(answer[:1] == " " != answer[1:2] for _, answer in requests)


def test_formats_of_an_own_file_follow_its_template(tmp_path: Path) -> None:
    """Descriptors of the template are known although the prompts are made beforehand; few documents are enough."""
    rows(tmp_path, [{"t": "Note: a\nA. b", "l": "x"}, {"t": "\nVerdict: c", "l": "y"}])
    data = OwnData(file=str(tmp_path / "rows.jsonl"), template="Text: {t}\nVerdict:", target="l", choices=["x", "y"])
    task = Task(name="few", kind="classification", metrics=["acc"], data=data)
    form = {"casing": "lower", "separator": ":", "space": " -- ", "wrapper": "({})"}
    found = prompts(task, PromptFormat(name="prompt_format", format=form))
    assert [requests[0] for requests in found.values()] == [
        ("text:Note: a\nA. b -- verdict:", "x"),
        ("text:Verdict: c -- verdict:", "x"),
    ]


def test_the_space_of_a_scored_word_is_its_own(tmp_path: Path) -> None:
    """lm-eval puts no delimiter before a word that is predicted: formats that differ in that space alone are one."""
    rows(tmp_path, [{"t": f"a cat {n}", "w": f"word{n}"} for n in range(4)])
    data = OwnData(file=str(tmp_path / "rows.jsonl"), template="Text: {t}\nNext:", target="w")
    task = Task(name="last", kind="language_modelling", metrics=["acc"], data=data, shots=1)
    seen = [prompts(task)]
    seen += [prompts(task, variant) for variant in PromptFormat(name="prompt_format", replicates=12).each()]
    for key, ((_, word),) in seen[0].items():
        assert {found[key][0][1] for found in seen} == {word}
        assert len({found[key][0][0] for found in seen}) == 13
        assert all(re.search(r"\S word\d\n\n", found[key][0][0]) for found in seen)


def test_stop_strings_take_the_format_and_never_stand_before_an_answer(tmp_path: Path) -> None:
    """A generated answer stops at the next question in whatever casing; a line break that stops it is no separator."""
    rows(tmp_path, [{"q": f"{n}?", "a": str(n)} for n in range(4)])
    content = {
        "task": "gen", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": "rows.jsonl"}},
        "test_split": "test", "output_type": "generate_until", "doc_to_text": "Question: {{q}}\nAnswer:",
        "doc_to_target": "a", "generation_kwargs": {"until": ["Question:", "\n"]},
    }  # fmt: skip
    (tmp_path / "gen.yaml").write_text(yaml.safe_dump(content))
    task = Task(name="gen", kind="generation", metrics=["f1"], source=str(tmp_path / "gen.yaml"), shots=1)
    form = {"casing": "lower", "separator": " : ", "space": " ", "wrapper": "({})"}
    for requests in prompts(task, PromptFormat(name="prompt_format", format=form)).values():
        ((context, arguments),) = requests
        assert re.fullmatch(r"question : \d\? answer : \d\n\nquestion : \d\? answer :", context)
        assert arguments["until"] == ["Question:", "\n", "\nquestion :"]
    for variant in PromptFormat(name="prompt_format", replicates=12).each():
        change = variant.change(task)
        (loaded,) = (change.task(part) for part in load(task, quiet))
        assert "\n" not in loaded.task.config.target_delimiter
        assert bool(change.cautions()) == ("\n" in variant.form.blank)


def test_formats_need_a_template_with_descriptors(tmp_path: Path) -> None:
    """One line says what the task lacks."""
    function = theirs(tmp_path, "race/race.yaml", [{"article": "a"}])
    (tmp_path / "f.py").write_text("def text(doc):\n    return 'Question: ' + doc['article']\n")
    written = yaml.safe_load((tmp_path / "theirs.yaml").read_text()) | {"doc_to_choice": ["a", "b"], "doc_to_target": 0}
    written.pop("doc_to_text")
    (tmp_path / "theirs.yaml").write_text(yaml.safe_dump(written) + "doc_to_text: !function f.text\n")
    for task, lack in (
        (leaf("zoo-agreement"), "its template '' has no descriptor such as `Question:` and lists no options"),
        (leaf("zoo-perplexity"), "task zoo_perplexity: whole texts are scored, without a prompt"),
        (function, "task race: its prompts are made by a function, not by a template of texts"),
    ):
        with pytest.raises(Unsupported, match=lack):
            prompts(task, PromptFormat(name="prompt_format"))


def test_examples_are_permuted_or_drawn_anew() -> None:
    """The same examples in one other order for all documents; other draws; the question stays where it was."""
    task = leaf("zoo-sentiment", shots=3)
    clean = {key: requests[0][0].split("\n\n") for key, requests in prompts(task).items()}
    moved: Counter[tuple[int, ...]] = Counter()
    for variant in ExampleOrder(name="example_order", replicates=5).each():
        for key, requests in prompts(task, variant).items():
            now = requests[0][0].split("\n\n")
            assert sorted(now) == sorted(clean[key])
            assert now[-1] == clean[key][-1]
            if len(set(now)) == 4:
                moved[tuple(clean[key].index(one) for one in now[:-1])] += 1
    assert len(moved) == 5
    assert max(moved.values()) == min(moved.values())
    draws = [clean]
    for variant in ExampleDraw(name="example_draw", replicates=3).each():
        draws.append({key: requests[0][0].split("\n\n") for key, requests in prompts(task, variant).items()})
        assert all(now[-1] == clean[key][-1] for key, now in draws[-1].items())
    differ = [sum(a[key][:-1] != b[key][:-1] for key in clean) for a in draws for b in draws if a is not b]
    assert min(differ) > 0.9 * len(clean)


def test_fixed_examples_have_orders_and_no_draws(tmp_path: Path) -> None:
    """MMLU's recipe takes the first examples of its split."""
    task = mmlu(tmp_path, shots=3)
    assert prompts(task, ExampleOrder(name="example_order")) != prompts(task)
    with pytest.raises(Unsupported, match="task theirs: its recipe fixes the few-shot examples: no other draws"):
        prompts(task, ExampleDraw(name="example_draw"))


def test_a_subject_is_asked_under_every_variant(tmp_path: Path, tiny: Subject) -> None:
    """The whole way: samples stay paired with the clean ones, prompts differ, and the clean task is not touched."""
    task = mmlu(tmp_path, shots=2)
    clean = task.run(tiny, quiet)
    items = [sample.item_id for sample in clean.samples]
    for kind in (PromptFormat, OptionOrder, ExampleOrder):
        varied: Outcome = PerturbedTask(task=task, variation=kind(name="one")).run(tiny, quiet)
        assert [sample.item_id for sample in varied.samples] == items
        different = [a.prompt != b.prompt for a, b in zip(varied.samples, clean.samples, strict=True)]
        assert different == [kind is not OptionOrder or i != 3 for i in range(12)]
        assert [s.gold for s in varied.samples] == [s.gold for s in clean.samples]
        accuracy = next(m.value for m in varied.measurements if m.metric == "acc")
        assert accuracy == pytest.approx(sum(s.pred == s.gold for s in varied.samples) / 12)
    changed = next(
        m
        for m in PerturbedTask(task=task, variation=OptionOrder(name="o")).run(tiny, quiet).measurements
        if m.metric == "changed"
    )
    assert (changed.value, changed.n) == (pytest.approx(11 / 12), 12)
    assert task.run(tiny, quiet).samples == clean.samples


@pytest.mark.usefixtures("harness_data")
@pytest.mark.parametrize("name", ["boolq", "piqa", "gsm8k"])
def test_formats_of_real_data_keep_every_text(name: str) -> None:
    """Prompts hold the same letters and digits but for their case, whatever stands in the documents."""
    task = leaf(f"local-{name}", shots=0)
    (part,) = load(task, quiet)
    before = {d.item_id: str(part.task.doc_to_text(d.content)) for d in documents_of(part)[:MOST]}
    for variant in PromptFormat(name="prompt_format", replicates=12).each()[::4]:
        loaded = variant.change(task).task(part)
        for document in documents_of(loaded)[:MOST]:
            now, then = str(loaded.task.doc_to_text(document.content)), before[document.item_id]
            assert now != then
            assert now == now.rstrip()
            assert re.sub(r"\W", "", now).lower() == re.sub(r"\W", "", then).lower()


@pytest.mark.usefixtures("harness_data")
def test_tasks_of_real_data_without_descriptors_say_so() -> None:
    """COPA and HellaSwag are texts to be continued."""
    for name in ("copa", "hellaswag"):
        with pytest.raises(Unsupported, match="has no descriptor such as `Question:`"):
            prompts(leaf(f"local-{name}", limit=5), PromptFormat(name="prompt_format"))
