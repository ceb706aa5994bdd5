"""Study -> every frame on API models and protocols: what was asked of whom, what it cost, what the protocol changes.

Layer: above `derive`, below tables and figures. `api_records` reads the facts of the cells, `api_protocols` pairs the
documents; local models are in the frames of protocols, too.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import pandas as pd

from harness.analysis import api_protocols, api_records, wording
from harness.analysis.derive import BINARY
from harness.analysis.labels import labelled

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.analysis.derive import Comparison
    from harness.analysis.frame import Study

COSTS = (*api_records.COLUMNS, "value", "lo", "hi", "n", "percent", "usd_per_1000", "usd_per_right", "least", "most")
"""Columns of `costs`: those of the cell, its score with a 95 % interval over `n` documents, US dollars for 1,000
answered documents and for one right answer, and between what the accuracy over all documents lies."""

MODELS = ("entry", "endpoint", "asked", "names", "fingerprints", "protocols", "chat", "first", "last", "price_input",
          "price_output", "price_date", "price_source", "tokens_by", "requests", "sent", "retries", "lost", "documents",
          "answered", "usd")  # fmt: skip
"""Columns of `models`: an entry over all its cells, varied ones included; `first` and `last` are days."""


@final
@dataclass(frozen=True, kw_only=True)
class Apis:
    """Every frame; an empty one where nothing was measured of its kind. Rows are ordered by the leaderboard.

    Attributes:
        models: one row per API model: `MODELS`.
        costs: one row per API model and task: `COSTS`.
        gaps: protocols beside each other: `api_protocols.GAPS`.
        positions: places of options: `api_protocols.POSITIONS`.
    """

    models: pd.DataFrame
    costs: pd.DataFrame
    gaps: pd.DataFrame
    positions: pd.DataFrame


def measure(study: Study, documents: pa.Table, comparison: Comparison) -> Apis | None:
    """Every frame, or None where a study has neither an API model nor a task that was asked by letters.

    Args:
        study: its current records.
        documents: its documents.
        comparison: its clean cells.
    """
    named = labelled(study.cells)
    tasks = named[(named["kind"] == "task") & (named["status"] == "ok")]
    listed = [api_records.protocol_of(spec) in api_protocols.LISTED for spec in tasks["workload_spec"]]
    if not any(listed) and not (named["device_kind"] == "api").any():
        return None
    clean = tasks[tasks["perturbation"] == "none"].sort_values(["started", "cell"])
    clean = clean.drop_duplicates(["study", "entry", "task", "device"], keep="last")
    asked = api_records.cells(study, named)
    return Apis(
        models=_ranked(_models(asked), comparison),
        costs=_ranked(_costs(asked[asked["cell"].isin(set(clean["cell"]))], study, comparison), comparison),
        gaps=_ranked(api_protocols.gaps(clean, documents), comparison),
        positions=_ranked(api_protocols.positions(clean, documents), comparison),
    )


def cautions(found: Apis) -> tuple[str, ...]:
    """What must be said before the numbers: endpoints that changed between cells, answers that are missing."""
    said = []
    for one in found.models.to_dict("records"):
        for what, seen in (("names", one["names"]), ("system fingerprints", one["fingerprints"])):
            if len(seen := json.loads(seen)) > 1:
                said.append(
                    f"{one['entry']}: the endpoint gave {len(seen)} {what} within this study "
                    f"({wording.listing(sorted(seen), most=4)}): its answers may come from different models."
                )
        lost = sum(json.loads(one["lost"]).values())
        if lost:
            said.append(
                f"{one['entry']}: {lost:,} of {one['requests']:,.0f} requests have no answer; scores are over the "
                "answered documents, with bounds for the others in the table of costs."
            )
    return tuple(said)


def _ranked(frame: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    ranks = {str(entry): rank for rank, entry in enumerate(comparison.entries["entry"])}
    order = frame["entry"].map(ranks).fillna(len(ranks))
    return frame.assign(rank=order).sort_values("rank", kind="stable").drop(columns="rank").reset_index(drop=True)


def _models(asked: pd.DataFrame) -> pd.DataFrame:
    rows = [_model(str(entry), own.sort_values(["started", "cell"])) for entry, own in asked.groupby("entry")]
    return pd.DataFrame(rows, columns=[*MODELS])


def _model(entry: str, own: pd.DataFrame) -> dict[str, Any]:
    days = sorted(str(text)[:10] for text in own["started"] if text)
    row: dict[str, Any] = {"entry": entry, "first": days[0] if days else "", "last": days[-1] if days else ""}
    for name in ("endpoint", "asked", "chat", "price_date", "price_source", "tokens_by"):
        row[name] = ", ".join(dict.fromkeys(str(value) for value in own[name] if value and not pd.isna(value)))
    row["protocols"] = ", ".join(p for p in api_protocols.PROTOCOLS if p in set(own["protocol"]))
    for name in ("names", "fingerprints", "lost"):
        counts = sum((Counter(json.loads(one)) for one in own[name]), Counter[str]())
        row[name] = json.dumps(counts, sort_keys=True)
    for name in ("price_input", "price_output"):
        values = own[name].dropna()
        row[name] = float(values.iloc[-1]) if len(values) else float("nan")
    for name in ("requests", "sent", "retries", "documents", "answered"):
        row[name] = float(own[name].sum())
    priced = own["usd"].notna()
    return row | {"usd": float(own.loc[priced, "usd"].sum()) if priced.any() else float("nan")}


def _costs(asked: pd.DataFrame, study: Study, comparison: Comparison) -> pd.DataFrame:
    scores = comparison.scores[["entry", "task", "value", "lo", "hi", "n"]]
    known = comparison.tasks[["task", "metric", "percent"]]
    frame = asked.merge(scores, on=["entry", "task"], how="left").merge(known, on="task", how="left")
    usd = pd.to_numeric(frame["usd"])
    right = frame["value"] * pd.to_numeric(frame["answered"])
    counted = frame["metric"].isin(list(BINARY)) & (right > 0)
    frame["usd_per_1000"] = 1000 * usd / pd.to_numeric(frame["answered"])
    frame["usd_per_right"] = (usd / right).where(counted)
    ends = study.measurements[study.measurements["subset"] == ""].set_index(["cell", "metric"])["value"]
    for name in ("least", "most"):
        keys = zip(frame["cell"], frame["metric"], strict=True)
        frame[name] = [ends.get((cell, f"{metric}_{name}"), float("nan")) for cell, metric in keys]
    return frame[[*COSTS]]
