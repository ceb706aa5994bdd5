"""The command as a user runs it: what it prints, its exit codes, and one clear line for bad input."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import harness as package
from harness.store import Store

if TYPE_CHECKING:
    from conftest import Command

BASE = ("run", "model=mini-gpt2-s", "task=zoo-story")


def test_version_and_help(harness: Command) -> None:
    """`--version` and the two helps answer with exit code 0."""
    assert harness("--version").stdout == f"harness {package.__version__}\n"
    assert "COMMAND" in harness("--help").stdout
    assert "--dry-run" in harness("run", "--help").stdout


@pytest.mark.parametrize("command", [["--help"], ["list", "models"], ["run", "--help"]])
def test_light_commands_import_nothing_heavy(command: list[str]) -> None:
    """Help and lists answer at once because they leave torch, Hydra and pandas alone."""
    code = (
        "import sys\nfrom harness.cli import main\n"
        f"try:\n    main({command!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'transformers', 'lm_eval', 'hydra', 'pandas', 'matplotlib', 'datasets'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "what", ["models", "tasks", "probes", "suites", "experiments", "methods", "devices", "scoring", "reports"]
)
def test_list_names_every_config_and_says_what_it_is(harness: Command, repository: Path, what: str) -> None:
    """Each config of the group stands on a line of its own with a description."""
    done = harness("list", what)
    lines = dict(line.split(None, 1) for line in done.stdout.splitlines())
    names = {p.stem for p in (repository / "conf" / what.removesuffix("s")).glob("*.yaml")} - (
        {"none"} if what != "methods" else set()
    )
    assert set(lines) == names
    assert all(lines.values())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("run", "model=gtp2", "task=zoo-story"), "unknown model 'gtp2': did you mean 'gpt2'?"),
        (("run", "task=zoo-stry"), "unknown task 'zoo-stry': did you mean 'zoo-story'?"),
        (("run", "experiment=quikstart"), "unknown experiment 'quikstart': did you mean 'quickstart'?"),
        (("run", "modle=gpt2"), "unknown key 'modle': did you mean 'model'?"),
        ((*BASE, "model.dtpe=float32"), "model: unknown key 'dtpe': did you mean 'dtype'?"),
        ((*BASE, "model.dtype=flaot32"), "dtype='flaot32' is not a valid value: did you mean 'float32'?"),
        ((*BASE, "task.zoo-stry.limit=3"), "task.zoo-stry: no task of that name is chosen: did you mean 'zoo-story'?"),
        ((*BASE, "limit=0"), "limit=0"),
        ((*BASE, "limit=-5"), "limit=-5"),
        ((*BASE, "shots=-1"), "shots=-1"),
        ((*BASE, "study=a/b"), "study='a/b'"),
        (("run", "model=mini-gpt2-s"), "nothing to measure"),
        (("run", "model=[a"), "cannot be read"),
        ((*BASE, "device=cuda"), "device=cuda"),
        ((*BASE, "device.threads=0"), "threads=0 must be a whole number of at least 1"),
        ((*BASE, "++model.source=./nowhere"), "nowhere"),
        ((*BASE, "device.batch=1.5"), "batch=1.5 must be a whole number"),
        ((*BASE, "retry=maybe"), "retry='maybe' is not a valid value: true or false"),
        ((*BASE, "scoring=refrence"), "unknown scoring 'refrence': did you mean 'reference'?"),
        ((*BASE, "report.formats=[pdf]"), "report: "),
        ((*BASE, "hydra/launcher=submit"), "launcher 'submit' is unknown or not installed"),
        ((*BASE, "--foo"), "unrecognized arguments: --foo"),
        ((*BASE, "study=über"), "quote a value"),
        (("list", "modles"), "nothing to list"),
        (("report", "nothing-here"), "no records of a study 'nothing-here'"),
    ],
)
def test_bad_input_is_one_line(harness: Command, tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    """One line that names the fault, exit code 2, no traceback, and nothing left behind."""
    if "device=cuda" in arguments and _has_cuda():
        pytest.skip("this machine has a CUDA device")
    done = harness(*arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.json"))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def test_dtype_that_the_device_lacks(harness: Command) -> None:
    """A dtype without arithmetic on the device is refused before any weight is loaded."""
    if "avx512_fp16" in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.skip("this processor has float16 arithmetic")
    done = harness(*BASE, "device=cpu", "model.dtype=float16")
    assert done.returncode == 2
    assert "dtype=float16 is not supported" in done.stderr


def test_dry_run_names_cells_and_loads_nothing(harness: Command, tmp_path: Path) -> None:
    """The cells of a sweep, their documents and requests, and that none is done; no file is written."""
    done = harness("run", "--dry-run", "-m", "model=mini-gpt2-s,mini-neox", "task=zoo-story,zoo-list", "limit=10")
    assert done.returncode == 0, done.stderr
    assert "4 cells, 0 done, 4 to do" in done.stdout
    assert done.stdout.count("mini-neox") == 2
    assert " 40 " in done.stdout  # ten stories with four endings each
    assert not (tmp_path / "results").exists()


def test_hydras_own_flags_still_work(harness: Command) -> None:
    """`--cfg job` prints the composed config, with the user's override in it."""
    done = harness("run", "--cfg", "job", "model=gpt2", "model.dtype=bfloat16")
    assert done.returncode == 0, done.stderr
    assert "dtype: bfloat16" in done.stdout


