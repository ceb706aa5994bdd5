"""Bad input is one line that says what is wrong, where, and what would be right; before any weight is loaded."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config import ConfigError, construct
from harness.tasks import checks, recipe, rows, sources
from harness.tasks.own import OwnData
from harness.tasks.spec import Task

GOOD: dict[str, Any] = {"name": "t", "kind": "classification", "source": "sst2", "metrics": ["acc"]}
YAML = """task: t
dataset_path: json
dataset_kwargs: {data_files: {test: t.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{text}}"
doc_to_choice: [bad, good]
doc_to_target: label
"""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"limit": 0}, "limit=0 is not a valid value"),
        ({"limit": -3}, "limit=-3 is not a valid value"),
        ({"limit": 2.5}, "limit=2.5 is not a valid value"),
        ({"shots": -1}, "shots=-1 is not a valid value"),
        ({"shots": True}, "shots=True is not a valid value: a whole number"),
        ({"seed": "abc"}, "seed='abc' is not a valid value: a whole number"),
        ({"chance": 1.5}, "chance=1.5 is not a valid value"),
        ({"kind": "clasification"}, "did you mean 'classification'"),
        ({"metrics": []}, "at least one metric"),
        ({"source": ""}, "give either a source"),
        ({"max_new_tokens": 0}, "max_new_tokens=0"),
        ({"source": "", "data": {"file": "x.csv", "template": "{a}", "targt": "b"}}, "did you mean 'target'"),
        ({"source": "", "data": {"file": "x.csv", "template": "{a}", "target": "b"}}, "data.choices is needed"),
        ({"source": "", "data": {"file": "x.csv", "template": "{a", "target": "b"}}, "literal brace"),
        ({"source": "", "data": {"file": "x.csv", "template": "{a.b}", "target": "b"}}, "plain field name"),
        ({"source": "", "data": {"file": "x.csv", "template": "text", "target": "b"}}, "at least one {field}"),
        ({"source": "", "data": {"file": "x.csv", "template": "{a}", "target_is": "txt"}}, "did you mean 'text'"),
        (
            {"source": "", "data": {"file": "x.csv", "template": "{a}", "target": "b", "choices": [True, False]}},
            "quote them: YAML reads yes/no as true/false",
        ),
        (
            {"source": "", "data": {"file": "x.csv", "template": "{a}", "target": "b", "choices": ["x"]}},
            "two different",
        ),
        (
            {"source": "", "data": {"file": "x.csv", "template": "{a}", "target": "b", "choices": ["x", ""]}},
            "none empty",
        ),
    ],
)
def test_values_are_checked_at_construction(change: dict[str, Any], message: str) -> None:
    """A wrong value never makes a task."""
    with pytest.raises(ConfigError) as caught:
        construct({"_target_": "harness.tasks.spec.Task", **GOOD, **change}, where="task.t")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("a: [1", '{"text": "x", "label": 0}', "not YAML"),
        ("- a", '{"text": "x", "label": 0}', "must be a YAML mapping"),
        ("dataset_path: json", '{"text": "x", "label": 0}', "has no `task:`"),
        (YAML + "include: t.yaml", '{"text": "x", "label": 0}', "includes itself"),
        (YAML, None, "its test data file"),
        (YAML, "", "has no rows"),
        (YAML, '{"text": "x", "label": 0}\n{"text": ', "t.jsonl:2: not JSON"),
        (YAML, '{"text": "x", "label": 0}\n[1]', "t.jsonl:2: not a JSON object but list"),
        (YAML, '{"txt": "x", "label": 0}', "doc_to_text uses field 'text', which no row of"),
        (YAML, '{"txt": "x", "label": 0}', "did you mean 'txt'"),
        (YAML, '{"text": "x", "label": 0}\n{"label": 0}', "t.jsonl:2: field 'text' is missing"),
        (YAML.replace("test_split: test", "test_split: tset"), '{"text": "x", "label": 0}', "did you mean 'test'"),
        (YAML.replace("{{text}}", "{{text"), '{"text": "x", "label": 0}', "template '{{text'"),
    ],
)
def test_a_local_yaml_is_checked(text: str, data: str | None, message: str, tmp_path: Path) -> None:
    """A fault in the YAML or its data names the file, and the line where there is one."""
    (tmp_path / "t.yaml").write_text(text)
    if data is not None:
        (tmp_path / "t.jsonl").write_text(data)
    with pytest.raises(ConfigError) as caught:
        Task(**{**GOOD, "source": str(tmp_path / "t.yaml")}).check()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_yaml_is_answered_with_the_nearest_definition() -> None:
    """A path that is nowhere."""
    with pytest.raises(ConfigError, match=r"no task file 'local/sst.yaml'.*did you mean 'local/sst2.yaml'"):
        Task(**{**GOOD, "source": "local/sst.yaml"}).check()


def test_missing_data_folder_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment variable that names the folder is part of the message."""
    monkeypatch.setenv(recipe.DATA_FOLDER, str(tmp_path))
    with pytest.raises(ConfigError, match=r"sst2_dev\.jsonl is missing; set HARNESS_DATA to the folder"):
        Task(**{**GOOD, "source": "local/sst2.yaml"}).check()


OWN = OwnData(file="t.jsonl", template="Text: {text}\nAnswer:", target="label", choices=["bad", "good"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"text": "a", "label": "bad"}, {"label": "bad"}], "t.jsonl:2: field 'text' is missing"),
        ([{"text": "a", "label": "fine"}], "t.jsonl:1: field 'label' is \"fine\", not among the choices bad, good"),
        ([{"text": "a", "label": 2}], "t.jsonl:1: field 'label' is 2, not among"),
        ([{"text": "a", "label": True}], "t.jsonl:1: field 'label' is true, not among"),
        ([{"text": None, "label": 0}], "t.jsonl:1: field 'text' is null"),
        ([{"text": ["a"], "label": 0}], "t.jsonl:1: field 'text' is a list"),
        ([{"txt": "a", "label": 0}], "template uses field 'text', which no row has: did you mean 'txt'"),
        ([{"text": "a", "lable": 0}], "target uses field 'label', which no row has: did you mean 'lable'"),
        ([], "t.jsonl: has no rows"),
    ],
)
def test_own_rows_are_checked(lines: list[Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A malformed row is reported with file, line and field."""
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(ConfigError) as caught:
        Task(name="t", kind="classification", metrics=["acc"], data=OWN).check()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"a,b\n1,2\n1\n", "t.csv:3: 1 cells, the header has 2"),
        ("t.csv", b"a,a\n1,2\n", "t.csv:1: the header needs one distinct name per column"),
        ("t.csv", b"a,b\n", "t.csv: has no rows"),
        ("t.csv", b'a,b\n"x"y,2\n', "t.csv:2: not CSV"),
        ("t.jsonl", b'{"a": "\xff"}', "t.jsonl: not utf-8 text (byte 7)"),
        ("t.jsonl", b'{"a": "\\ud83d\\ude00"}\n{"a": "\\ud83d"}', r"t.jsonl:2: \ud83d is half of a character"),
        ("t.json", b'[{"a": "\\udc00"}]', "t.json:1: "),
        ("t.json", b'{"a": 1}', "not a JSON array of objects"),
        ("t.json", b"[1]", "item 1 is not a JSON object"),
        ("t.xlsx", b"", "unknown kind of data file"),
    ],
)
def test_files_are_checked(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    """A file that cannot be read says why."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        rows.read(tmp_path / name)
    assert message in str(caught.value)


def test_an_unknown_encoding_is_named(tmp_path: Path) -> None:
    """Python's codecs know no utf-99."""
    (tmp_path / "t.jsonl").write_text("{}")
    with pytest.raises(ConfigError, match="encoding='utf-99' is not known"):
        rows.read(tmp_path / "t.jsonl", encoding="utf-99")


def golds(items: list[dict[str, Any]], target_is: str = "auto") -> list[int]:
    """The right options of rows with `choices` and `target`, in a file in the working directory."""
    Path("g.jsonl").write_text("".join(json.dumps({"text": "x", **item}) + "\n" for item in items))
    data = OwnData(file="g.jsonl", template="{text}", target="target", choices="choices", target_is=target_is)
    return [document["gold"] for document in data.documents("multiple_choice")]


NUMBERS = [{"choices": ["1", "2", "3"], "target": target} for target in (0, 1, 2)]
SUMS = [{"choices": ["2", "4", "1"], "target": 1}, {"choices": ["0", "2", "5"], "target": 2}]


def test_a_file_names_its_right_options_in_one_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All targets are texts or all are positions; where both fit and differ, the user says which."""
    monkeypatch.chdir(tmp_path)
    assert golds(NUMBERS) == [0, 1, 2]
    assert golds([{"choices": ["1", "2", "3"], "target": target} for target in (3, 1)]) == [2, 0]
    assert golds([{"choices": ["0", "1"], "target": "1"}, {"choices": ["0", "1"], "target": 0}]) == [1, 0]
    assert golds(SUMS, "text") == [2, 1]
    assert golds(SUMS, "position") == [1, 2]
    with pytest.raises(ConfigError, match=r"g\.jsonl:1: .* set data\.target_is=text or data\.target_is=position"):
        golds(SUMS)
    with pytest.raises(ConfigError, match=r"g\.jsonl:2: field 'target' is 1, not among .* all texts or all positions"):
        golds([{"choices": ["a", "b"], "target": "a"}, {"choices": ["a", "b"], "target": 1}])
    with pytest.raises(ConfigError, match=r"g\.jsonl:2: field 'target' is 7, not among the choices a, b$"):
        golds([{"choices": ["a", "b"], "target": 0}, {"choices": ["a", "b"], "target": 7}])


def test_unknown_metrics_are_found_before_a_model_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For own data and a local YAML, with what lm-eval takes for granted and with what the YAML lists."""
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_text('{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n')
    Path("t.yaml").write_text(YAML)
    Path("listed.yaml").write_text(YAML + "metric_list: [{metric: acc}, {metric: brier_score}]\n")
    for where in ({"data": OWN}, {"source": "t.yaml"}):
        Task(name="t", kind="classification", metrics=["acc_norm", "mcc"], **where).check()
        with pytest.raises(ConfigError, match="task t: metric 'acc_nrm' is not among its metrics: did you mean 'acc_n"):
            Task(name="t", kind="classification", metrics=["acc_nrm"], **where).check()
    Task(name="t", kind="multiple_choice", metrics=["brier_score"], source="listed.yaml").check()
    with pytest.raises(ConfigError, match="metric 'acc_norm' is not among its metrics"):
        Task(name="t", kind="multiple_choice", metrics=["acc_norm"], source="listed.yaml").check()


def test_csv_keeps_lines_and_line_breaks(tmp_path: Path) -> None:
    """Quoted line breaks belong to the cell; the row's line is where it starts; a BOM is no part of the header."""
    (tmp_path / "t.csv").write_text('\ufeffa,b\n"x\ny",1\n\nz,2\u2028\x85\n', encoding="utf-8")
    assert [(row.line, row.fields) for row in rows.read(tmp_path / "t.csv")] == [
        (2, {"a": "x\ny", "b": "1"}),
        (5, {"a": "z", "b": "2\u2028\x85"}),
    ]


def test_more_shots_than_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A document cannot be its own example, so one row less than the file has is there."""
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_text('{"text": "a", "label": 0}\n{"text": "b", "label": 1}\n')
    Path("t.yaml").write_text(YAML)
    for where in ({"data": OWN}, {"source": "t.yaml"}):
        Task(name="t", kind="classification", metrics=["acc"], shots=1, **where).check()
        with pytest.raises(ConfigError, match=r"shots=2, but .* has only 1 examples"):
            Task(name="t", kind="classification", metrics=["acc"], shots=2, **where).check()


def test_the_examples_of_the_guide_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The YAML of `definitions/README.md` constructs; its own-data task and its lm-eval YAML pass their check."""
    blocks = re.findall(r"```yaml\n(.*?)```", (sources.DEFINITIONS / "README.md").read_text(), re.DOTALL)
    named, recipe_yaml, tickets = blocks
    monkeypatch.chdir(tmp_path)
    Path("tickets.csv").write_text("text,team\ncard refused,billing\nit broke,support\n")
    Path("data").mkdir()
    for split in ("test", "train"):
        Path(f"data/my_{split}.jsonl").write_text('{"question": "q", "choices": ["a", "b"], "answer": 1}\n')
    Path("my-task.yaml").write_text(recipe_yaml)
    construct(yaml.safe_load(named), where="named")
    construct(yaml.safe_load(tickets), where="tickets").check()
    local = Task(name="my", kind="multiple_choice", source="my-task.yaml", metrics=["acc"], shots=1)
    local.check()
    assert local.forecast() == {"documents": 1, "requests": 2}


def test_forecast_counts_documents_and_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known for local data, after the limit; unknown for what only the hub has."""
    monkeypatch.chdir(tmp_path)
    Path("t.jsonl").write_text('{"text": "a", "label": 0}\n' * 6)
    Path("t.yaml").write_text(YAML)
    assert Task(**{**GOOD, "source": "t.yaml"}).forecast() == {"documents": 6, "requests": 12}
    assert Task(**{**GOOD, "source": "t.yaml", "limit": 4}).forecast() == {"documents": 4, "requests": 8}
    assert Task(name="t", kind="classification", metrics=["acc"], data=OWN, limit=99).forecast() == {
        "documents": 6,
        "requests": 12,
    }
    assert Task(**GOOD).forecast() is None


def test_templates_name_their_fields() -> None:
    """Fields in a Jinja template, in a bare field name, and none in a function."""
    assert checks.template_fields("{{a.b|join(' ')}} {{[c, 'd']}}", {"x"}) == {"a", "c"}
    assert checks.template_fields("x", {"x"}) == {"x"}
    assert checks.template_fields("!function utils.f", set()) == set()
