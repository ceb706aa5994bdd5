"""lm-eval's `results_*.json` and `samples_*.jsonl` -> records and samples, so that old runs join the comparison.

Layer: above `lm_eval_files` and `lm_eval_documents`; it needs no lm-eval. A model or task that has a config here by
the same source gets its label, so that both stand in one row or column. What lm-eval did not write down is not made up:
each record carries a line about it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.exchange import lm_eval_documents as documents
from harness.exchange.lm_eval_files import Run, lines, mapping, runs
from harness.exchange.ours import Ours, ours
from harness.records import Cell, Measurement, Record, Sample, Status
from harness.store import Store
from harness.tasks.measure import unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_KINDS = {
    "multiple_choice": "multiple_choice",
    "generate_until": "generation",
    "loglikelihood": "language_modelling",
    "loglikelihood_rolling": "language_modelling",
}
_NO_METRIC = frozenset({"alias", "name", "sample_len", "samples", "sample_count"})
MISSING = "lm-eval did not record times, memory, tokens, or whether prompts were cut"


@final
@dataclass(frozen=True, kw_only=True)
class Imported:
    """What was found.

    Attributes:
        results: records with their samples, oldest first.
        lines: what a reader must know: what is missing, what was renamed, what was replaced.
    """

    results: tuple[tuple[Record, tuple[Sample, ...]], ...]
    lines: tuple[str, ...]


def read(path: Path, *, model: str = "", tasks: Mapping[str, str] | None = None) -> Imported:
    """Records and samples of every run of lm-eval under a file or folder.

    Args:
        path: a `results_*.json`, or the folder that was lm-eval's `--output_path`.
        model: label of the model; empty for that of our config with the same source, else the source's last part.
        tasks: our label by lm-eval's name, where they are to differ from our configs'.

    Raises:
        ConfigError: there is nothing to read, or a file is damaged; the line names it.
    """
    known = ours()
    found: list[tuple[Record, tuple[Sample, ...]]] = []
    notes: list[str] = []
    for run in runs(path):
        for task, leaves in documents.known_tasks(run.data).items():
            asked = _Asked.of(run, task, leaves, known, model=model, names=tasks or {})
            record, kept, said = _result(run, asked)
            found.append((record, kept))
            notes += [*said, *asked.strange]
    last = {record.cell.id: place for place, (record, _) in enumerate(found)}
    if len(last) < len(found):
        notes.append(
            f"{len(found) - len(last)} results were repeated later with the same settings: the last ones count"
        )
    kept = tuple(found[place] for place in sorted(last.values()))
    return Imported(results=kept, lines=tuple(dict.fromkeys(notes)))


def bring(path: Path, study: Path, *, model: str = "", tasks: Mapping[str, str] | None = None) -> Imported:
    """Reads runs of lm-eval and writes them into the folder of a study, beside what is there.

    Raises:
        ConfigError: as `read`.
    """
    found = read(path, model=model, tasks=tasks)
    store = Store(study)
    for record, samples in found.results:
        store.write(record, samples)
    return found


@final
@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A task or group of a run, and what it is called here."""

    theirs: str
    leaves: tuple[str, ...]
    label: str
    ours: Mapping[str, Any]
    model: Mapping[str, Any]
    name: str

    @property
    def strange(self) -> list[str]:
        """That no config of ours is of this task, where nobody said what it is called here."""
        if self.ours or self.label != self.theirs:
            return []
        hint = f"--task {self.theirs}=OURS puts it beside one of ours"
        return [f"{self.theirs}: no task here is this one of lm-eval's, so it stands under its own name; {hint}"]

    @classmethod
    def of(  # noqa: PLR0913 - what is asked, by whom, and its two ways of being named
        cls, run: Run, task: str, leaves: Sequence[str], ours: Ours, *, model: str, names: Mapping[str, str]
    ) -> _Asked:
        source = _source(run)
        known = ours.models.get(source, {})
        leaf = ours.tasks.get(task, {})
        label = names.get(task) or str(leaf.get("name") or task)
        name = model or str(known.get("name") or "") or (source.rstrip("/").rpartition("/")[2] or source or "unnamed")
        return cls(theirs=task, leaves=tuple(leaves), label=label, ours=leaf, model=known, name=name)


