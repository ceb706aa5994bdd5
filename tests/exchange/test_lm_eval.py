"""lm-eval's own files come in as results that can be paired with ours."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from harness import analysis
from harness.analysis import comparisons, derive, frame, pairing
from harness.config import ConfigError
from harness.devices import Device
from harness.exchange import lm_eval
from harness.records import Status
from harness.tasks.spec import Task

if TYPE_CHECKING:
    from pathlib import Path

KINDS = {"choice": "multiple_choice", "answer": "generation", "prose": "language_modelling"}
METRICS = {"choice": "acc", "answer": "exact_match", "prose": "bits_per_byte"}


def written(folder: Path, change: Any = None, *, samples: bool = True, **data: Any) -> Path:
    """Files as lm-eval writes them, of one task, with changes."""
    folder.mkdir(parents=True, exist_ok=True)
    whole: dict[str, Any] = {
        "results": {"sst2": {"alias": "sst2", "acc,none": 0.5, "acc_stderr,none": 0.25}},
        "configs": {"sst2": {"output_type": "multiple_choice", "validation_split": "validation"}},
        "versions": {"sst2": 1.0}, "n-shot": {"sst2": 0}, "higher_is_better": {"sst2": {"acc": True}},
        "n-samples": {"sst2": {"original": 872, "effective": 2}}, "lm_eval_version": "0.4.9", "date": 1.7e9,
        "config": {"model": "hf", "model_args": {"pretrained": "openai-community/gpt2"}, "device": "cuda:0"},
    }  # fmt: skip
    whole |= data
    if change:
        change(whole)
    (folder / "results_2025-01-01T00-00-00.json").write_text(json.dumps(whole))
    rows = [
        {"doc_id": i, "doc": {"sentence": f"s{i}"}, "target": "1", "filter": "none", "metrics": ["acc"],
         "acc": float(i),
         "arguments": {"gen_args_0": {"arg_0": "q", "arg_1": " no"}, "gen_args_1": {"arg_0": "q", "arg_1": " yes"}},
         "resps": [[["-2.0", "False"]], [[f"{-3 + 2 * i}", "False"]]]}
        for i in (1, 0)
    ]  # fmt: skip
    if samples:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "samples_sst2_2025-01-01T00-00-00.jsonl").write_text(text)
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_a_real_run_pairs_with_ours_document_by_document(name: str, theirs: Any) -> None:
    """Ids, prompts, answers and scores of lm-eval's logged documents are those of our own run of the same task."""
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    device = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=8, memory=2**33)
    subject = load(ModelSpec(name="tiny", family="gpt2", source=str(theirs.model)), device, lambda *_: None)
    task = Task(name=name, kind=KINDS[name], source=str(theirs.yamls[name]), metrics=(METRICS[name],))
    ours = task.run(subject, lambda *_: None)
    record, samples = next(one for one in lm_eval.read(theirs.folder).results if one[0].cell.workload == name)
    assert [(s.item_id, s.index, s.gold, s.pred) for s in samples] == [
        (s.item_id, s.index, s.gold, s.pred) for s in ours.samples
    ]
    assert [s.prompt for s in samples] == [s.prompt for s in ours.samples]
    assert [s.prompt_hash for s in samples] == [s.prompt_hash for s in ours.samples]
    for mine, other in zip(ours.samples, samples, strict=True):
        assert other.options == mine.options
        assert other.logprobs == pytest.approx(mine.logprobs, abs=1e-3)
        assert other.metrics == pytest.approx(mine.metrics, abs=1e-3)
    value = next(m for m in record.measurements if m.metric == METRICS[name])
    assert value.value == pytest.approx(theirs.found["results"][name][f"{METRICS[name]},none"])
    assert value.n == len(samples)
    assert record.provenance["task"]["version"] == ours.facts["version"]
    assert record.provenance["task"]["split"] == ours.facts["split"]


def test_a_real_run_becomes_a_study(theirs: Any, tmp_path: Path) -> None:
    """The study loads like any other; what lm-eval did not record is said; no secret of the command is kept."""
    study = tmp_path / "results" / "old"
    found = lm_eval.bring(theirs.folder, study)
    assert {record.cell.model for record, _ in found.results} == {"tiny-model"}
    table = analysis.load(study)
    assert set(table.loc[table["primary"], "workload"]) == set(KINDS)
    assert set(table["dtype"]) == {"float32"}
    assert len(analysis.samples(study)) == 30
    assert "did not record times" in analysis.cells(study)["warnings"].iloc[0][0]
    assert not any(b"hf_secret" in path.read_bytes() for path in study.rglob("*") if path.is_file())


