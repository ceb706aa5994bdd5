"""Attacks as configuration, and what words may become."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest
import yaml

from harness.attacks.candidates import of
from harness.attacks.spec import Attack, Transfer
from harness.attacks.transfer import TransferTask
from harness.attacks.workload import AttackedTask
from harness.config import ConfigError, construct
from harness.perturbations.source import Source
from harness.tasks.spec import Task

LEAVES = sorted((Path(__file__).parents[2] / "conf" / "attack").glob("*.yaml"))
SENTIMENT = Task(name="s", kind="classification", source="zoo/sentiment.yaml", metrics=["acc"])


@pytest.mark.parametrize("path", LEAVES, ids=lambda path: path.stem)
def test_every_leaf_is_a_workload_with_a_task(path):
    """Leaves construct, are called as their files, and make a workload that passes its check."""
    made = construct(yaml.safe_load(path.read_text()), where=path.stem)
    assert made.name == path.stem
    assert made.about
    node = {"_target_": made.WORKLOAD, "task": SENTIMENT, "variation": made}
    workload = construct(node, where=path.stem)
    workload.check()
    assert workload.name == "s"


def test_each_has_one_attack_for_every_draw():
    """Replicates and severities become attacks of their own; a transfer without a victim becomes none."""
    found = Attack(name="a", replicates=2).each((0.1, 0.2))
    assert [(one.severity, one.replicate, one.replicates) for one in found] == [
        (0.1, 0, 1), (0.1, 1, 1), (0.2, 0, 1), (0.2, 1, 1),
    ]  # fmt: skip
    assert Transfer().each() == ()
    made = Transfer().of(found[1], victim="m", cell="0123", file="f.jsonl")
    assert made.each((0.5,)) == (made,)
    assert (made.attack, made.severity, made.replicate) == ("a", 0.1, 1)


def test_every_attack_has_its_control_among_the_leaves():
    """Random edits of the same candidates under the same limits; what is random itself has none."""
    leaves = {path.stem: construct(yaml.safe_load(path.read_text()), where=path.stem) for path in LEAVES}
    attacks = [one for one in leaves.values() if isinstance(one, Attack)]
    assert {one.control().name for one in attacks if one.control()} == {
        one.name for one in attacks if not one.control()
    }
    for one in attacks:
        control = one.control()
        assert (control is None) is (one.search == "random")
        if control:
            assert dataclasses.replace(leaves[control.name], about=control.about) == control
    own = Attack(name="mine", candidates="synonyms", severity=0.1, limit=7, query_budget=33, similarity=0.5, seed=3)
    kept = {"candidates": "synonyms", "severity": 0.1, "limit": 7, "query_budget": 33, "similarity": 0.5, "seed": 3}
    assert kept.items() <= dataclasses.asdict(own.control()).items()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"severity": 1.5}, "severity=1.5"),
        ({"similarity": -1}, "similarity=-1"),
        ({"search": "gready"}, "greedy"),
        ({"search": "hotflip"}, "takes tokens"),
        ({"search": "greedy", "candidates": "tokens"}, "greedy does not"),
        ({"query_budget": 1}, "query_budget=1"),
        ({"limit": 0}, "limit=0"),
        ({"replicates": True}, "replicates=True"),
    ],
)
def test_faults_are_one_line(change, said):
    """The line names field and value."""
    with pytest.raises(ValueError, match=said) as caught:
        Attack(name="a", **change)
    assert "\n" not in str(caught.value)


def test_a_task_without_options_is_refused():
    """Before anything is loaded, for attacks and transfers."""
    task = Task(name="q", kind="generation", source="zoo/question.yaml", metrics=["exact_match"])
    for workload in (
        AttackedTask(task=task, variation=Attack(name="a")),
        TransferTask(task=task, variation=Transfer()),
    ):
        with pytest.raises(ConfigError, match=r"task q: .*choose another option"):
            workload.check()


def test_typing_errors_stay_within_the_word():
    """One error within a word, at its distance; never a label, a negator or a known word; four kinds take turns."""
    source = Source.of("A perfect knot of hot goats, and the not so wonderful ending.", labels=["gates", "goat"])
    found = {source.text[s:e]: made for (s, e), made in of(source, "characters", 50, random.Random(0))}
    assert set(found) == {"perfect", "knot", "hot", "goats", "wonderful", "ending"}
    for word, made in found.items():
        assert len({one.word for one in made}) == len(made) > 3
        for one in made:
            assert (one.word[0], one.word[-1]) == (word[0], word[-1])
            assert abs(len(one.word) - len(word)) <= 1
            assert one.distance == (2 if sorted(one.word) == sorted(word) else 1)
            assert one.word.lower() not in {"gates", "goat", "not", word}
    few = {source.text[s:e]: made for (s, e), made in of(source, "characters", 4, random.Random(0))}
    kinds = [(len(one.word) - len("perfect"), one.distance) for one in few["perfect"]]
    assert sorted(kinds) == [(-1, 1), (0, 1), (0, 2), (1, 1)]


def test_synonyms_keep_inflection_and_case():
    """From the table, in the word's form; names, labels and stop words stay."""
    source = Source.of("Actually they achieved it, and Paris achieved a good affection.", labels=["fondness"])
    found = {
        source.text[s:e]: [one.word for one in made] for (s, e), made in of(source, "synonyms", 8, random.Random())
    }
    assert found["Actually"] == ["Really"]
    assert found["achieved"] == ["accomplished", "attained"]
    assert "affection" not in found
    assert not {"they", "good", "Paris"} & set(found)