def _result(run: Run, asked: _Asked) -> tuple[Record, tuple[Sample, ...], list[str]]:
    kept: list[Sample] = []
    notes: list[str] = []
    grouped = asked.leaves != (asked.theirs,)
    for leaf in asked.leaves:
        if leaf not in run.samples:
            notes.append(f"{run.file.name}: no samples_{leaf}_*.jsonl beside it: {leaf} is shown but cannot be paired "
                         "(lm-eval writes it with --log_samples)")  # fmt: skip
            continue
        config = mapping(mapping(run.data.get("configs")).get(leaf))
        kept += documents.samples(lines(run.samples[leaf]), config, subset=leaf if grouped else "")
    numbers, refused = _numbers(run, asked, kept)
    notes += [f"{run.file.name}: {asked.theirs}: {line}" for line in refused]
    warnings = [f"imported from lm-eval {run.data.get('lm_eval_version') or '(version unknown)'}: {MISSING}"]
    status, error = (Status.OK, "") if numbers else (Status.FAILED, "lm-eval's file holds no number for this task")
    record = Record(
        cell=_cell(run, asked, [m.metric for m in numbers]), status=status, measurements=tuple(numbers),
        warnings=tuple(warnings), error=error, provenance=_provenance(run, asked, kept),
    )  # fmt: skip
    return record, tuple(kept), notes


def _numbers(run: Run, asked: _Asked, kept: Sequence[Sample]) -> tuple[list[Measurement], list[str]]:
    """The whole task's numbers, then for a group those of its tasks; and why some are missing."""
    found, refused = _of_task(run, asked.theirs, kept, subset="")
    primary = [str(name) for name in asked.ours.get("metrics") or ()]
    found.sort(key=lambda m: (m.subset != "", primary.index(m.metric) if m.metric in primary else len(primary)))
    if asked.leaves != (asked.theirs,):
        for leaf in asked.leaves:
            own = [sample for sample in kept if sample.subset == leaf]
            more, why = _of_task(run, leaf, own, subset=f"task={leaf}")
            found, refused = [*found, *more], [*refused, *why]
    return found, refused


def _of_task(run: Run, task: str, kept: Sequence[Sample], *, subset: str) -> tuple[list[Measurement], list[str]]:
    results = mapping(mapping(run.data["results"]).get(task)) or mapping(mapping(run.data.get("groups")).get(task))
    parts = [(key, *key.partition(",")[::2]) for key in results]
    config = mapping(mapping(run.data.get("configs")).get(task))
    first = documents.first_filter(config, [name for _, _, name in parts if name] or ["none"])
    higher = mapping(mapping(run.data.get("higher_is_better")).get(task))
    n = _number(run, task, results, kept)
    found: list[Measurement] = []
    refused: list[str] = []
    for key, metric, named in parts:
        value, other = results[key], (named or first) != first
        if metric in _NO_METRIC or metric.endswith("_stderr") or isinstance(value, bool | str) or (subset and other):
            continue
        if _finite(value) is None:
            refused.append(f"{key} is {value}: left out, since it is not a finite number")
            continue
        stderr = _finite(results.get(f"{metric}_stderr,{named}" if named else f"{metric}_stderr"))
        if stderr is None and not other:
            stderr = documents.standard_error(kept, metric, float(value))
        found.append(Measurement(
            metric=metric, value=float(value), unit=unit(metric), stderr=stderr, n=n,
            subset=f"filter={named}" if other else subset, higher_is_better=_direction(higher.get(metric)),
        ))  # fmt: skip
    return found, refused


