"""Records of API models -> one row per cell: whom it asked, what the requests took, cost and missed.

Layer: above `frame` and `labels`, below `api`. What a cell was told stands in its record's facts, which are read again
here, and only where a study has such cells.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.records import Record, Status
from harness.store import Store

if TYPE_CHECKING:
    from harness.analysis.frame import Study

COLUMNS = (
    "entry", "task", "workload", "protocol", "chat", "cell", "varied", "started", "endpoint", "asked", "names",
    "fingerprints", "tokens_by", "price_input", "price_output", "price_date", "price_source", "requests", "kept",
    "sent", "retries", "lost", "documents", "answered", "prompt_tokens", "new_tokens", "estimated", "usd", "p50",
    "p90", "p99", "first_p50", "first_p90", "first_p99", "tokens_per_second", "requests_per_minute",
)  # fmt: skip
"""Columns of a cell: `names` and `fingerprints` map what the endpoint said of itself to how often, `lost` maps kinds
of missing answers to requests, all three as JSON; times are seconds of one request, `first_*` to its first token."""


def protocol_of(workload_spec: str) -> str:
    """The protocol in a cell's `workload_spec`; empty where a task has no options."""
    return str(json.loads(workload_spec).get("protocol", ""))


def cells(study: Study, labelled: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell of an API model that has a result: `COLUMNS`; empty where there is none.

    Args:
        study: its current records.
        labelled: its cells, as `labels.labelled` makes them.
    """
    own = labelled[(labelled["device_kind"] == "api") & (labelled["kind"] == "task") & (labelled["status"] == "ok")]
    if not len(own):
        return pd.DataFrame(columns=[*COLUMNS])
    facts = _facts(study, set(own["cell"]))
    rows = [_row(one, facts[one["cell"]]) for one in own.to_dict("records") if one["cell"] in facts]
    return pd.DataFrame(rows, columns=[*COLUMNS])


def _facts(study: Study, wanted: set[str]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for folder in study.folders:
        for _, record in Store(folder).records():
            if isinstance(record, Record) and record.status is Status.OK and record.cell.id in wanted:
                found[record.cell.id] = record
    return found


def _row(cell: Mapping[str, Any], record: Record) -> dict[str, Any]:
    task = _mapping(record.provenance.get("task"))
    api = _mapping(_mapping(task.get("scoring")).get("api"))
    requests, usage, prices = (_mapping(api.get(name)) for name in ("requests", "usage", "prices"))
    whole, first = _mapping(api.get("seconds")), _mapping(api.get("first_token_seconds"))
    missing = next((m.value for m in record.measurements if m.metric == "missing" and not m.subset), 0.0)
    documents = task.get("documents")
    return {
        **{name: cell[name] for name in ("entry", "task", "workload", "cell", "started")},
        "protocol": protocol_of(cell["workload_spec"]), "chat": str(task.get("chat", "")),
        "varied": cell["perturbation"] != "none", "endpoint": str(api.get("endpoint", "")),
        "asked": str(api.get("model", "")), "names": _counts(api.get("models")),
        "fingerprints": _counts(api.get("fingerprints")), "tokens_by": str(api.get("tokens", "")),
        **{f"price_{name}": prices.get(name) for name in ("input", "output", "date", "source")},
        "requests": requests.get("asked"), **{name: requests.get(name) for name in ("kept", "sent", "retries")},
        "lost": _counts(requests.get("missing")), "documents": documents,
        "answered": None if documents is None else documents - round(missing),
        **{name: usage.get(name) for name in ("prompt_tokens", "new_tokens", "estimated")}, "usd": api.get("usd"),
        **{name: whole.get(name) for name in ("p50", "p90", "p99")},
        **{f"first_{name}": first.get(name) for name in ("p50", "p90", "p99")},
        "tokens_per_second": _mapping(api.get("tokens_per_second")).get("p50"),
        "requests_per_minute": api.get("requests_per_minute"),
    }  # fmt: skip


def _counts(value: Any) -> str:
    return json.dumps(dict(_mapping(value)), sort_keys=True)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
