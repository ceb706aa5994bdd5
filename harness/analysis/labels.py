"""Names of entries and tasks: a label carries every setting that takes several values under it, and no other.

Layer: above `frame`, below `derive`. Two measurements that were not set up alike never share both labels, so that what
is ranked together was asked alike.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportOperatorIssue=false, reportGeneralTypeIssues=false
# ruff: noqa: PD101 - nunique leaves gaps out
from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

ENTRY_FIELDS = ("dtype", "device", "quantisation", "attention", "weights", "revision")
"""Columns of `cells` that are read back from the loaded model and belong to an entry's name where they vary."""

TASK_FIELDS = ("shots", "limit", "seed")
"""Settings of a workload that are named first."""

LONG = 20
"""Characters beyond which a setting is named by a digest instead of its text."""

SAID = 2
"""So many varying settings of a method are said of every entry."""

MOST = 0.5
"""Share of the rows beyond which a value is the usual one."""

CHOOSES = ("classification", "multiple_choice")
"""Kinds of tasks that can be asked in several protocols."""

_FILES = ("source", "data.file", "data.train")
_WORDS = {"fingerprint": "data", "_target_": "class"}


def labelled(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with the columns `entry` and `task`: names that carry just the settings that differ under one name.

    A third one, `aside`, marks tasks that one entry was asked under the adapters of several trainings: those entries
    are called `ENTRY on TASK`, and one column of a table cannot hold them.
    """
    frame = cells.copy()
    names = [m if a == "none" else f"{m} + {a}" for m, a in zip(frame["model"], frame["method"], strict=True)]
    effective = frame[list(ENTRY_FIELDS)].astype(object)
    first = _tails(names, effective.where(effective.notna(), "?"))
    settings = _settings(frame["subject_spec"])
    asked = _tails(_joined(names, first), settings, plain=_usual(_joined(names, first), settings))
    frame["entry"] = _joined(names, [a + b for a, b in zip(first, asked, strict=True)])
    workloads = [f"{kind} {name}" for kind, name in zip(frame["kind"], frame["workload"], strict=True)]
    settings = _settings(frame["workload_spec"]).assign(seed=frame["seed"].astype(str).to_numpy())
    order = [name for name in TASK_FIELDS if name in settings]
    tails = _tails(workloads, settings[[*order, *sorted(set(settings) - set(order))]])
    frame["task"] = _joined([str(name) for name in frame["workload"]], tails)
    return _apart(frame)


def varying(names: Sequence[str], nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Names with the settings in parentheses that take several values under them.

    >>> varying(["typo", "typo"], [{"scope": "query"}, {"scope": "all"}])
    ['typo (scope query)', 'typo (scope all)']
    """
    specs = pd.Series([json.dumps(_flat(node)) for node in nodes], dtype=object)
    return _joined(names, _tails(names, _settings(specs)))


def workload_spec(node: Mapping[str, Any], *, grid: Sequence[str] = ()) -> str:
    """What a workload's node asks for, flat, as JSON; where contents are known, names of files say nothing more.

    Fields of the `grid` are left out: they tell points of one probe apart, not probes.
    """
    flat = {name: value for name, value in _flat(node).items() if name != "name" and name not in grid}
    if isinstance(node.get("metrics"), Sequence):
        flat["metrics"] = next(iter(node["metrics"]), None)
        flat.setdefault("chat", "auto")  # Defaults are unsaid in a cell, so that older ones keep their identity.
    if node.get("kind") in CHOOSES:
        flat.setdefault("protocol", "likelihood")
    if flat.get("fingerprint"):
        flat = {name: value for name, value in flat.items() if name not in _FILES}
    return json.dumps(flat, sort_keys=True)


def subject_spec(spec: Mapping[str, Any]) -> str:
    """What was asked of model, method, device and scoring beyond what is read back from the model, flat, as JSON.

    Cells of probes, and those measured before there was a choice, know no way of scoring.
    """
    known = {*ENTRY_FIELDS, "name", "_target_", "fingerprint", "parameters", "family"}
    model, method, device = (spec.get(part) for part in ("model", "method", "device"))
    flat = {name: value for name, value in _flat(model).items() if name not in known}
    flat |= {f"method.{name}": value for name, value in _flat(method).items() if name not in {"name", "_target_"}}
    flat |= {name: value for name, value in _flat(device).items() if name in {"batch", "threads"}}
    flat |= {f"scoring.{name}": value for name, value in _flat(spec.get("scoring")).items() if name != "_target_"}
    return json.dumps(flat, sort_keys=True)


def _flat(node: object, *, above: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys."""
    flat: dict[str, Any] = {}
    for name, value in node.items() if isinstance(node, Mapping) else ():
        flat |= _flat(value, above=f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat


def _settings(specs: pd.Series) -> pd.DataFrame:
    """One column of texts per setting; a gap where a record knows no such setting, which tells nothing apart."""
    rows = [{name: json.dumps(value) for name, value in json.loads(spec).items()} for spec in specs]
    return pd.DataFrame(rows, index=range(len(rows)), dtype=object)


def _apart(frame: pd.DataFrame) -> pd.DataFrame:
    """Entries with the task they were trained on, where one task was asked under several adapters of an entry."""
    asked = frame["trained_on"].where(frame["kind"] == "task")
    several = asked.groupby([frame["entry"], frame["task"]]).transform("nunique") > 1
    frame["aside"] = several & asked.notna()
    named = [f"{entry} on {task}" for entry, task in zip(frame["entry"], frame["trained_on"], strict=True)]
    frame["entry"] = frame["entry"].where(~frame["aside"], pd.Series(named, index=frame.index, dtype=object))
    return frame


def _usual(labels: Sequence[str], settings: pd.DataFrame) -> dict[str, dict[str, str]]:
    """By setting of a method, the value that most rows of a label have, where so many settings vary that it is unsaid.

    Where methods differ by one switch each, each is called by its switch, not by all that the others changed.
    """
    groups = pd.Series(labels, dtype=object)
    columns = [name for name in settings if str(name).startswith("method.")]
    found: dict[str, dict[str, str]] = {}
    for label, rows in settings[columns].reset_index(drop=True).groupby(groups):
        varied = [name for name in columns if rows[name].nunique() > 1]
        for name in varied if len(varied) > SAID else ():
            counts = rows[name].value_counts(normalize=True)
            if counts.iloc[0] > MOST:
                found.setdefault(str(name), {})[str(label)] = str(counts.index[0])
    return found


def _tails(
    labels: Sequence[str], settings: pd.DataFrame, *, plain: Mapping[str, Mapping[str, str]] | None = None
) -> list[list[str]]:
    """For every row the settings, in words, that take several values under its label, where it knows them.

    Args:
        labels: of the rows.
        settings: of the rows.
        plain: by setting and label a value that is not said.
    """
    texts = settings.reset_index(drop=True)
    groups = pd.Series(labels, dtype=object)
    varying = {name: texts[name].groupby(groups).transform("nunique").to_numpy() > 1 for name in texts}
    words = {name: _words(str(name), texts[name]) for name, flags in varying.items() if flags.any()}
    known = {name: texts[name].notna().to_numpy() for name in texts}
    for name, values in (plain or {}).items():
        known[name] = known[name] & (texts[name] != groups.map(values)).to_numpy()
    return [
        [words[name][row] for name in words if varying[name][row] and known[name][row]] for row in range(len(texts))
    ]


def _joined(names: Sequence[str], tails: Sequence[list[str]]) -> list[str]:
    return [f"{name} ({', '.join(tail)})" if tail else name for name, tail in zip(names, tails, strict=True)]


def _words(name: str, values: pd.Series) -> list[str]:
    """A setting's values as they stand in a label."""
    if name in ENTRY_FIELDS:
        bare = name not in {"revision", "attention"}
        return [str(value) if bare and value != "?" else f"{name} {value}" for value in values]
    known = {value: "default" if value == "null" else _plain(value) for value in values.dropna().unique()}
    if name == "limit":
        known = {value: "all" if value == "null" else text for value, text in known.items()}
    if name == "_target_":
        known = {value: text.rpartition(".")[2] for value, text in known.items()}
    if name == "fingerprint" or any(len(text) > LONG for text in known.values()):
        known = _digests(known)
    word = _WORDS.get(name, name.rpartition(".")[2])
    return [f"{word} {known.get(value, '?')}" for value in values]


def _plain(value: str) -> str:
    return value.strip('"')


def _digests(known: Mapping[str, str]) -> dict[str, str]:
    """Digests in place of long texts, as short as tells them apart; of a fingerprint its own digits."""
    full = {
        value: text.removeprefix("sha256:") if text.startswith("sha256:") else hashlib.sha256(text.encode()).hexdigest()
        for value, text in known.items()
    }
    length = next((n for n in (4, 8) if len({digits[:n] for digits in full.values()}) == len(full)), 64)
    return {value: digits[:length] for value, digits in full.items()}
