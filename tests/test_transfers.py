"""Attacks of one model tried on the others: cells that only a run of several models has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from harness.compose import plans, rewrite
from harness.records import Record, Status
from harness.transfers import crossed

if TYPE_CHECKING:
    from pathlib import Path

MODELS = "model=mini-gpt2-s,mini-neox"


def test_every_attack_is_tried_on_every_other_model() -> None:
    """Two models, two attacks, one task: each model has two transfers, named after attack and victim."""
    jobs = plans(rewrite(["-m", MODELS, "task=zoo-sentiment", "attack=[char_greedy,char_random,transfer]"]))
    found = crossed(jobs)
    assert [c.model for p in found for c in p.cells] == ["mini-gpt2-s"] * 2 + ["mini-neox"] * 2
    assert {c.variation for c in found[1].cells} == {
        "transfer@0.3 of char_greedy on mini-gpt2-s",
        "transfer@0.3 of char_random on mini-gpt2-s",
    }
    attacks = {c.id for p in jobs for c in p.cells if c.perturbation.startswith("char_")}
    assert {c.spec["perturbation"]["cell"] for p in found for c in p.cells} == attacks
    assert all("file" not in c.spec["perturbation"] for p in found for c in p.cells)


def test_without_asking_or_with_one_model_there_are_none() -> None:
    """Transfers are asked for by the leaf `transfer`, and need another model."""
    assert crossed(plans(rewrite(["-m", MODELS, "task=zoo-sentiment", "attack=char_greedy"]))) == []
    assert crossed(plans(rewrite(["model=mini-neox", "task=zoo-sentiment", "attack=[char_greedy,transfer]"]))) == []


def test_a_run_measures_them_last(harness, tmp_path: Path) -> None:
    """What was found on one model is scored on the other; measured once, it is not measured again."""
    done = harness(
        "run", "-m", MODELS, "task=zoo-sentiment", "limit=12", "attack=[char_greedy,transfer]", "study=t",
        "attack.char_greedy.limit=8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    records = [Record.from_json(p.read_text()) for p in (tmp_path / "results/t/records").glob("**/*.json")]
    moved = {r.cell.model: r for r in records if "transfer@0.3 of char_greedy" in r.cell.variation}
    assert set(moved) == {"mini-gpt2-s", "mini-neox"}
    assert all(r.status is Status.OK for r in moved.values())
    (file,) = (tmp_path / "results/t/adversarial").glob("**/mini-gpt2-s*char_greedy*.jsonl")
    found = [json.loads(line) for line in file.read_text().splitlines()]
    (rate,) = [m for m in moved["mini-neox"].measurements if m.metric == "attack_success_rate"]
    assert 0 < rate.n <= len(found)
    again = harness("run", "-m", MODELS, "task=zoo-sentiment", "limit=12", "attack=[char_greedy,transfer]", "study=t",
                    "attack.char_greedy.limit=8")  # fmt: skip
    assert "[1/" not in again.stdout + again.stderr
