"""YAML leaf -> frozen dataclass, and one-line errors that name the nearest valid choice.

Layer: beside `records`; stdlib only. A node with a `_target_` names a dataclass by its import path; the constructor is
the schema.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

FEW = 12
"""So many choices are listed, more are counted."""


class ConfigError(ValueError):
    """A fault in what the user asked for: one line, naming the place and what would be right. Exit code 2."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """A hint for a misspelt word: the closest choice, or all of them if they are few.

    >>> nearest("spda", ["eager", "sdpa"])
    "did you mean 'sdpa'? (choices: eager, sdpa)"
    """
    known = sorted(set(choices))
    close = difflib.get_close_matches(word.lower(), [c.lower() for c in known], n=1, cutoff=0.5)
    guess = next((c for c in known if close and c.lower() == close[0]), None)
    listing = f"choices: {', '.join(known)}" if len(known) <= FEW else f"{len(known)} choices"
    return f"did you mean {guess!r}? ({listing})" if guess else listing


def one_of(value: str, choices: Iterable[str], *, field: str) -> str:
    """`value` if it is one of `choices`.

    Raises:
        ValueError: naming field, value and the nearest choice.
    """
    known = list(choices)
    if value not in known:
        raise ValueError(f"{field}={value!r} is not a valid value: {nearest(str(value), known)}")
    return value


def construct(node: Mapping[str, Any], *, where: str) -> Any:
    """The object that `node["_target_"]` names, built from the node's other keys; nested nodes first.

    Args:
        node: plain data with a `_target_`.
        where: place to name in errors, as in `model.gpt2`.

    Raises:
        ConfigError: unknown target or key, or a value its constructor refuses.
    """
    target = node.get("_target_")
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{where}: needs a _target_ that names a class, has {target!r}")
    module_name, _, class_name = target.rpartition(".")
    try:
        cls: Any = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}: _target_ {target} cannot be imported ({error})") from None
    if not (isinstance(cls, type) and dataclasses.is_dataclass(cls)):
        raise ConfigError(f"{where}: _target_ {target} is not a dataclass")
    arguments = {k: _nested(v, where=f"{where}.{k}") for k, v in node.items() if k != "_target_"}
    _check_keys(cls, arguments, where=where)
    try:
        return cls(**arguments)  # pyright: ignore[reportCallIssue]
    except ConfigError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: {error}") from None


def _nested(value: Any, *, where: str) -> Any:
    if isinstance(value, Mapping) and "_target_" in value:
        return construct(cast("Mapping[str, Any]", value), where=where)
    return cast("Any", value)


def _check_keys(cls: type, arguments: Mapping[str, Any], *, where: str) -> None:
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    for key in arguments:
        if key not in fields:
            raise ConfigError(f"{where}: unknown key {key!r}: {nearest(key, fields)}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in arguments:
            raise ConfigError(f"{where}: key {name!r} is missing")
