"""The same documents asked in several protocols, and options found and chosen by the place where they stood.

Layer: above `difference`, below `api`; frames in, frames out. Pairs are of one entry on one task and differ in the
protocol alone. Positions are those of `letter` and `generate`, which draw an order for each document.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from harness.analysis import stats
from harness.analysis.api_records import protocol_of
from harness.analysis.difference import difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

PROTOCOLS = ("likelihood", "letter", "generate")
"""In the order in which they are compared: the first is what the others are held against."""

LISTED = PROTOCOLS[1:]
"""Protocols that list the options."""

FREE = frozenset({"protocol", "chat", "metrics", "max_new_tokens"})
"""Settings of a task that may differ between protocols of the same task."""

RIGHT = "metric:acc"

GAPS = ("entry", "task", "first", "second", "n", "first_acc", "second_acc", "gap", "lo", "hi", "only_first",
        "only_second", "p", "p_holm", "same", "unread")  # fmt: skip
"""Columns of `gaps`: accuracy of both protocols on shared documents, second minus first with a 95 % interval, McNemar's
p and Holm's, the share of documents with the same answer, and of those whose answer in the second names no option."""

POSITIONS = ("entry", "task", "protocol", "place", "n", "shown", "found", "found_lo", "found_hi", "chosen", "excess",
             "lo", "hi", "p", "p_holm")  # fmt: skip
"""Columns of `positions`: share of right answers shown in a place, found there and chosen there; chosen minus shown."""


def gaps(cells: pd.DataFrame, documents: pa.Table) -> pd.DataFrame:
    """Every two protocols in which an entry was asked the same documents of a task: `GAPS`.

    Args:
        cells: clean cells of tasks with a result, one for each entry, task and protocol.
        documents: of the same study.
    """
    rows = []
    for (entry, task), own in _asked_alike(cells):
        known = {protocol: _answers(documents, cell) for protocol, cell in own.items()}
        for first, second in itertools.combinations([p for p in PROTOCOLS if p in known], 2):
            row = _gap(known[first], known[second])
            if row is not None:
                rows.append({"entry": entry, "task": task, "first": first, "second": second, **row})
    frame = pd.DataFrame(rows, columns=[*GAPS])
    frame["p_holm"] = stats.holm(list(frame["p"])) if len(frame) else []
    return frame


def positions(cells: pd.DataFrame, documents: pa.Table) -> pd.DataFrame:
    """Every place of every entry and task asked by letters: `POSITIONS`; p adjusted over the places of a task."""
    parts = []
    for one in cells.to_dict("records"):
        protocol = protocol_of(one["workload_spec"])
        found = _places(_answers(documents, one["cell"])) if protocol in LISTED else None
        if found is not None:
            parts.append(found.assign(entry=one["entry"], task=one["task"], protocol=protocol))
    return pd.concat(parts, ignore_index=True)[[*POSITIONS]] if parts else pd.DataFrame(columns=[*POSITIONS])


def _asked_alike(cells: pd.DataFrame) -> Iterator[tuple[tuple[str, str], dict[str, str]]]:
    """Entry and bare name of a task, and its cell under each protocol, where there are several."""
    found: dict[tuple[Any, ...], dict[str, str]] = {}
    for one in cells.sort_values(["started", "cell"]).to_dict("records"):
        spec = json.loads(one["workload_spec"])
        if spec.get("protocol") in PROTOCOLS:
            kept = json.dumps({name: value for name, value in spec.items() if name not in FREE}, sort_keys=True)
            key = (one["study"], one["entry"], one["workload"], one["seed"], kept)
            found.setdefault(key, {})[spec["protocol"]] = one["cell"]
    for key, own in found.items():
        if len(own) > 1:
            yield (str(key[1]), str(key[2])), own


def _answers(documents: pa.Table, cell: str) -> pd.DataFrame:
    """The documents of a cell by their key, without what only a reader needs."""
    own = documents.filter(pc.equal(documents["cell"], cell))
    wanted = ["item_id", "subset", "pred", RIGHT, "metric:unparsed", "metric:refusal", "metric:gold_position",
              "metric:pred_position"]  # fmt: skip
    frame = own.select([name for name in wanted if name in own.column_names]).to_pandas()
    keys = frame["subset"].astype(str) + "/" + frame["item_id"].astype(str) if "subset" in frame else frame["item_id"]
    return frame.assign(key=keys).drop_duplicates("key").set_index("key")


def _gap(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, Any] | None:
    if RIGHT not in first or RIGHT not in second:
        return None
    both = first.join(second, how="inner", lsuffix="_a", rsuffix="_b").dropna(subset=[f"{RIGHT}_a", f"{RIGHT}_b"])
    if both.empty:
        return None
    a, b = (both[f"{RIGHT}_{side}"].to_numpy(dtype=float) for side in "ab")
    found = difference(b, a)
    unread = second.reindex(both.index)
    return {
        "n": len(both), "first_acc": float(a.mean()), "second_acc": float(b.mean()), "gap": found.value,
        "lo": found.interval.lo, "hi": found.interval.hi, "p": found.p, "only_first": found.only_b,
        "only_second": found.only_a, "same": float((both["pred_a"] == both["pred_b"]).mean()),
        "unread": float(sum(unread[name].sum() for name in ("metric:unparsed", "metric:refusal") if name in unread)
                        / len(both)),
    }  # fmt: skip


def _places(known: pd.DataFrame) -> pd.DataFrame | None:
    if "metric:gold_position" not in known:
        return None
    told = known.dropna(subset=["metric:gold_position"])
    if told.empty:
        return None
    gold = told["metric:gold_position"].to_numpy(dtype=float)
    chosen = told["metric:pred_position"].to_numpy(dtype=float) if "metric:pred_position" in told else gold * np.nan
    rows = [_place(gold, chosen, place) for place in range(int(max(gold.max(), np.nanmax([0.0, *chosen]))) + 1)]
    return pd.DataFrame(rows).assign(p_holm=stats.holm([row["p"] for row in rows]))


def _place(gold: Sequence[float], chosen: Sequence[float], place: int) -> dict[str, Any]:
    shown, taken = (np.asarray(one) == place for one in (gold, chosen))
    here, right = int(shown.sum()), int((shown & taken).sum())
    ends = stats.wilson(right, here) if here else stats.Interval(float("nan"), float("nan"))
    found = difference(taken.astype(float), shown.astype(float))
    return {
        "place": chr(ord("A") + place), "n": here, "shown": float(shown.mean()), "chosen": float(taken.mean()),
        "found": right / here if here else float("nan"), "found_lo": ends.lo, "found_hi": ends.hi,
        "excess": found.value, "lo": found.interval.lo, "hi": found.interval.hi, "p": found.p,
    }  # fmt: skip