def test_a_users_own_conf_folder_is_searched_first(harness: Command, tmp_path: Path) -> None:
    """A model file beside the user's work is a model, listed as theirs; nothing of the package is edited."""
    folder = tmp_path / "conf" / "model"
    folder.mkdir(parents=True)
    shipped = (Path(package.__file__).parent.parent / "conf/model/mini-gpt2-s.yaml").read_text(encoding="utf-8")
    (folder / "mine.yaml").write_text(shipped.replace("name: mini-gpt2-s", "name: mine"), encoding="utf-8")
    assert "mine" in [line.split()[0] for line in harness("list", "models").stdout.splitlines() if "(yours)" in line]
    done = harness("run", "--dry-run", "model=mine", "task=zoo-story")
    assert done.returncode == 0, done.stderr
    assert "mine" in done.stdout


def test_a_leaf_without_its_package_line_is_explained(harness: Command, tmp_path: Path) -> None:
    """The one line that people forget in their own task file is named."""
    folder = tmp_path / "conf" / "task"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("_target_: harness.tasks.spec.Task\nname: mine\n", encoding="utf-8")
    done = harness("run", "model=mini-gpt2-s", "task=mine")
    assert done.returncode == 2
    assert "must begin with the line `# @package task.mine`" in done.stderr


def test_a_config_that_is_not_yaml_is_named(harness: Command, tmp_path: Path) -> None:
    """The user's file and its line, and no traceback."""
    folder = tmp_path / "conf" / "task"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# @package task.mine\na: [1\n", encoding="utf-8")
    done = harness("run", "model=mini-gpt2-s", "task=mine")
    assert done.returncode == 2
    assert "mine.yaml, line " in done.stderr
    assert done.stderr.count("\n") == 1
    (folder / "mine.yaml").write_bytes(b"\xff\xfe")
    assert "mine.yaml: not UTF-8 text" in harness("run", "model=mini-gpt2-s", "task=mine").stderr
    assert "not UTF-8 text" in harness("list", "tasks").stdout


def test_results_that_cannot_be_written(harness: Command, tmp_path: Path) -> None:
    """A results folder that is a file is told before any weight is loaded."""
    (tmp_path / "taken").write_text("")
    done = harness(*BASE, "results=taken")
    assert done.returncode == 2
    assert "results cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_doctor_says_what_this_machine_can_do(harness: Command) -> None:
    """Device, versions, hub and which models fit, with exit code 0."""
    done = harness("doctor")
    assert done.returncode == 0, done.stderr
    for word in ("torch", "device=auto", "bfloat16", "hub", "gpt2-xl", "float32"):
        assert word in done.stdout


