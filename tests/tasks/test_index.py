"""lm-eval's names are found without lm-eval, once, and as lm-eval finds them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.config import ConfigError
from harness.tasks import index, sources


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index cache of the test session's own."""
    folder = tmp_path_factory.getbasetemp() / "index-cache"
    monkeypatch.setenv("HARNESS_CACHE", str(folder))
    return folder


def test_names_groups_and_tags_are_found() -> None:
    """A task has its file, a group its own, a tag its tasks."""
    assert index.find("hellaswag").path == "hellaswag/hellaswag.yaml"
    assert index.find("mmlu").path == "mmlu/default/_mmlu.yaml"
    assert index.find("ai2_arc").tasks == ("arc_challenge", "arc_easy")


def test_typo_is_answered_with_the_nearest_name() -> None:
    """One line with the name that was meant."""
    with pytest.raises(ConfigError, match=r"^unknown task 'hellaswg': did you mean 'hellaswag'\?$"):
        index.find("hellaswg")


@pytest.mark.parametrize("content", ["", "{", '{"layout": 0}', "[]", '{"layout": 1, "names": 3}'])
def test_corrupt_cache_is_built_anew(
    content: str, cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever stands in the cache, the index comes out right and the cache is repaired."""
    tree = tmp_path / "tasks"
    tree.mkdir()
    (tree / "one.yaml").write_text("task: one\ntag: [odd, small]\n")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(index, "folder", lambda: tree)
    index.cache_path().write_text(content)
    for _ in range(2):
        assert index.entries()["odd"].tasks == ("one",)
    assert cache != tmp_path


def test_cache_that_cannot_be_written_costs_only_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file where the cache folder should be is no fault of the task."""
    (tmp_path / "file").write_text("")
    tree = tmp_path / "tasks"
    tree.mkdir()
    (tree / "one.yaml").write_text("'task': 'one'  # quoted\n")
    monkeypatch.setattr(index, "folder", lambda: tree)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    assert index.entries()["one"].path == "one.yaml"


def test_includes_give_tags_and_own_keys_win(tmp_path: Path) -> None:
    """As in lm-eval: an included template gives its tag, the including file its name."""
    (tmp_path / "_template").write_text("tag: letters\ntask: none\n")
    (tmp_path / "a.yaml").write_text("include: _template\ntask: a\n")
    (tmp_path / "b.yaml").write_text("include: _template\ntask: b\n")
    (tmp_path / "g.yaml").write_text("group: both\ntask:\n  - a\n  - b\n")
    names = index.build(tmp_path)
    assert names["letters"].tasks == ("a", "b")
    assert set(names) == {"a", "b", "both", "letters"}


@pytest.mark.parametrize(("name", "count"), [("mmlu", 57), ("blimp", 67), ("ai2_arc", 2), ("sst2", 1)])
def test_groups_are_resolved_to_their_tasks(name: str, count: int) -> None:
    """Nested groups and tags end in single tasks, each with a file."""
    leaves = sources.leaves(name)
    assert len(leaves) == count
    assert all(leaf.path.is_file() for leaf in leaves)


def test_nothing_heavy_is_imported() -> None:
    """Checking a task needs neither torch nor lm-eval nor datasets."""
    code = (
        "import sys; from harness.tasks.spec import Task\n"
        "Task(name='x', kind='multiple_choice', source='mmlu', metrics=['acc']).check()\n"
        "assert not {'torch', 'lm_eval', 'datasets', 'pandas', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.slow
def test_index_is_lm_evals() -> None:
    """Every name, file and tag of lm-eval's own index, and no other."""
    from lm_eval.tasks import TaskManager

    root = index.folder().resolve()
    theirs = {
        name: (entry.yaml_path.relative_to(root).as_posix(), ()) if entry.yaml_path else ("", tuple(sorted(entry.tags)))
        for name, entry in TaskManager().task_index.items()
    }
    assert {name: (entry.path, entry.tasks) for name, entry in index.entries().items()} == theirs
