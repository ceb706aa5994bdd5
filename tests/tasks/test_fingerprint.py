"""Edited data or an edited recipe is another cell; the same content elsewhere is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.tasks.spec import Task

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
task: mine
dataset_path: json
dataset_kwargs: {data_files: {test: mine.jsonl}}
output_type: generate_until
test_split: test
doc_to_text: "{{text}}"
doc_to_target: "{{label}}"
"""


def _task(folder: Path, *, recipe: str = RECIPE, row: str = '{"text": "a", "label": "b"}') -> Task:
    folder.mkdir(exist_ok=True)
    (folder / "mine.yaml").write_text(recipe)
    (folder / "mine.jsonl").write_text(row)
    return Task(name="mine", kind="generation", source=str(folder / "mine.yaml"), metrics=["exact_match"])


def test_a_recipe_and_its_data_are_followed(tmp_path: Path) -> None:
    """The data's or the recipe's content changes the fingerprint, their folder does not."""
    first = _task(tmp_path / "a").fingerprint()
    assert _task(tmp_path / "b").fingerprint() == first
    other_data = _task(tmp_path / "c", row='{"text": "a", "label": "c"}').fingerprint()
    other_recipe = _task(tmp_path / "d", recipe=RECIPE.replace("{{text}}", "{{text}}?")).fingerprint()
    assert len({first, other_data, other_recipe}) == 3


def test_own_data_is_followed(tmp_path: Path) -> None:
    """A row added to one's own file is another cell."""
    file = tmp_path / "mine.jsonl"
    file.write_text('{"text": "a", "label": "x"}\n')
    data = {"file": str(file), "template": "{text}", "target": "label", "choices": ["x", "y"]}
    task = Task(name="mine", kind="classification", metrics=["acc"], data=data)
    before = task.fingerprint()
    file.write_text('{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n')
    assert task.fingerprint() != before


def test_a_task_of_lm_eval_has_one() -> None:
    """The recipe behind a name is followed too, so that an upgrade of lm-eval that changes it is noticed."""
    task = Task(name="sst2", kind="classification", source="sst2", metrics=["acc"])
    assert task.fingerprint().startswith("sha256:")
