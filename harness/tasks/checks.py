"""Faults in a task's files, and its size, found without weights and without lm-eval.

Layer: tasks, light. What only lm-eval or the hub knows is checked when the task is loaded.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from harness.config import ConfigError, nearest
from harness.tasks import metric_names, own_config, recipe, rows, sources

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.tasks.spec import Task

_TEMPLATES = ("doc_to_text", "doc_to_target", "doc_to_choice")


def check(spec: Task) -> None:
    """Everything `Task.check` promises.

    Raises:
        ConfigError: one line.
    """
    if spec.data is not None:
        config, splits = own_config.build(spec, spec.data)
        examples = len(splits["train"])
        _check_shots(spec, examples if spec.data.train else examples - 1, spec.data.train)
        _check_metrics(spec, [config])
        return
    path = sources.locate(spec.source)
    if path is None:
        sources.index.find(spec.source)
        return
    local = [leaf for leaf in sources.leaves(spec.source) if sources.index.folder() not in leaf.path.parents]
    for leaf in local:
        _check_recipe(spec, leaf)
    _check_metrics(spec, [_content(leaf) for leaf in local])


def forecast(spec: Task) -> dict[str, int] | None:
    """Documents and requests of a task over local data; None where the data is elsewhere or made by a function.

    Where documents differ in their number of options and a limit is set, the requests are those of a mean document.
    """
    if spec.data is not None:
        documents = spec.data.documents(spec.kind)
        return _capped(spec, [len(document.get("choices", "?")) for document in documents])
    if sources.locate(spec.source) is None:
        return None
    counts: list[int] = []
    for leaf in sources.leaves(spec.source):
        found = _requests(leaf)
        if found is None:
            return None
        counts += found
    return _capped(spec, counts)


def _capped(spec: Task, counts: list[int]) -> dict[str, int]:
    documents = min(len(counts), spec.limit or len(counts))
    return {"documents": documents, "requests": round(sum(counts) * documents / len(counts))}


def _check_shots(spec: Task, available: int, where: str | None) -> None:
    if spec.shots > available:
        place = where or "the file itself"
        raise ConfigError(f"task {spec.name}: shots={spec.shots}, but {place} has only {max(available, 0)} examples")


def _check_metrics(spec: Task, contents: Sequence[Mapping[str, Any]]) -> None:
    """A metric must be one of every task's; tasks whose metrics only lm-eval knows are checked when they are loaded."""
    known = [names for content in contents if (names := metric_names.of_recipe(content)) is not None]
    if known:
        metric_names.check(spec, set.intersection(*known))


def _content(leaf: sources.Leaf) -> dict[str, Any]:
    return {**recipe.read(leaf.path), **leaf.overrides}


def _check_recipe(spec: Task, leaf: sources.Leaf) -> None:
    content = _content(leaf)
    if "class" in content:
        return
    if not isinstance(content.get("dataset_path"), str) and "custom_dataset" not in content:
        raise ConfigError(f"{leaf.path}: names no `dataset_path`")
    files = recipe.data_files(content, leaf.path.parent)
    if files is None:
        return
    for split, file in files.items():
        if not file.is_file():
            raise ConfigError(_missing(leaf, split, file))
    _check_splits(leaf, content, files)
    parsed = {split: rows.read(file) for split, file in files.items()}
    _check_templates(leaf, content, parsed[eval_split(content)], files)
    examples = _fewshot_split(content)
    if spec.shots and examples in parsed and not _made_by_function(content):
        own = 1 if examples == eval_split(content) else 0
        _check_shots(spec, len(parsed[examples]) - own, str(files[examples]))


def _missing(leaf: sources.Leaf, split: str, file: Path) -> str:
    line = f"{leaf.path.name}: its {split} data file {file} is missing"
    if recipe.DATA_FOLDER in leaf.path.read_text(encoding="utf-8"):
        return f"{line}; set {recipe.DATA_FOLDER} to the folder that holds {file.name}"
    return line


