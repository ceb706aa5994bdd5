"""Specifications as plain data, as they stand in cells, and back.

Layer: above `config`, below `plan`. Stdlib only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from harness.config import construct

UNSAID: Mapping[str, Any] = {"domain_of": "", "protocol": "likelihood", "chat": "auto"}
"""Fields that came later than others: with these values they are left out, so that cells keep their identity."""


def node(spec: Any) -> dict[str, Any]:
    """A specification as it stands in a cell: every field but the prose, its class, and what its files hold.

    A `fingerprint` says what the local files behind a name contain, so that edited data are measured again.
    """
    left_out = {"about", *getattr(spec, "ASIDE", ())}
    said = {k: v for k, v in dataclasses.asdict(spec).items() if k not in left_out}
    fields = {k: v for k, v in said.items() if k not in UNSAID or v != UNSAID[k]}
    target = f"{type(spec).__module__}.{type(spec).__qualname__}"
    fingerprint = spec.fingerprint() if hasattr(spec, "fingerprint") else ""
    return _plain({"_target_": target, **fields, **({"fingerprint": fingerprint} if fingerprint else {})})


def aside(spec: Any) -> dict[str, Any]:
    """Fields of a specification that change no number and stand in no cell, such as prices: its class lists them."""
    names = getattr(spec, "ASIDE", ())
    return _plain({k: v for k, v in dataclasses.asdict(spec).items() if k in names})


def build(spec: Mapping[str, Any], *, where: str) -> Any:
    """The object behind a node that `node` made."""
    return construct({k: v for k, v in spec.items() if k != "fingerprint"}, where=where)


def without_folders(value: Any) -> Any:
    """A workload's node without this machine's folders: an absolute path keeps its name, the fingerprint says what.

    Records hold no user's path beyond the model source given.
    """
    if isinstance(value, Mapping):
        return {k: without_folders(v) for k, v in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list):
        return [without_folders(v) for v in cast("list[Any]", value)]
    if isinstance(value, str) and value.startswith(("/", "~")) and Path(value).expanduser().exists():
        return Path(value).name
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in cast("Sequence[Any]", value)]
    return value
