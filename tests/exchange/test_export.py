"""A study goes out whole: checked tables, a table for papers, and one clear line where a package is missing."""

from __future__ import annotations

import argparse
import importlib.util
import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness import analysis
from harness.config import ConfigError
from harness.exchange import commands, export, tidy

SYNTHETIC = Path(__file__).parents[1] / "data" / "synthetic.py"


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three models on seven tasks and a probe, with failures and files that are no records."""
    folder = tmp_path_factory.mktemp("results") / "small"
    return runpy.run_path(str(SYNTHETIC))["build"](
        folder, documents=60, models=("mini-gpt2-s", "mini-gptj", "mini-gpt2-l")
    )


@pytest.fixture(scope="session")
def written(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study as tables."""
    out = tmp_path_factory.mktemp("tables")
    export.export(study, "csv", out)
    return out


def test_the_tables_hold_what_the_study_holds(study: Path, written: Path) -> None:
    """Parquet and CSV hold the same rows, and the same numbers as `analysis.load`."""
    found = tidy.read(written)
    numbers = analysis.load(study)
    assert len(found["measurements"]) == len(numbers)
    assert found["measurements"]["value"].sum() == pytest.approx(numbers["value"].sum())
    assert set(found["timings"]["metric"]) == {"ttft", "itl", "decode_tok_s", "prefill_tok_s"}
    for name, table in found.items():
        assert len(pd.read_csv(written / f"{name}.csv", low_memory=False)) == len(table)


def test_comparisons_state_their_evidence(written: Path) -> None:
    """Every pair on every task: interval, correlation, adjusted p-value, and a verdict that follows from them."""
    pairs = tidy.read(written)["comparisons"]
    assert len(pairs) == 3 * 5 + 2 * 1
    better = pairs["verdict"].isin(["better", "worse"])
    assert better.any()
    assert (pairs.loc[better, "p_holm"] < 0.05).all()
    assert ((pairs["ci_lo"] > 0) | (pairs["ci_hi"] < 0))[better].all()
    assert (pairs.loc[pairs["verdict"] == "inconclusive", "mde80"] > 0).all()
    assert set(pairs["tests"]) == {len(pairs)}


@pytest.mark.parametrize(
    ("table", "column", "value", "message"),
    [
        ("measurements", "value", np.nan, "value is a finite number"),
        ("measurements", "unit", "ms", "unit is one of"),
        ("measurements", "status", "great", "status is a known one"),
        ("comparisons", "ci_lo", 9.0, "ci_lo <= diff"),
        ("comparisons", "p_holm", -1.0, "p_holm >= p_raw"),
        ("samples", "item_id", "", "item_id is not empty"),
    ],
)
def test_a_broken_row_is_refused_by_name(written: Path, table: str, column: str, value: object, message: str) -> None:
    """On reading as on writing: the table, the rule and the row."""
    found = {name: frame.copy() for name, frame in tidy.read(written).items()}
    found[table].loc[2, column] = value
    with pytest.raises(ValueError, match=f"table {table}, row 2 .*{message}"):
        tidy.check(found)


def test_a_repeated_row_and_a_missing_table_are_refused(written: Path, tmp_path: Path) -> None:
    """A measurement stands once; a folder without its tables is named."""
    found = tidy.read(written)
    found["measurements"] = pd.concat([found["measurements"], found["measurements"].iloc[:1]], ignore_index=True)
    with pytest.raises(ValueError, match="occur once"):
        tidy.check(found)
    with pytest.raises(ValueError, match=r"no measurements\.parquet"):
        tidy.read(tmp_path)


def test_latex_has_a_row_per_entry_and_escapes_names(study: Path, tmp_path: Path) -> None:
    """A table for booktabs: columns match, special letters are escaped, a missing score is a dash."""
    (path,) = export.export(study, "latex", tmp_path)
    lines = path.read_text().splitlines()
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 1 + 3
    assert {line.count(" & ") for line in rows} == {7}
    assert r"review\_sentiment" in rows[0]
    assert sum(line.count(r"\textbf") for line in rows) >= 7
    assert any(" & -- " in line for line in rows)


@pytest.mark.parametrize("form", ["tensorboard", "wandb", "mlflow"])
def test_an_optional_package_is_used_or_asked_for(form: str, study: Path, tmp_path: Path) -> None:
    """With the package runs are written without a network; without it one line says what to install."""
    if importlib.util.find_spec(form):
        assert export.export(study, form, tmp_path / form)
    else:
        with pytest.raises(ConfigError, match=f"needs the package {form}: pip install {form}"):
            export.export(study, form, tmp_path / form)


def test_an_unknown_form_is_told_the_nearest(study: Path, tmp_path: Path) -> None:
    """`cvs` is close to `csv`."""
    with pytest.raises(ConfigError, match="did you mean 'csv'"):
        export.export(study, "cvs", tmp_path)


def test_the_commands_say_what_they_did(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`harness export` prints the files; `harness import` refuses a study that is a path and a task that is no pair."""
    monkeypatch.chdir(tmp_path)
    assert commands.send(study, "latex", tmp_path / "out") == 0
    assert capsys.readouterr().out.strip().endswith("scores.tex")
    parser = argparse.ArgumentParser()
    commands.add_import(parser)
    for words, message in (
        (["lm-eval", "x", "--study", "../y"], "name of a study"),
        (["lm-eval", "x", "--task", "a"], "give lm-eval's name and ours"),
        (["lm-eval", "x"], "no such file or folder"),
    ):
        options = parser.parse_args(words)
        with pytest.raises(ConfigError, match=message):
            options.command(options)