def _check_splits(leaf: sources.Leaf, content: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    keys = ("test_split", "validation_split", "training_split", "fewshot_split")
    used = {key: content[key] for key in keys if content.get(key)}
    if not eval_split(content):
        raise ConfigError(f"{leaf.path}: names neither a test_split nor a validation_split")
    for key, split in used.items():
        if split not in files:
            raise ConfigError(f"{leaf.path}: {key}={split!r} is not among its data_files: {nearest(split, files)}")


def eval_split(content: Mapping[str, Any]) -> str:
    """The split lm-eval takes documents from."""
    return content.get("test_split") or content.get("validation_split") or ""


def _fewshot_split(content: Mapping[str, Any]) -> str:
    """The split few-shot examples come from, by lm-eval's order of preference; empty where the YAML lists them."""
    configured = content.get("fewshot_config") or {}
    if configured.get("samples") is not None and not configured.get("split") and not content.get("fewshot_split"):
        return ""
    splits = (configured.get("split"), content.get("fewshot_split"), content.get("training_split"))
    return next((s for s in splits if s), content.get("validation_split") or eval_split(content))


def _made_by_function(content: Mapping[str, Any]) -> bool:
    return content.get("process_docs") is not None or content.get("custom_dataset") is not None


def _check_templates(
    leaf: sources.Leaf, content: Mapping[str, Any], data: list[rows.Row], files: Mapping[str, Path]
) -> None:
    if _made_by_function(content):
        return
    known = {name for row in data for name in row.fields}
    for key in _TEMPLATES:
        template, file = content.get(key) or "", files[eval_split(content)]
        for name in template_fields(template, known):
            if name not in known:
                raise ConfigError(
                    f"{leaf.path}: {key} uses field {name!r}, which no row of {file} has: {nearest(name, known)}"
                )
            row = next((row for row in data if row.fields.get(name) is None), None)
            if row is not None and not _conditional(template):
                raise ConfigError(f"{file}:{row.line}: field {name!r} is missing, {key} of {leaf.path.name} uses it")


def _conditional(template: str) -> bool:
    """Whether a template may well do without a field of a row."""
    return "{%" in template or " if " in template


def template_fields(template: Any, known: set[str]) -> set[str]:
    """Fields a YAML value of lm-eval reads from a document: a bare field name, or the names in a Jinja template.

    Raises:
        ConfigError: the template is not Jinja.
    """
    if not isinstance(template, str) or recipe.is_function(template):
        return set()
    if template in known:
        return {template}
    import jinja2
    from jinja2 import meta

    environment = jinja2.Environment()  # noqa: S701 - prompts are plain text, not HTML
    environment.filters["regex_replace"] = str.replace  # lm-eval's own filter: only its name matters here
    try:
        return meta.find_undeclared_variables(environment.parse(template))
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"template {template!r}: {error.message}") from None


def _requests(leaf: sources.Leaf) -> list[int] | None:
    """Requests per document of one local task, or None where only lm-eval can know."""
    content = _content(leaf)
    files = recipe.data_files(content, leaf.path.parent)
    if files is None or _made_by_function(content) or "class" in content:
        return None
    file = files.get(eval_split(content))
    if file is None or not file.is_file():
        return None
    data = rows.read(file)
    if content.get("output_type", "generate_until") != "multiple_choice":
        return [1] * len(data)
    return _options(content.get("doc_to_choice"), data)


def _options(choices: Any, data: list[rows.Row]) -> list[int] | None:
    if isinstance(choices, list | dict):
        return [len(choices)] * len(data)
    if not isinstance(choices, str) or recipe.is_function(choices):
        return None
    if all(isinstance(row.fields.get(choices), list) for row in data):
        return [len(row.fields[choices]) for row in data]
    import jinja2

    try:
        template = jinja2.Environment().from_string(choices)  # noqa: S701
        return [len(ast.literal_eval(template.render(**row.fields))) for row in data]
    except (jinja2.TemplateError, ValueError, SyntaxError, TypeError):
        return None  # a template that only lm-eval can render
