"""A study goes out whole: checked tables, a table for papers, and one clear line where a package is missing."""

from __future__ import annotations

import argparse
import importlib.util
import runpy
import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness import analysis
from harness.config import ConfigError
from harness.exchange import commands, export

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
    """Parquet and CSV hold the same rows, and the same numbers as `analysis.load` of the study itself."""
    numbers = analysis.load(study)
    back = analysis.load(written)
    assert len(back) == len(numbers)
    assert back["value"].sum() == pytest.approx(numbers["value"].sum())
    assert set(analysis.timings(written)["metric"]) == {"ttft", "itl", "decode_tok_s", "prefill_tok_s"}
    for name in ("measurements", "samples", "timings", "comparisons"):
        table = pd.read_parquet(written / f"{name}.parquet")
        assert len(pd.read_csv(written / f"{name}.csv", low_memory=False)) == len(table)


def test_comparisons_state_their_evidence(written: Path) -> None:
    """Every pair on every task and on the mean: interval, adjusted p-value, and a verdict that follows from them."""
    pairs = analysis.compare(written)
    tasks = pairs[pairs["task"] != "mean over tasks"]
    assert len(tasks) == 3 * 5 + 2 * 1
    better = pairs["verdict"].isin(["better", "worse"])
    assert better.any()
    assert (pairs.loc[better, "p_holm"] < 0.05).all()
    assert ((pairs["ci_lo"] > 0) | (pairs["ci_hi"] < 0))[better].all()
    assert (pairs.loc[pairs["verdict"] == "inconclusive", "mde80"] > 0).all()
    assert set(tasks["tests"]) == {len(tasks)}


def test_a_study_that_breaks_the_schema_is_not_exported(study: Path, tmp_path: Path) -> None:
    """A record whose metric carries a foreign unit is one line, and nothing is written."""
    copy = tmp_path / "copy"
    shutil.copytree(study, copy)
    path = next(path for path in (copy / "records").rglob("*.json") if '"ttft"' in path.read_text())
    path.write_text(path.read_text().replace('"unit": "s"', '"unit": "tok"'))
    with pytest.raises(ConfigError, match=r"table measurements, column unit, row .* is not the unit of"):
        commands.send(copy, "csv", tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


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