def _cell(run: Run, asked: _Asked, metrics: Sequence[str]) -> Cell:
    config = mapping(mapping(run.data.get("configs")).get(asked.leaves[0]))
    arguments = {k: v for k, v in run.arguments.items() if k not in {"pretrained", "dtype", "revision", "peft"}}
    shots = _shots(run, asked)
    declared = [str(name) for name in asked.ours.get("metrics") or () if name in metrics]
    declared = declared or [name for name in metrics if name == "bits_per_byte"] or list(metrics[:1])
    workload: dict[str, Any] = {
        "name": asked.label,
        "kind": str(asked.ours.get("kind") or _KINDS.get(str(config.get("output_type")), "generation")),
        "source": asked.theirs,
        "shots": shots,
        "limit": _limit(run, asked),
        "metrics": declared,
    }
    if asked.ours.get("chance") is not None:
        workload["chance"] = asked.ours["chance"]
    device = str(run.config.get("device") or run.arguments.get("device") or "unknown").partition(":")[0]
    template = run.data.get("chat_template_sha")
    spec = {
        "model": {"name": asked.name, "source": _source(run), **({"arguments": arguments} if arguments else {}),
                  **({"chat_template": str(template)} if template else {})},
        "method": {"name": "peft" if run.arguments.get("peft") else "none"},
        "workload": workload,
        "device": {"kind": device, "slug": f"lm-eval-{device}", "name": f"a run of lm-eval on {device}"},
    }  # fmt: skip
    # Where no examples are drawn the seed says nothing, and ours is 0.
    seed = _int(run.config.get("fewshot_seed")) or 0 if shots else 0
    return Cell(
        model=asked.name, method=spec["method"]["name"], workload=asked.label, kind="task", seed=seed, spec=spec
    )


def _provenance(run: Run, asked: _Asked, kept: Sequence[Sample]) -> dict[str, Any]:
    data, config = run.data, run.config
    leaf = mapping(mapping(data.get("configs")).get(asked.leaves[0]))
    versions = sorted({str(v) for one in asked.leaves if (v := mapping(data.get("versions")).get(one)) is not None})
    sizes = [mapping(mapping(data.get("n-samples")).get(one)) for one in asked.leaves]
    return {
        "harness": "", "commit": "", "started": run.started, "seconds": None, "imported": run.file.name,
        "versions": {"lm_eval": str(data.get("lm_eval_version") or ""),
                     "transformers": str(data.get("transformers_version") or "")},
        "subject": {
            "source": _source(run), "family": asked.model.get("family"),
            "revision": str(config.get("model_sha") or config.get("model_revision") or "") or None,
            "dtype": str(config.get("model_dtype") or run.arguments.get("dtype") or "").removeprefix("torch.") or None,
            "parameters": _int(config.get("model_num_parameters")), "context": _int(data.get("max_length")),
            **run.loading,
        },
        "task": {
            "lm_eval": str(data.get("lm_eval_version") or ""), "tasks": len(asked.leaves),
            "version": ", ".join(versions),
            "split": str(leaf.get("test_split") or leaf.get("validation_split") or leaf.get("training_split") or ""),
            "dataset": str(leaf.get("dataset_path") or ""), "limit": _limit(run, asked), "shots": _shots(run, asked),
            "documents": len(kept) or sum(_int(one.get("effective")) or 0 for one in sizes) or None,
            "available": sum(_int(one.get("original")) or 0 for one in sizes) or None,
        },
    }  # fmt: skip


def _source(run: Run) -> str:
    """What was loaded: a hub name or a folder."""
    given = run.arguments.get("pretrained") or run.arguments.get("model") or run.data.get("model_name")
    return re.sub(r"\s+", " ", str(given or run.config.get("model") or ""))


def _shots(run: Run, asked: _Asked) -> int:
    counts = mapping(run.data.get("n-shot"))
    return next((n for one in (asked.theirs, *asked.leaves) if (n := _int(counts.get(one))) is not None), 0)


def _limit(run: Run, asked: _Asked) -> int | None:
    """Documents asked for, of a fraction what it came to; None for all."""
    limit = run.config.get("limit")
    if limit is None:
        return None
    sizes = [_int(mapping(mapping(run.data.get("n-samples")).get(one)).get("effective")) for one in asked.leaves]
    return sum(size or 0 for size in sizes) or _int(limit)


def _number(run: Run, task: str, results: Mapping[str, Any], kept: Sequence[Sample]) -> int:
    size = _int(mapping(mapping(run.data.get("n-samples")).get(task)).get("effective"))
    return size or len(kept) or _int(results.get("sample_len")) or _int(results.get("sample_count")) or 1


def _direction(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _int(value: Any) -> int | None:
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else None
