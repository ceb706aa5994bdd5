"""Task specs -> lm-eval task objects with their data.

Layer: tasks; imports lm_eval. Only the files that a task names are read: lm-eval's own index is never built. Local JSON
data is read directly, everything else through `datasets`.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import logging
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import datasets
import jinja2
from datasets.exceptions import DatasetsError
from lm_eval.api.task import ConfigurableTask
from lm_eval.config.task import TaskConfig
from lm_eval.defaults import default_gen_kwargs
from lm_eval.tasks._yaml_loader import load_yaml

from harness.config import nearest
from harness.tasks import own_config, recipe, rows, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.records import Progress
    from harness.tasks.own import OwnData
    from harness.tasks.spec import Task

_NOT_CONFIG = ("tag", "group", "task_list", "include")
_DATA_ERRORS = (OSError, ValueError, RuntimeError, DatasetsError)


@final
@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One lm-eval task, ready to be asked.

    Attributes:
        name: its own name, as in `mmlu_anatomy`.
        task: the lm-eval object.
        data: where its documents come from.
    """

    name: str
    task: ConfigurableTask
    data: str


def load(spec: Task, progress: Progress) -> tuple[Loaded, ...]:
    """Every lm-eval task that `spec` stands for.

    Raises:
        ValueError: one line: the data cannot be loaded, or lm-eval cannot build the task.
    """
    with _quiet():
        if spec.data is not None:
            return (_own(spec, spec.data),)
        found: list[Loaded] = []
        leaves = sources.leaves(spec.source)
        for done, leaf in enumerate(leaves):
            progress("loading data", done, len(leaves))
            found.append(_leaf(spec, leaf))
        progress("loading data", len(leaves), len(leaves))
        return tuple(found)


def _own(spec: Task, data: OwnData) -> Loaded:
    config, splits = own_config.build(spec, data)
    config["custom_dataset"] = _given({name: table(items, spec.name) for name, items in splits.items()})
    task = _built(lambda: ConfigurableTask(config=config), name=spec.name, where=spec.name)
    return Loaded(name=spec.name, task=task, data=_digest(Path(data.file).expanduser()))


def _leaf(spec: Task, leaf: sources.Leaf) -> Loaded:
    config = {**_yaml(leaf), **leaf.overrides}
    for key in _NOT_CONFIG:
        config.pop(key, None)
    metadata = config.get("metadata") or {}
    config["metadata"] = metadata if isinstance(metadata, dict) else {"_metadata": metadata}
    if "class" in config:
        return _of_class(spec, config, leaf)
    _check_keys(config, leaf)
    _apply(spec, config)
    data = _attach(config, leaf)
    task = _built(lambda: ConfigurableTask(config=config), name=leaf.name, where=sources.shown(leaf.path))
    return Loaded(name=leaf.name, task=task, data=data)


def _yaml(leaf: sources.Leaf) -> dict[str, Any]:
    """The YAML with its functions, which are imported from the task's own Python."""
    try:
        return load_yaml(leaf.path)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise ValueError(
            f"task {leaf.name}: {sources.shown(leaf.path)}: its Python cannot be imported: {_line(error)}"
        ) from error


def _of_class(spec: Task, config: dict[str, Any], leaf: sources.Leaf) -> Loaded:
    """A task written in Python: it loads its data itself."""
    cls = config["class"]
    accepts = "config" in inspect.signature(cls.__init__).parameters
    try:
        task = cls(config=config) if accepts else cls()
    except _DATA_ERRORS as error:
        raise ValueError(_unreachable(getattr(cls, "DATASET_PATH", "?"), leaf.name, error)) from error
    if not isinstance(task, ConfigurableTask):
        where = sources.shown(leaf.path)
        raise ValueError(f"task {leaf.name}: {where} is not built on ConfigurableTask: not supported")  # noqa: TRY004
    task.config.task = leaf.name
    task.config.num_fewshot = spec.shots
    if spec.max_new_tokens is not None:
        task.config.generation_kwargs = {**(task.config.generation_kwargs or {}), "max_gen_toks": spec.max_new_tokens}
    return Loaded(name=leaf.name, task=task, data=_hub_name(task.DATASET_PATH, task.DATASET_NAME))


