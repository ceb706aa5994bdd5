"""Pairs form within one run; what two runs measured is left out and counted."""

# What stands in a frame has no static type:
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from harness.analysis import efficiency, efficiency_tables, frame, points, ratios, resource_tables
from harness.analysis.current import current
from harness.analysis.labels import labelled

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    import pandas as pd

    from harness.records import Record


def of_run(run: str, *records: Record, command: tuple[str, ...] = ()) -> list[Record]:
    """The records as a run of that name measured them."""
    return [
        dataclasses.replace(
            record,
            provenance={
                **record.provenance, "command": list(command), "task": {**record.provenance["task"], "run": run},
            },
        )
        for record in records
    ]  # fmt: skip


def compared(grids: ModuleType, folder: Path, *records: Record) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ratios and floor of these records."""
    study = current(frame.read(grids.write(folder, *records)))
    cells = points.probes(labelled(study.cells))
    pooled = points.pooled(cells, study.measurements)
    floor = ratios.floor(cells, pooled)
    return ratios.ratios(pooled, floor, cells=cells), floor


def decodes(grids: ModuleType, model: str, *replicates: int, **more: object) -> list[Record]:
    """One point in several processes."""
    return [grids.decode(model, replicate=number, **more) for number in replicates]


def test_pairs_form_within_a_run(grids: ModuleType, tmp_path: Path) -> None:
    """A model measured on another day for one of three processes has two blocks; the third is counted and told of."""
    records = [
        *of_run("monday", *decodes(grids, "a", 0, 1, 2), *decodes(grids, "b", 0, 1, size=1.3)),
        *of_run("friday", *decodes(grids, "b", 2, size=1.3)),
    ]
    found, floor = compared(grids, tmp_path / "s", *records)
    row = found.query("metric == 'itl' and entry == 'b'").iloc[0]
    assert (row["blocks"], row["dropped"]) == (2, 1)
    assert row["ratio"] == pytest.approx(1.3, rel=0.1)
    whole = dataclasses.replace(efficiency.efficiency(frame.read(tmp_path / "s")), ratios=found, floor=floor)
    notes = efficiency_tables.comparisons(whole, ["a", "b"])[0].notes
    assert any(note.startswith("1 pair of processes left out: the two were measured in different") for note in notes)


def test_two_runs_alone_are_no_comparison(grids: ModuleType, tmp_path: Path) -> None:
    """Nothing is paired, and the reason stands in the row; the same command makes no run of two."""
    records = [
        *of_run("monday", *decodes(grids, "a", 0, 1), command=("run",)),
        *of_run("friday", *decodes(grids, "b", 0, 1, size=2), command=("run",)),
    ]
    found, _ = compared(grids, tmp_path / "s", *records)
    row = found.query("metric == 'itl'").iloc[0]
    assert (row["blocks"], row["dropped"], row["verdict"], row["reason"]) == (0, 2, "unpaired", ratios.OTHER_RUN)


def test_older_records_are_of_one_run(grids: ModuleType, tmp_path: Path) -> None:
    """They do not say which; and the control's pairs obey the same rule as all others."""
    control = decodes(grids, "a (again)", 0, 1, name="a")
    old, floor = compared(grids, tmp_path / "s", *decodes(grids, "a", 0, 1), *decodes(grids, "b", 0, 1), *control)
    assert set(old["dropped"]) == {0}
    assert set(floor["blocks"]) == {2}
    apart = [*of_run("monday", *decodes(grids, "a", 0, 1)), *of_run("friday", *control)]
    _, floor = compared(grids, tmp_path / "t", *apart)
    assert not len(floor)


def test_energy_of_a_token_is_shown_net_and_gross(grids: ModuleType, tmp_path: Path) -> None:
    """Beside each other; a record that does not say gross has a dash."""
    numbers = [("ttft", 0.1, "s"), ("energy", 30.0, "J"), ("energy_net", 20.0, "J"), ("power_idle", 60.0, "W"),
               ("energy_tok", 0.5, "J/tok")]  # fmt: skip
    facts, point = {"energy": {"method": "nvml_counter"}}, {"batch": 1, "prompt": 32}
    both = grids.single("a", "prefill", [*numbers, ("energy_tok_gross", 0.75, "J/tok")], point=point, facts=facts)
    net = grids.single("b", "prefill", numbers, point=point, facts=facts)
    whole = efficiency.efficiency(frame.read(grids.write(tmp_path / "s", both, net)))
    table = resource_tables.energy(whole, ["a", "b"])
    place = [column.label for column in table.columns].index("Gross, each")
    assert [row[place].text for row in table.rows] == ["750 mJ/tok", "—"]