def test_it_joins_our_configs_under_their_names(tmp_path: Path) -> None:
    """A model and a task of the same source get our labels, kind, metrics and chance."""
    ((record, samples),) = lm_eval.read(written(tmp_path / "a")).results
    assert (record.cell.model, record.cell.workload, record.cell.seed) == ("gpt2", "sst2", 0)
    node = record.cell.spec["workload"]
    assert (node["kind"], node["metrics"], node["chance"], node["shots"]) == ("classification", ["acc"], 0.5, 0)
    assert [(s.index, s.gold, s.pred) for s in samples] == [(0, "yes", "no"), (1, "yes", "yes")]
    assert record.measurements[0].stderr == 0.25
    (renamed,) = lm_eval.read(written(tmp_path / "b"), model="mine", tasks={"sst2": "films"}).results
    assert (renamed[0].cell.model, renamed[0].cell.workload) == ("mine", "films")


def test_a_limited_run_is_not_paired_with_a_whole_one(tmp_path: Path) -> None:
    """The first documents of a limited run are other documents than ours: pairing says limit and documents."""
    whole = lm_eval.read(written(tmp_path / "a")).results[0]
    config = {"model": "hf", "model_args": "pretrained=gpt2", "limit": 2}
    limited = lm_eval.read(written(tmp_path / "b", config=config)).results[0]
    one, other = (
        pairing.terms(r, metric="acc", items={x.item_id: x.prompt_hash for x in s}) for r, s in (whole, limited)
    )
    assert pairing.refusals(one, other) == ["limit differs: all and 2"]


def test_imported_models_are_judged_where_terms_agree_and_refused_where_not(tmp_path: Path) -> None:
    """Two models on the same documents are paired; a third, of another version of the task, is refused by name."""
    study = tmp_path / "study"
    for name, version in (("one", 1.0), ("two", 1.0), ("three", 2.0)):
        lm_eval.bring(written(tmp_path / name, versions={"sst2": version}), study, model=name)
    whole = frame.read(study)
    found = comparisons.judged(whole, derive.compare(whole), frame.documents(study))
    assert [{v.claim.a, v.claim.b} for v in found.verdicts] == [{"one", "two"}]
    assert found.verdicts[0].word == "inconclusive"
    assert len(found.refused) == 2
    assert found.refused["reason"].str.contains("version of the task differs: ").all()


def test_groups_are_one_task_with_subsets(tmp_path: Path) -> None:
    """A group and its tasks become one result: the group's number first, its tasks as subsets, ids within each."""

    def change(data: dict[str, Any]) -> None:
        data["results"] = {
            "mmlu": {"acc,none": 0.5, "acc_stderr,none": 0.1, "alias": "mmlu"},
            "sst2": {"acc,none": 0.5, "acc_stderr,none": 0.25},
        }
        data["group_subtasks"] = {"mmlu": ["sst2"]}

    ((record, samples),) = lm_eval.read(written(tmp_path / "a", change)).results
    assert record.cell.workload == "mmlu"
    assert [(m.metric, m.subset) for m in record.measurements] == [("acc", ""), ("acc", "task=sst2")]
    assert {sample.subset for sample in samples} == {"sst2"}


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    """No documents, a number that is none, no number at all, a result measured twice: a line for each."""
    results = {"sst2": {"acc,none": float("nan")}, "piqa": {"acc,none": 0.5}}
    found = lm_eval.read(written(tmp_path / "a", samples=False, results=results))
    text = "\n".join(found.lines)
    assert "acc,none is nan: left out" in text
    assert "piqa is shown but cannot be paired" in text
    assert {record.cell.workload: record.status for record, _ in found.results} == {
        "sst2": Status.FAILED, "piqa": Status.OK,
    }  # fmt: skip
    shutil.copytree(written(tmp_path / "twice" / "one"), tmp_path / "twice" / "two")
    again = lm_eval.read(tmp_path / "twice")
    assert len(again.results) == 1
    assert "1 results were repeated" in again.lines[-1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("results_x.json", "{", "cannot be read as JSON"),
        ("results_x.json", "[]", "not a result of lm-eval"),
        ("results_x.json", '{"config_general": {}}', "not a result of lm-eval"),
        ("notes.txt", "hello", "holds no results_"),
    ],
)
def test_damaged_files_are_one_line(name: str, text: str, message: str, tmp_path: Path) -> None:
    """A file that is not lm-eval's is named, with what would be right."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        lm_eval.read(tmp_path)


def test_half_a_file_of_documents_is_named_with_its_line(tmp_path: Path) -> None:
    """A run that was killed while writing: FILE:LINE."""
    folder = written(tmp_path)
    path = next(folder.glob("samples_*"))
    path.write_text(path.read_text()[:-20])
    with pytest.raises(ConfigError, match=r"samples_sst2.*jsonl:2: not JSON"):
        lm_eval.read(folder)
    with pytest.raises(ConfigError, match="no such file or folder"):
        lm_eval.read(tmp_path / "nowhere")


def test_hostile_names_stay_inside_the_study(tmp_path: Path) -> None:
    """A task named like a path and a model named like a tag are written under the study's own folder."""
    name = "../../<script>alert(1)</script>"
    found = lm_eval.bring(
        written(tmp_path / "in", results={name: {"acc,none": 0.5}}), tmp_path / "out" / "study", model="<b>&\"'"
    )
    assert len(found.results) == 1
    assert frame.load(tmp_path / "out" / "study")["workload"].tolist() == [name]
    assert {p.name for p in tmp_path.iterdir()} == {"in", "out"}