def _apply(spec: Task, config: dict[str, Any]) -> None:
    """What the spec says goes before what the YAML says."""
    config["num_fewshot"] = spec.shots
    if spec.max_new_tokens is not None and config.get("output_type", "generate_until") == "generate_until":
        given = config.get("generation_kwargs") or default_gen_kwargs(config.get("fewshot_delimiter", "\n\n"))
        config["generation_kwargs"] = {**given, "max_gen_toks": spec.max_new_tokens}


def _attach(config: dict[str, Any], leaf: sources.Leaf) -> str:
    """Puts the data of a YAML into its config, and says where it comes from."""
    if config.get("custom_dataset") is not None:
        return "made by the task's own function"
    files = recipe.data_files(config, leaf.path.parent)
    path, name = config.get("dataset_path"), config.get("dataset_name")
    options: dict[str, Any] = dict(config.pop("dataset_kwargs", None) or {})
    options.pop("trust_remote_code", None)  # datasets 4 refuses it; code of a data set is never run
    if files is not None and path == "json":
        tables = {split: table([row.fields for row in rows.read(file)], file.name) for split, file in files.items()}
        config["custom_dataset"] = _given(tables)
        return ", ".join(_digest(file) for file in files.values())
    if files is not None:
        options["data_files"] = {split: str(file) for split, file in files.items()}
    try:
        found: Any = datasets.load_dataset(str(path), name, **options)
    except _DATA_ERRORS as error:
        raise ValueError(_unreachable(_hub_name(path, name), leaf.name, error)) from error
    config["custom_dataset"] = _given(found)
    return _hub_name(path, name)


def _given(tables: Any) -> Callable[..., Any]:
    """lm-eval asks a function for the data, with the metadata as arguments."""
    return lambda **_: tables


def table(items: list[dict[str, Any]], where: str) -> datasets.Dataset:
    """Rows as a data set.

    Raises:
        ValueError: a field holds values of different kinds.
    """
    names = list(dict.fromkeys(name for item in items for name in item))
    try:
        return datasets.Dataset.from_dict({name: [item.get(name) for item in items] for name in names})
    except (ValueError, TypeError) as error:  # pyarrow's errors are both
        raise ValueError(f"{where}: a field has values of different kinds ({_line(error)})") from error


def _built(build: Callable[[], ConfigurableTask], *, name: str, where: str) -> ConfigurableTask:
    try:
        return build()
    except jinja2.UndefinedError as error:
        raise ValueError(f"task {name}: {where}: a template uses a field the documents lack: {error}") from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, ImportError, AssertionError) as error:
        raise ValueError(
            f"task {name}: {where}: lm-eval cannot build it: {type(error).__name__}: {_line(error)}"
        ) from error


def _check_keys(config: Mapping[str, Any], leaf: sources.Leaf) -> None:
    known = [field.name for field in fields(TaskConfig)]
    for key in config:
        if key not in known:
            raise ValueError(f"{sources.shown(leaf.path)}: unknown key {key!r}: {nearest(key, known)}")


def _unreachable(dataset: str, task: str, error: Exception) -> str:
    return f"dataset {dataset} of task {task} could not be loaded: {_line(error)}; is the hub reachable?"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _hub_name(path: Any, name: Any) -> str:
    return "/".join(str(part) for part in (path, name) if part)


def _digest(file: Path) -> str:
    return f"{file.name} sha256:{hashlib.sha256(file.read_bytes()).hexdigest()[:12]}"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """lm-eval warns about every default it takes, and datasets draws bars: the record says what was used instead."""
    loggers = [logging.getLogger(name) for name in ("lm_eval", "lm_eval.api.task", "lm_eval.config.task")]
    levels = [logger.level for logger in loggers]
    bars = not datasets.are_progress_bars_disabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    if bars:
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            datasets.enable_progress_bars()
