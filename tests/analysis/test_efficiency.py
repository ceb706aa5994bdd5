"""Probes over a grid: replicates are pooled, controls compete with nobody, failures are words, noise is marked."""

# What stands in a frame has no static type:
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false
from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rich.console import Console

from harness.analysis import (
    derive,
    efficiency,
    efficiency_tables,
    findings,
    frame,
    ratios,
    report,
    resource_tables,
    tables,
    terminal,
    verdict,
)
from harness.records import Status

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.analysis.efficiency import Efficiency
    from harness.records import Record

POINTS = ["batch 1, prompt 32, new 17", "batch 1, prompt 128, new 17", "batch 8, prompt 32, new 17",
          "batch 8, prompt 128, new 17"]  # fmt: skip


@pytest.fixture(scope="module")
def folder(grids: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models and an A/A control over four points in three processes, with every way to have no result."""
    whole = [*grids.grid("small"), *grids.grid("large", size=1.3), *grids.grid("small (again)", name="small")]
    rest = [
        grids.failed("large", Status.OOM, "8 GiB of host memory ran out", batch=64),
        grids.decode("small", batch=64),
        grids.failed("large", Status.UNSUPPORTED, "clipped: prompt 240 + new 17 tokens exceed 256", prompt=240),
        grids.failed("small", Status.NOT_RUN, "the budget of 20 m was used up", prompt=200),
        grids.decode("small", batch=16, noisy=("load average 3.0 on 2 cores",)),
        grids.single("small", "load", [("load_s/cache=cold", 1.0, "s"), ("load_s/cache=cold", 1.1, "s"),
                                       ("load_s/cache=warm", 0.5, "s")]),
    ]  # fmt: skip
    return grids.write(tmp_path_factory.mktemp("results") / "grid", *whole, *rest)


@pytest.fixture(scope="module")
def measured(folder: Path) -> Efficiency:
    """All frames of that study."""
    return efficiency.efficiency(frame.read(folder))


def study(grids: ModuleType, folder: Path, *records: Record) -> derive.Comparison:
    """The comparison of these records alone."""
    return derive.compare(frame.read(grids.write(folder, *records)))


def sentences(folder: Path) -> str:
    """What the report says first of a study."""
    found = frame.read(folder)
    return " ".join(verdict.sentences(findings.find(found, derive.compare(found), frame.documents(folder))))


def test_a_point_and_a_metric_are_one_row(measured: Efficiency) -> None:
    """Three processes of five repeats make one value with an interval that holds it."""
    rows = measured.points[(measured.points["entry"] == "small") & (measured.points["metric"] == "itl")]
    grid = rows[rows["point"].isin(POINTS)]
    assert list(grid["point"]) == POINTS
    assert set(grid["replicates"]) == {3}
    assert set(grid["repeats"]) == {15}
    assert ((grid["lo"] < grid["median"]) & (grid["median"] < grid["hi"])).all()
    assert not measured.points.duplicated(["entry", "probe", "device", "point", "metric", "subset"]).any()


def test_every_way_to_have_no_result_is_a_status(measured: Efficiency) -> None:
    """A clipped point is told from an unsupported cell, and each keeps its reason."""
    bare = measured.points[measured.points["metric"] == ""].set_index("status")
    assert set(bare.index) == {"oom", "clipped", "not_run"}
    assert bare.loc["not_run", "error"] == "the budget of 20 m was used up"
    assert bare["median"].isna().all()


def test_a_lost_process_is_counted(grids: ModuleType, tmp_path: Path) -> None:
    """Two of three processes give a value; that the third ran out of memory stays to be seen."""
    found = study(grids, tmp_path / "s", *(grids.decode("a", replicate=number) for number in (0, 1)),
                  grids.failed("a", Status.OOM, "no memory", replicate=2))  # fmt: skip
    row = found.efficiency.points.query("metric == 'itl'").iloc[0]
    assert (row["replicates"], row["lost"], row["status"]) == (2, 1, "ok")
    assert "2 of 3" in efficiency_tables.probes(found.efficiency, ["a"])[0].markdown()


def test_the_slower_model_is_called_slower_at_every_point(measured: Efficiency) -> None:
    """Ratios are paired by block, near the true 1.3, and over all points tighter than at one."""
    rows = measured.ratios.query("entry == 'large' and metric == 'itl'").set_index("point")
    assert set(rows.index) == {*POINTS, ratios.ALL}
    assert set(rows["verdict"]) == {"slower"}
    assert rows["ratio"].between(1.25, 1.35).all()
    assert set(rows.loc[POINTS, "blocks"]) == {3}
    width = rows["hi"] - rows["lo"]
    assert width[ratios.ALL] < width[POINTS].mean()


def test_without_a_control_nothing_is_called(grids: ModuleType, tmp_path: Path) -> None:
    """However clear the difference is; the reason stands in the row and under the table, and no decoder is named."""
    records = [*grids.grid("small"), *grids.grid("large", size=3)]
    found = study(grids, tmp_path / "s", *records).efficiency
    rows = found.ratios[found.ratios["entry"] == "large"]
    assert (rows["lo"] > 1).all()
    assert rows["floor"].isna().all()
    assert set(rows["verdict"]) == {"no difference shown"}
    assert set(rows["reason"]) == {ratios.NO_CONTROL}
    table = efficiency_tables.comparisons(found, ["small", "large"])[0]
    assert "no difference shown: no control" in table.markdown()
    assert any(note.startswith("No A/A control ran") for note in table.notes)
    assert "No decoder is called fastest (no control)" in sentences(tmp_path / "s")
    with_control = grids.write(tmp_path / "t", *records, *grids.grid("small (again)", name="small"))
    assert "small decodes fastest" in sentences(with_control)


def test_a_control_speaks_for_its_own_probe(grids: ModuleType, tmp_path: Path) -> None:
    """A probe that the control has no result of is not judged by the floor of another."""
    controlled = [*grids.grid("small"), *grids.grid("large", size=1.5), *grids.grid("small (again)", name="small")]
    bare = [*grids.grid("small", probe="other"), *grids.grid("large", size=1.5, probe="other")]
    found = study(grids, tmp_path / "s", *controlled, *bare).efficiency
    rows = found.ratios.query("entry == 'large' and metric == 'itl'").groupby("probe")
    assert rows["verdict"].agg(set).to_dict() == {"decode": {"slower"}, "other": {"no difference shown"}}
    assert rows["reason"].agg(set).to_dict() == {"decode": {""}, "other": {ratios.NO_CONTROL}}
    notes = efficiency_tables.comparisons(found, ["small", "large"])[0].notes
    assert any("the A/A control has no result of other" in note for note in notes)


def test_without_a_common_block_nothing_is_called(grids: ModuleType, tmp_path: Path) -> None:
    """Processes of different blocks have a ratio without an interval."""
    found = study(grids, tmp_path / "s", grids.decode("a"), grids.decode("b", size=2, replicate=1))
    row = found.efficiency.ratios.query("metric == 'itl'").iloc[0]
    assert row["verdict"] == "unpaired"
    assert np.isnan(row["lo"])
    assert row["ratio"] == pytest.approx(2, rel=0.1)


def test_a_baseline_is_what_times_stand_against(folder: Path) -> None:
    """By name; where it was not measured on a probe, the fastest stands in."""
    found = efficiency.efficiency(frame.read(folder), baseline="large")
    assert set(found.ratios["baseline"]) == {"large"}
    assert set(found.ratios.query("entry == 'small'")["verdict"]) == {"faster"}


def test_the_control_is_the_noise_floor_and_no_competitor(folder: Path) -> None:
    """It stands in the sentence under the table, and in no leaderboard, no table, no list of models."""
    found = derive.compare(frame.read(folder))
    floor = found.efficiency.floor.set_index("probe")
    assert list(floor.index) == ["decode", ""]
    assert floor.loc["decode", "device"] == found.efficiency.points["device"].iloc[0]
    assert set(floor["blocks"]) == {3}
    assert floor.loc["", "lo"] <= 1 <= floor.loc["", "hi"]
    assert floor.loc["", "points"] == 4
    assert set(found.entries["entry"]) == {"small", "large"}
    board = tables.leaderboard(found)
    assert "again" not in board.markdown().replace("measured again", "")
    said = [note for note in board.notes if note.startswith("Noise floor: ")]
    assert said[0].endswith("(A/A control of small, 4 points); differences below 2 % are not called.") or (
        said[0].endswith("(A/A control of small, 4 points); differences below it are not called.")
    )
    whole = [table for part in efficiency_tables.tables(found.efficiency, ["small", "large"]) for table in part]
    assert not any("small (again)" in table.markdown() for table in whole)


def test_a_control_without_its_model_is_an_entry(grids: ModuleType, tmp_path: Path) -> None:
    """Alone it controls nothing."""
    found = study(grids, tmp_path / "s", grids.decode("a (again)", name="a"))
    assert list(found.entries["entry"]) == ["a (again)"]
    assert not len(found.efficiency.floor)


def test_the_line_and_the_steps_are_those_that_were_simulated(grids: ModuleType, measured: Efficiency) -> None:
    """Level and slope within their intervals, a gap's context is prompt + 1 + its number."""
    fit = measured.fits.query("entry == 'small' and batch == 1").iloc[0]
    assert fit["b_lo"] <= grids.SLOPE * 1.02
    assert fit["b_hi"] >= grids.SLOPE * 0.98
    assert fit["a"] == pytest.approx(grids.LEVEL, rel=0.05)
    assert (fit["context_lo"], fit["context_hi"], fit["replicates"]) == (33, 144, 3)
    steps = measured.steps.query("entry == 'small' and batch == 1 and prompt == 32")
    assert steps["n"].sum() == 3 * 5 * 16
    assert steps["context"].is_monotonic_increasing
    assert (steps["lo"] <= steps["itl"]).all()


@pytest.mark.parametrize(
    ("repeats", "new", "expected"), [(13, 24, {0.5, 0.9}), (12, 26, {0.5, 0.9, 0.99}), (1, 20, {0.5})]
)
def test_the_99th_percentile_needs_300_steps(
    grids: ModuleType, tmp_path: Path, repeats: int, new: int, expected: set[float]
) -> None:
    """299 steps have none, 300 have one; 19 steps have no 90th percentile either."""
    found = study(grids, tmp_path / "s", grids.decode("a", new=new, repeats=repeats)).efficiency.quantiles
    assert set(found["quantile"]) == expected
    assert set(found["n"]) == {repeats * (new - 1)}


def test_memory_stands_beside_its_prediction(measured: Efficiency) -> None:
    """On a CPU the prediction is set against what the process grew by."""
    row = measured.memory.query("entry == 'small'").iloc[0]
    assert row["measured_as"] == "added_host_bytes"
    assert row["difference"] == pytest.approx(6.5 / 7 - 1)


def test_work_is_set_against_the_peaks(measured: Efficiency) -> None:
    """Achieved rates come from the time that the utilisation was timed by."""
    row = measured.rooflines.query("entry == 'small' and batch == 1 and prompt == 32").iloc[0]
    assert row["flop_s"] == pytest.approx(row["mfu"] * row["peak_flops"], rel=0.02)
    assert (row["bound"], row["ridge"]) == ("memory", 5.0)


def test_who_sets_the_pace_is_shown(grids: ModuleType, tmp_path: Path) -> None:
    """Where the device was traced: its share of the time by kernels, else by events; on a CPU neither is there."""

    def traced(name: str, share: float | None, replicate: int, *, host: bool) -> Record:
        facts = {"cpu_bound": host, "device_share": {"by_events": 0.99, "by_kernels": share}}
        numbers = [("ttft", 0.1, "s"), ("flops", 1e9, "FLOP"), ("moved_bytes", 1e6, "B")]
        point = {"batch": 1, "prompt": 32, "replicate": replicate}
        return grids.single(name, "prefill", numbers, point=point, facts=facts)

    records = [traced("a", share, n, host=True) for n, share in enumerate((0.3, 0.4, 0.5))]
    records += [grids.decode("a"), traced("b", None, 0, host=False)]
    found = study(grids, tmp_path / "s", *records).efficiency
    rows = found.rooflines.set_index(["probe", "entry"])
    assert rows.loc["prefill", "device_share"].to_dict() == {"a": 0.4, "b": 0.99}
    assert rows.loc["prefill", "cpu_bound"].to_dict() == {"a": True, "b": False}
    assert rows.loc["decode", ["device_share", "cpu_bound"]].isna().all(axis=None)
    text = resource_tables.rooflines(found, ["a", "b"]).markdown()
    assert "Device busy" in text
    assert "| host |" in text
    alone = study(grids, tmp_path / "t", grids.decode("a")).efficiency
    assert "Device busy" not in resource_tables.rooflines(alone, ["a"]).markdown()


def test_energy_is_shown_with_its_method(grids: ModuleType, tmp_path: Path) -> None:
    """Joules per token with the meter that counted them; without a meter there is no row but a reason."""
    numbers = [
        ("energy", 30.0, "J"),
        ("energy_net", 20.0, "J"),
        ("power_idle", 60.0, "W"),
        ("energy_tok", 0.5, "J/tok"),
    ]
    facts = {"energy": {"method": "nvml_counter"}}
    found = study(grids, tmp_path / "s", grids.single("a", "prefill", [("ttft", 0.1, "s"), *numbers],
                  point={"batch": 1, "prompt": 32}, facts=facts))  # fmt: skip
    row = found.efficiency.energy.iloc[0]
    assert (row["method"], row["per_unit"], row["unit"], row["joules"]) == ("nvml_counter", 0.5, "J/tok", 30.0)
    text = "".join(t.markdown() for part in efficiency_tables.tables(found.efficiency, ["a"]) for t in part)
    assert "500 mJ/tok" in text


def test_the_leaderboard_shows_one_point_and_says_which(folder: Path) -> None:
    """The smallest batch of the points that most entries completed; one column per metric however large the grid."""
    found = derive.compare(frame.read(folder))
    board = tables.leaderboard(found)
    keys = [column.key for column in board.columns]
    assert keys.count("decode_tok_s") == 1
    assert set(found.speeds.query("metric == 'itl'")["point"]) == {POINTS[0]}
    assert any("of the probe decode at batch 1, prompt 32, new 17;" in note for note in board.notes)
    assert len(board.rows) == 2


def test_what_could_not_be_measured_is_a_word_in_the_leaderboard(grids: ModuleType, tmp_path: Path) -> None:
    """An entry that ran out of memory at the shown point says so there."""
    found = study(grids, tmp_path / "s", grids.decode("a"), grids.decode("c"),
                  grids.failed("b", Status.OOM, "no memory"))  # fmt: skip
    board = tables.leaderboard(found)
    at = [column.key for column in board.columns].index("decode_tok_s")
    assert {row[0].text: row[at].text for row in board.rows}["b"] == "OOM"


def test_noise_is_marked_with_a_legend(grids: ModuleType, tmp_path: Path) -> None:
    """In the leaderboard, in the terminal and in the table of the probe; quiet values carry no mark."""
    found = study(grids, tmp_path / "s", grids.decode("a", noisy=("load average 3.0",)), grids.decode("b"))
    board = tables.leaderboard(found)
    at = [column.key for column in board.columns].index("decode_tok_s")
    marks = {row[0].text: row[at].marks for row in board.rows}
    assert marks == {"a": "‡", "b": ""}
    assert any(note.startswith("‡: noisy") for note in board.notes)
    raw = io.StringIO()
    terminal.show(tmp_path / "s", Console(file=raw, width=120))
    assert "‡: noisy" in raw.getvalue()
    table = efficiency_tables.probes(found.efficiency, ["a", "b"])[0]
    assert "‡" in table.markdown()
    assert "decode_tok_s_noisy" in table.csv()


def test_the_report_has_every_table(folder: Path) -> None:
    """Words for what has no result, the floor, fits, quantiles, memory, conditions; the warning stands once."""
    places = report.build(folder)
    assert places.markdown is not None
    text = places.markdown.read_text(encoding="utf-8")
    for said in ("### Probe decode", "### Probe load", "| OOM |", "| clipped |", "| not run |", "### Faster or slower",
                 "Noise floor: ", "### Time of a decode step against context", "### Gaps between tokens",
                 "### Memory in parts", "### Work against the machine's peaks", "no meter on this machine",
                 "load average 3.0 on 2 cores", "cache=cold"):  # fmt: skip
        assert said in text, said
    assert not [line for line in text.splitlines() if " nan " in line or "None" in line]


def test_one_process_says_so(grids: ModuleType, tmp_path: Path) -> None:
    """Intervals of repeats only are announced, and no ratio is called, be it threefold and beside a control."""
    found = study(grids, tmp_path / "s", grids.decode("a"), grids.decode("b", size=3),
                  grids.decode("a (again)", name="a"))  # fmt: skip
    assert efficiency_tables.ONE in efficiency_tables.probes(found.efficiency, ["a", "b"])[0].notes
    table = efficiency_tables.comparisons(found.efficiency, ["a", "b"])[0]
    assert efficiency_tables.SINGLE in table.notes
    assert f"no difference shown: {ratios.ONE_BLOCK}" in table.markdown()
    assert "No decoder is called fastest (one process each)" in sentences(tmp_path / "s")


def test_alike_failures_and_warnings_of_a_grid_are_one_row(grids: ModuleType, tmp_path: Path) -> None:
    """A grid of failed points does not flood the report."""
    records = [grids.failed("a", Status.OOM, f"batch {batch} does not fit", batch=batch) for batch in (8, 16, 32)]
    noisy = [grids.decode("b", batch=batch, noisy=("load average 3.0",)) for batch in (1, 2)]
    places = report.build(grids.write(tmp_path / "s", *records, *noisy))
    assert places.markdown is not None
    text = places.markdown.read_text(encoding="utf-8")
    assert "batch 8 does not fit (and 2 more)" in text
    assert "batch 16 does not fit" not in text.partition("Cells without a result")[2]
    assert text.count("noisy: load average 3.0 (and 1 more)") == 1
