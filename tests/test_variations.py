"""Tasks x variations as cells: the clean cell keeps its identity, everything asked for is there once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.compose import plans, rewrite
from harness.config import ConfigError
from harness.records import Record, Status

if TYPE_CHECKING:
    from harness.records import Cell


def cells(*overrides: str) -> tuple[Cell, ...]:
    """The cells of one job."""
    (plan,) = plans(rewrite(["model=mini-gpt2-s", "task=zoo-sentiment", *overrides]))
    return plan.cells


def test_every_severity_is_a_cell_beside_the_clean_one() -> None:
    """The clean cell is the one of a study without perturbations, so that it is not measured again."""
    (clean,) = cells()
    found = cells("perturbation=[keyboard_typo,synonym]", "severity=[0.1,0.5]")
    assert found[0].id == clean.id
    assert [c.variation for c in found[1:]] == ["keyboard_typo@0.1", "keyboard_typo@0.5", "synonym@0.1", "synonym@0.5"]
    assert len({c.id for c in found}) == 5
    assert {c.severity for c in cells("perturbation=keyboard_typo")} == {0.0, 0.3}


def test_replicates_are_cells_and_more_of_them_keep_the_first() -> None:
    """A draw's identity does not depend on how many there are."""
    two = cells("perturbation=ocr_noise", "perturbation.ocr_noise.replicates=2")
    three = cells("perturbation=ocr_noise", "perturbation.ocr_noise.replicates=3")
    assert [c.title.rsplit(" · ", 1)[1] for c in two] == ["zoo-sentiment", "ocr_noise@0.3", "ocr_noise@0.3 #2"]
    assert {c.id for c in two} < {c.id for c in three}


def test_what_is_swept_over_becomes_one_job() -> None:
    """One subject is loaded once for all variations of all its tasks."""
    swept = plans(
        rewrite(["-m", "model=mini-gpt2-s", "task=zoo-sentiment", "perturbation=leet,homoglyph", "severity=0.1,0.2"])
    )
    assert [len(plan.cells) for plan in swept] == [5]


def test_every_attack_has_its_control() -> None:
    """A search that was not asked for with random edits beside it gets them, with the same limits; once."""
    alone = cells("attack=char_greedy", "attack.char_greedy.limit=7", "attack.char_greedy.severity=0.1")
    assert [c.variation for c in alone[1:]] == ["char_greedy@0.1", "char_random@0.1"]
    assert alone[2].spec["perturbation"]["limit"] == 7
    both = cells("attack=[char_greedy,char_random]")
    assert [c.perturbation for c in both[1:]] == ["char_greedy", "char_random"]
    assert [c.perturbation for c in cells("attack=hotflip")[1:]] == ["hotflip", "token_random"]


def test_probes_are_not_varied() -> None:
    """A probe is measured once, whatever happens to the tasks."""
    found = cells("perturbation=leet", "probe=decode-small")
    assert [c.perturbation for c in found if c.kind == "probe"] == ["none"]


def test_a_seed_is_one_of_the_edits_too() -> None:
    """Another seed is another cell."""
    assert not {c.id for c in cells("perturbation=leet")} & {c.id for c in cells("perturbation=leet", "seed=3")}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("perturbation=leet", "severity=1.5"), "severity=1.5: 1.5 is not a valid value: a number from 0"),
        (("perturbation=leet", "severity=[0.1,high]"), r"severity=\[0.1,high\]: 'high' is not a valid value"),
        (("severity=0.3",), "severity=0.3 is of no use without a perturbation"),
        (("perturbation=leat",), "unknown perturbation 'leat': did you mean 'leet'"),
        (("perturbation=leet", "perturbation.leet.scope=title"), "scope='title' is not a valid value: choose query"),
        (("perturbation=leet", "perturbation.leet.replicates=0"), "replicates=0 must be 1 or more"),
    ],
)
def test_mistakes_are_one_line(overrides: tuple[str, ...], message: str) -> None:
    """What is wrong, where, and what would be right."""
    with pytest.raises(ConfigError, match=message) as error:
        cells(*overrides)
    assert "\n" not in str(error.value)


def test_a_varied_cell_survives_its_record() -> None:
    """Labels, severity and draw are read back, and the file is named after them."""
    (_, cell) = cells("perturbation=leet", "severity=0.2")
    assert Record.from_json(Record(cell=cell, status=Status.FAILED, error="x").to_json()).cell == cell
    assert Path(cell.title).name.endswith("leet@0.2")
