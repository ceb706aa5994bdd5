"""The robustness benchmark: the requests it makes, and the command as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import varied

TEXTS = ["a gripping film with a clever ending", "the jokes never land and the story is dull"]


def bench(repository, *arguments):
    """What `python -m benchmarks.robustness` printed and returned."""
    command = [sys.executable, "-m", "benchmarks.robustness", *arguments]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, timeout=300, check=False)


def test_one_cell_for_each_perturbation_and_severity():
    """The clean texts and three severities of each; every cell has all documents."""
    cells = varied.suite(TEXTS, ("keyboard_typo", "upper_case"))
    assert next(iter(cells)) == "clean"
    assert cells["clean"] == TEXTS
    assert set(cells) - {"clean"} == {f"{n}@{s}" for n in ("keyboard_typo", "upper_case") for s in varied.SEVERITIES}
    assert {len(cell) for cell in cells.values()} == {len(TEXTS)}
    assert cells["upper_case@0.5"] != TEXTS


def test_all_are_those_of_the_suite(repository):
    """`--perturbations all` stands for the suite that users run."""
    import yaml

    suite = yaml.safe_load((repository / "conf/suite/robustness.yaml").read_text(encoding="utf-8"))
    assert list(varied.names("all")) == suite["defaults"][0]["override /perturbation"]
    assert tuple(suite["severity"]) == varied.SEVERITIES


def test_an_unknown_perturbation_is_answered_with_the_nearest():
    """One line."""
    with pytest.raises(ValueError, match="did you mean 'keyboard_typo'"):
        varied.names("keyboard_typos")


def test_the_command_prints_a_last_line_for_machines(repository, tmp_path):
    """A quick run of a tiny model ends with finite figures, and both answer alike."""
    out = tmp_path / "bench.json"
    done = bench(repository, "--model", "tiny", "--quick", "--threads", "1", "--json", str(out))
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("bench: ")
    figures = {key: float(value) for key, _, value in (pair.partition("=") for pair in last.split()[1:])}
    assert figures["cells"] == 7
    assert figures["requests"] == 7 * 2 * 24
    assert 0 < figures["least"] <= figures["ratio"] <= figures["most"]
    assert figures["together"] > 0
    assert 0 < figures["shared"] < 1
    assert figures["difference"] < 1e-3
    assert figures["flips"] == 0
    assert len(json.loads(out.read_text(encoding="utf-8"))["cells"]) == 7


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--model", "gtp2"), "invalid choice"),
        (("--model", "tiny", "--perturbations", "typo"), "there is no perturbation 'typo'"),
    ],
)
def test_a_bad_argument_is_one_line(repository, arguments, line):
    """It says what is wrong."""
    done = bench(repository, *arguments)
    assert done.returncode in (1, 2)
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