def test_records_hold_no_private_path(harness: Command, tmp_path: Path) -> None:
    """Neither a folder nor the environment is in a record, though data and results were named by whole paths."""
    rows = [{"text": f"the soup was {word}", "label": word} for word in ("cold", "warm")] * 3
    data = tmp_path / "mine.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    conf = tmp_path / "conf" / "task"
    conf.mkdir(parents=True)
    leaf = {"_target_": "harness.tasks.spec.Task", "name": "mine", "kind": "classification", "metrics": ["acc"]}
    leaf["data"] = {"file": str(data), "template": "{text}", "target": "label", "choices": ["cold", "warm"]}
    (conf / "mine.yaml").write_text(f"# @package task.mine\n{json.dumps(leaf)}\n", encoding="utf-8")
    arguments = ("run", "model=mini-gpt2-s", "task=mine", f"task.mine.data.file={data}", f"results={tmp_path}/private")
    done = harness(*arguments, MY_API_KEY="very-secret-value")
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = (tmp_path / "private" / "default" / "records").rglob("*.json")
    text = record.read_text(encoding="utf-8")
    assert json.loads(text)["status"] == "ok"
    assert "mine.jsonl" in text
    assert str(tmp_path) not in text
    assert "very-secret-value" not in text


def test_a_closed_pipe_does_not_stop_the_measuring(tmp_path: Path) -> None:
    """`harness run … | head -1` measures everything all the same."""
    words = "run model=mini-gpt2-s task=zoo-story,zoo-list limit=4 study=piped"
    command = f"set -o pipefail; {sys.executable} -m harness {words} | head -1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "results/piped/records").rglob("*.json"))) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("harness run -m model=gpt2-", "model=gpt2-large"),
        ("harness run model=gpt2 task=zoo-st", "task=zoo-story"),
        ("harness run devi", "device="),
        ("harness re", "report"),
    ],
)
def test_the_shell_completes_commands_and_overrides(harness: Command, line: str, expected: str) -> None:
    """What the shell function of `harness run -sc install=bash` asks is answered with choices."""
    done = harness("-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout.split()


@pytest.fixture(scope="module")
def two_studies(tmp_path_factory: pytest.TempPathFactory, repository_data: dict[str, Any]) -> Path:
    """A folder of results with the records of two models in two studies."""
    folder = tmp_path_factory.mktemp("work")
    for study in ("first", "second"):
        for model in ("mini-neox", "mini-gpt2-s"):
            for task in ("topic", "agreement"):
                record, samples = repository_data["task_record"](model, task, documents=40)
                Store(folder / "results" / study).write(record, samples)
    return folder


@pytest.fixture(scope="module")
def repository_data() -> dict[str, Any]:
    """The functions that make synthetic records."""
    return runpy.run_path(str(Path(__file__).parent / "data" / "synthetic.py"))


def test_compare_prints_differences_and_verdicts(harness: Command, two_studies: Path) -> None:
    """Two entries of a study: a line per task with interval and verdict; two studies: a line per entry and task."""
    done = harness("compare", "mini-neox", "mini-gpt2-s", "--study", "first", cwd=two_studies)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mini-neox and mini-gpt2-s in first")
    lines = [line for line in done.stdout.splitlines() if line.startswith(("topic", "agreement", "mean"))]
    assert len(lines) == 3
    assert all(any(w in line for w in ("better", "worse", "equivalent", "inconclusive")) for line in lines)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("report", "first", "--against", "first"), "that is the study itself"),
        (("report", "first", "--against", "secnd"), "did you mean 'second'"),
    ],
)
def test_comparisons_that_cannot_be(harness: Command, two_studies: Path, words: tuple[str, ...], expected: str) -> None:
    """One line and exit code 2."""
    done = harness(*words, cwd=two_studies)
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_report_against_another_study(harness: Command, two_studies: Path) -> None:
    """The report holds a section on the other study, and the terminal the same comparison in letters it knows."""
    done = harness("report", "first", "--against", "second", cwd=two_studies, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "first beside second" in done.stdout
    page = (two_studies / "results/first/report/report.md").read_text(encoding="utf-8")
    assert "## Beside second" in page
    assert "of 4 comparisons of an entry on a task" in page