def test_a_task_of_our_own_files_is_known_by_the_name_that_its_file_gives_it(tmp_path: Path) -> None:
    """`zoo_sentiment` of `zoo/sentiment.yaml` is our zoo-sentiment; what is no task of ours says so, unless named."""
    path = written(tmp_path / "out", samples=False)
    data = json.loads((path / "results_2025-01-01T00-00-00.json").read_text().replace("sst2", "zoo_sentiment"))
    (path / "results_2025-01-01T00-00-00.json").write_text(json.dumps(data))
    found = lm_eval.read(path)
    assert found.results[0][0].cell.workload == "zoo-sentiment"
    assert not any("under its own name" in line for line in found.lines)
    strange = json.loads(json.dumps(data).replace("zoo_sentiment", "my_task"))
    (path / "results_2025-01-01T00-00-00.json").write_text(json.dumps(strange))
    assert any("my_task: no task here is this one" in line for line in lm_eval.read(path).lines)
    named = lm_eval.read(path, tasks={"my_task": "mine"})
    assert not any("under its own name" in line for line in named.lines)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ("pretrained", "none", None)),
        ({"load_in_8bit": "True"}, ("pretrained", "int8", None)),
        ({"load_in_4bit": "True", "bnb_4bit_quant_type": "nf4"}, ("pretrained", "nf4", None)),
        ({"gptqmodel": "True", "attn_implementation": "eager"}, ("pretrained", "other", "eager")),
    ],
)
def test_what_the_arguments_say_of_loading_is_kept(
    arguments: dict[str, str], expected: tuple[str | None, ...], tmp_path: Path
) -> None:
    """Weights, quantisation and attention of a model of transformers; nothing is made up of other kinds."""

    def change(data: dict[str, Any], *, kind: str = "hf") -> None:
        data["config"] |= {"model": kind, "model_args": {"pretrained": "gpt2", **arguments}}

    subject = lm_eval.read(written(tmp_path / "out", change)).results[0][0].provenance["subject"]
    assert tuple(subject.get(key) for key in ("weights", "quantisation", "attention")) == expected
    other = lm_eval.read(written(tmp_path / "api", lambda data: change(data, kind="openai-completions")))
    assert "weights" not in other.results[0][0].provenance["subject"]


def test_bits_per_byte_come_with_the_error_that_ours_have(theirs: Any, tmp_path: Path) -> None:
    """lm-eval gives none: it follows from the documents, weighted by their bytes; and they are what is ranked."""
    lm_eval.bring(theirs.folder, tmp_path / "old")
    row = analysis.load(tmp_path / "old").query("workload == 'prose' and primary").iloc[0]
    assert row["metric"] == "bits_per_byte"
    documents = analysis.samples(tmp_path / "old").query("workload == 'prose'")
    sizes, values = documents["metric:bytes"], documents["metric:bits_per_byte"]
    residuals = sizes * (values - row["value"])
    n = len(documents)
    assert row["stderr"] == pytest.approx((residuals.pow(2).sum() / (n - 1) / n) ** 0.5 / sizes.mean())
    assert row["ci_lo"] < row["value"] < row["ci_hi"]
