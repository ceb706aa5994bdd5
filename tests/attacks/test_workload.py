"""Whole attacks on a real miniature, and what other models make of their finds."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from harness.attacks.examples import Example, examples, read, to_lines
from harness.attacks.spec import Attack, Transfer
from harness.attacks.transfer import TransferTask
from harness.attacks.view import TaskView
from harness.attacks.workload import AttackedTask
from harness.perturbations.edits import Edit, apply
from harness.records import Cell, Record, Status, Unsupported
from harness.scoring.lm import HarnessLM
from harness.tasks.own import OwnData
from harness.tasks.spec import Task

N = 8
TASK = Task(name="zoo-sentiment", kind="classification", source="zoo/sentiment.yaml", metrics=["acc"])


def quiet(phase, done, total):
    """A progress listener that does nothing."""


def value(outcome, metric):
    return next(m.value for m in outcome.measurements if m.metric == metric)


@pytest.fixture(scope="module")
def attacked(mini):
    """What typing errors do to the miniature on a few reviews."""
    return AttackedTask(task=TASK, variation=Attack(name="char_greedy", limit=N)).run(mini, quiet)


def record(outcome, **change):
    spec = {"perturbation": {"name": "char_greedy", "group": "attack", "replicate": 0}}
    cell = Cell(model="mini-gpt2-s", method="none", workload="zoo-sentiment", kind="task", perturbation="char_greedy",
                severity=0.3, spec=spec)  # fmt: skip
    return Record(cell=dataclasses.replace(cell, **change), status=Status.OK, measurements=outcome.measurements)


def test_an_attack_is_paired_with_the_clean_task(mini, attacked):
    """The same documents under the same ids, clean accuracy included; edits lead from the clean text to the prompt."""
    clean = dataclasses.replace(TASK, limit=N).run(mini, quiet)
    assert [s.item_id for s in attacked.samples] == [s.item_id for s in clean.samples]
    assert [s.metrics["clean_acc"] for s in attacked.samples] == [s.metrics["acc"] for s in clean.samples]
    for before, after in zip(clean.samples, attacked.samples, strict=True):
        edits = json.loads(after.edits) if after.edits else {"": {"prompt": before.prompt}}
        assert edits.pop("") == {"prompt": before.prompt}
        assert after.prompt == apply(before.prompt, [Edit(*edit) for edit in edits.get("prompt", [])])
        assert after.gold == before.gold


def test_the_numbers_follow_from_the_samples(attacked):
    """Accuracy under attack, success rate over the attacked documents, means over the successes."""
    rows = [sample.metrics for sample in attacked.samples]
    chosen = [row for row in rows if row["attacked"]]
    won = [row for row in chosen if row["success"]]
    assert won
    assert value(attacked, "attack_success_rate") == pytest.approx(len(won) / len(chosen))
    assert value(attacked, "acc") == pytest.approx(value(attacked, "clean_acc") - len(won) / N)
    assert value(attacked, "queries") == pytest.approx(sum(row["queries"] for row in chosen) / len(chosen))
    assert value(attacked, "words_changed") == pytest.approx(sum(row["words_changed"] for row in won) / len(won))
    assert all(row["words_changed"] <= 0.3 for row in chosen)
    assert attacked.facts["queries"] == sum(row["queries"] for row in rows)
    assert any("8 of 240" in warning for warning in attacked.warnings)


def test_successes_are_wrong_for_the_model_itself(mini, attacked):
    """Each success, asked again from its text, gets the wrong answer; each other attacked document the right one."""
    view = TaskView(dataclasses.replace(TASK, limit=N), mini.lm, quiet)
    for number, sample in enumerate(attacked.samples):
        query = (Example.of("", sample.edits).after["prompt"],) if sample.edits else view.items[number].texts
        verdict = view.judge([(number, query)])[0]
        assert float(verdict.best in view.items[number].gold) == sample.metrics["acc"]
        assert [a.logprob for a in verdict.answers] == pytest.approx(list(sample.logprobs), abs=1e-3)
        assert sample.pred == sample.options[verdict.best].strip()


def test_another_search_finds_no_less(mini, attacked):
    """Every search runs on the miniature; the white box succeeds as well."""
    flips = AttackedTask(task=TASK, variation=Attack(name="h", search="hotflip", candidates="tokens", limit=N))
    flipped = flips.run(mini, quiet)
    assert value(flipped, "attack_success_rate") > 0
    for outcome, attack in ((attacked, Attack(name="char_greedy", limit=N)), (flipped, flips.variation)):
        control = AttackedTask(task=TASK, variation=attack.control()).run(mini, quiet)
        assert value(control, "attack_success_rate") <= value(outcome, "attack_success_rate")
        rows = [[(s.item_id, s.metrics["query_budget"]) for s in one.samples] for one in (control, outcome)]
        assert rows[0] == rows[1]
        lost = [s.metrics for s in control.samples if s.metrics.get("success") == 0]
        assert all(row["queries"] >= 0.8 * row["query_budget"] for row in lost)


def test_examples_go_to_another_run_and_back(mini, attacked, tmp_path):
    """Successes as lines; read again they are what was found, and the model they were found on fails on all of them."""
    found = examples(record(attacked), attacked.samples)
    assert len(found) == sum(s.metrics.get("success", 0) for s in attacked.samples)
    assert all(one["before"] != one["after"] and one["pred"] != one["gold"] for one in found)
    assert examples(record(attacked, spec={}), attacked.samples) == []
    file = tmp_path / "e.jsonl"
    file.write_text(to_lines(found), encoding="utf-8")
    assert [(one.item_id, one.before, one.after) for one in read(file)] == [
        (one["item_id"], one["before"], one["after"]) for one in found
    ]
    transfer = Transfer().of(Attack(name="char_greedy"), victim="mini-gpt2-s", cell="0", file=str(file))
    again = TransferTask(task=TASK, variation=transfer).run(mini, quiet)
    assert {s.item_id for s in again.samples} == {one["item_id"] for one in found}
    assert value(again, "attack_success_rate") == 1
    assert value(again, "clean_acc") == 1
    assert again.facts["examples_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    prompts = {s.item_id: s.prompt for s in attacked.samples}
    assert all(s.prompt == prompts[s.item_id] for s in again.samples)


def test_cut_prompts_are_told_as_in_a_clean_cell(mini, tmp_path):
    """Flag and sentence of the clean cell stand in those of attacks and transfers."""
    short = dataclasses.replace(mini, lm=HarnessLM(mini.model, mini.tokenizer, batch=8, context=6))
    task = dataclasses.replace(TASK, limit=4)
    clean = task.run(short, quiet)
    attack = Attack(name="char_greedy")
    after = AttackedTask(task=task, variation=attack).run(short, quiet)
    assert [s.truncated for s in after.samples] == [s.truncated for s in clean.samples]
    said = [warning for warning in clean.warnings if "were cut" in warning]
    assert said == [warning for warning in after.warnings if "were cut" in warning] != []
    file = tmp_path / "e.jsonl"
    rows = [Example.of(s.item_id, s.edits) for s in after.samples if s.edits]
    file.write_text(to_lines([{"item_id": r.item_id, "before": r.before, "edits": r.edits} for r in rows]))
    moved = TransferTask(task=task, variation=Transfer().of(attack, victim="m", cell="0", file=str(file)))
    outcome = moved.run(short, quiet)
    assert all(s.truncated for s in outcome.samples)
    assert any("were cut" in warning for warning in outcome.warnings)


def test_missing_and_damaged_examples_are_said(mini, tmp_path):
    """No file, an empty one, a line that is none, another text under the same id."""
    file = tmp_path / "e.jsonl"
    work = TransferTask(task=TASK, variation=Transfer(attack="a", victim="m", file=str(file)))
    with pytest.raises(ValueError, match=r"a on m.*not measured") as caught:
        work.run(mini, quiet)
    assert not isinstance(caught.value, Unsupported)  # which would be settled, and never tried again
    file.write_text("")
    with pytest.raises(Unsupported, match="found no example"):
        work.run(mini, quiet)
    file.write_text('{"item_id": 1}\n')
    with pytest.raises(ValueError, match=r"e\.jsonl:1"):
        work.run(mini, quiet)
    key = TaskView(dataclasses.replace(TASK, limit=1), mini.lm, quiet).items[0].document.item_id
    file.write_text(json.dumps({"item_id": key, "before": {"prompt": "x"}, "edits": {}}))
    with pytest.raises(ValueError, match="another text"):
        work.run(mini, quiet)


def test_a_task_that_turns_out_to_have_no_options_is_unsupported(mini):
    """What is only seen when the task is loaded is said in one line, too."""
    task = Task(name="q", kind="classification", source="zoo/question.yaml", metrics=["exact_match"])
    with pytest.raises(Unsupported, match="no options"):
        AttackedTask(task=task, variation=Attack(name="a", limit=2)).run(mini, quiet)


def test_the_rule_is_that_of_the_primary_metric(mini, tmp_path):
    """By log-likelihood for acc, per letter for acc_norm: right and wrong as lm-eval has them."""
    file = tmp_path / "d.jsonl"
    texts = ["The room was cold", "The food was superb", "The view was nice", "The bread was stale"]
    rows = [{"text": text, "options": ["and the garden was very warm", "bad"], "label": 0} for text in texts]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = OwnData(file=str(file), template="{text}, ", target="label", choices="options")
    right = {}
    for rule in ("acc", "acc_norm"):
        task = Task(name="d", kind="multiple_choice", metrics=[rule], data=data)
        outcome = AttackedTask(task=task, variation=Attack(name="a", severity=0.0)).run(mini, quiet)
        assert outcome.facts["rule"] == rule
        right[rule] = [s.metrics["clean_acc"] for s in outcome.samples]
        assert right[rule] == [s.metrics[rule] for s in task.run(mini, quiet).samples]
    assert right["acc"] != right["acc_norm"]
