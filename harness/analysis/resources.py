"""What probes took and what they reached: memory in parts, energy, rooflines, and under what conditions.

Layer: above `points`; `efficiency` says what the columns mean.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.analysis.points import AXES, CHIEF, KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.points import Pooled

MEMORY = (
    "weights_bytes", "buffers_bytes", "kv_bytes", "activation_bytes", "gradient_bytes", "optimiser_bytes",
    "overhead_bytes", "peak_device_bytes", "peak_reserved_bytes", "process_device_bytes", "peak_host_bytes",
    "added_host_bytes", "predicted_bytes",
)  # fmt: skip
"""Metrics of memory, parts first."""

ENERGY = (*KEYS, "method", "reason", "joules", "net_joules", "idle_watts", "per_unit", "lo", "hi", "unit", "replicates")
"""Columns of the frame of energy."""

ROOFLINES = (
    *KEYS, "flops", "moved_bytes", "seconds", "intensity", "flop_s", "byte_s", "peak_flops", "peak_bandwidth", "ridge",
    "bound", "mfu", "mbu", "mfu_spec", "mbu_spec", "bound_s", "cpu_bound", "device_share",
)  # fmt: skip
"""Columns of the frame of rooflines."""

ENVIRONMENT = (
    *KEYS, "cell", "replicate", "driver", "threads", "noisy", "why", "stable", "warm_up_calls", "warm_up_s",
    "peak_flops", "peak_bandwidth", "drift", "energy_reason", "unseen",
)  # fmt: skip
"""Columns of the frame of conditions; `unseen`: why it is not known whether others used the GPU."""

_PER = {"energy_tok": "J/tok", "energy_item": "J/item"}
_MEASURED = ("peak_device_bytes", "added_host_bytes")


def memory(pooled: Pooled, cells: pd.DataFrame) -> pd.DataFrame:
    """Bytes by part, what the formulas predicted beside what was measured, and what the device has."""
    wide = _wide(pooled.frame, MEMORY)
    found = wide.dropna(subset=list(MEMORY), how="all").reset_index(drop=True)
    device = found["peak_device_bytes"].notna()
    measured = found["peak_device_bytes"].where(device, found["added_host_bytes"])
    named = np.select([device, found["added_host_bytes"].notna()], list(_MEASURED), default="")
    known = measured.where(measured > 0)
    limit = found["device"].map(cells.groupby("device")["device_memory"].max())
    return found.assign(
        measured=measured, measured_as=named, difference=found["predicted_bytes"] / known - 1, limit=limit
    )


def energy(pooled: Pooled, cells: pd.DataFrame) -> pd.DataFrame:
    """Joules of one call and of one token or item, where a meter worked."""
    frame = pooled.frame
    wide = _wide(frame, ("energy", "energy_net", "power_idle"))
    own = frame[frame["metric"].isin(list(_PER))].drop_duplicates(list(KEYS))
    own = own[[*KEYS, "median", "lo", "hi", "unit", "replicates"]].rename(columns={"median": "per_unit"})
    found = wide[wide["energy"].notna()].merge(own, on=list(KEYS), how="left")
    methods = cells.assign(method=[_text(facts, "energy", "method") for facts in cells["probe_facts"]],
                           reason=[_text(facts, "energy", "reason") for facts in cells["probe_facts"]])  # fmt: skip
    told = methods[methods["method"] != ""].drop_duplicates("place")[[*KEYS, "method", "reason"]]
    found = found.merge(told, on=list(KEYS), how="left")
    names = {"energy": "joules", "energy_net": "net_joules", "power_idle": "idle_watts"}
    return found.rename(columns=names)[list(ENERGY)]


def rooflines(pooled: Pooled, cells: pd.DataFrame) -> pd.DataFrame:
    """Useful work, what was achieved and what the machine allows, where the model's family has formulas."""
    names = ("flops", "moved_bytes", "peak_flops", "peak_bandwidth", "mfu", "mbu", "mfu_spec", "mbu_spec", "bound_s")
    frame = pooled.frame
    found = _wide(frame, names).dropna(subset=["flops"])
    timed = cells.assign(timed=[_text(facts, "utilisation", "timed_by") for facts in cells["probe_facts"]])
    timed = timed[timed["status"] == "ok"].drop_duplicates("place")[[*KEYS, "timed"]]
    found = found.merge(timed, on=list(KEYS), how="left")
    found["metric"] = found["timed"].where(found["timed"].fillna("") != "", found["kind"].map(CHIEF))
    found = found.astype({"metric": "object"})
    times = frame.loc[frame["unit"] == "s", [*KEYS, "metric", "median"]].drop_duplicates([*KEYS, "metric"])
    found = found.merge(times, on=[*KEYS, "metric"], how="left").rename(columns={"median": "seconds"})
    found = found.assign(
        intensity=found["flops"] / found["moved_bytes"], flop_s=found["flops"] / found["seconds"],
        byte_s=found["moved_bytes"] / found["seconds"], ridge=found["peak_flops"] / found["peak_bandwidth"],
    )  # fmt: skip
    transfer = found["mbu"].notna() & (found["intensity"] < found["ridge"])
    found = found.assign(bound=np.where(transfer, "memory", "compute"))
    return found.merge(_occupancy(cells), on=list(KEYS), how="left")[list(ROOFLINES)]


def _occupancy(cells: pd.DataFrame) -> pd.DataFrame:
    """By point whether the host sets the pace, as most processes say, and the device's share of the time (median)."""
    shares = [_mapping(facts.get("device_share")) for facts in cells["probe_facts"]]
    said = cells.assign(
        # Events see a device that waits for launches as busy; where kernels were traced, their share decides.
        device_share=[next((part[by] for by in ("by_kernels", "by_events") if part.get(by) is not None), None)
                      for part in shares],
        cpu_bound=[facts.get("cpu_bound") for facts in cells["probe_facts"]],
    ).astype({"device_share": "float64", "cpu_bound": "Float64"})  # fmt: skip
    middle = said[said["status"] == "ok"].groupby("place")[["device_share", "cpu_bound"]].median()
    middle = middle.assign(cpu_bound=(middle["cpu_bound"] >= 0.5).astype("boolean"))  # noqa: PLR2004 - a half
    return cells.drop_duplicates("place")[[*KEYS, "place"]].join(middle, on="place").drop(columns="place")


def environment(cells: pd.DataFrame) -> pd.DataFrame:
    """Under what conditions each cell was measured."""
    good = cells[cells["status"] == "ok"]
    rows = [_conditions(facts) for facts in good["probe_facts"]]
    columns = [name for name in ENVIRONMENT if name not in {*KEYS, "cell", "replicate"}]
    found = pd.DataFrame(rows, columns=columns, index=good.index)
    whole = pd.concat([good[[*KEYS, "cell", "replicate"]], found], axis=1).reset_index(drop=True)
    kinds = dict.fromkeys(("peak_flops", "peak_bandwidth", "drift", "warm_up_s"), "float64")
    return whole.astype({**kinds, "warm_up_calls": "Int64", "threads": "Int64", "stable": "boolean", "noisy": "bool"})


def _conditions(facts: Mapping[str, Any]) -> dict[str, Any]:
    before = _mapping(_mapping(facts.get("environment")).get("before"))
    warm = _mapping(facts.get("warm_up"))
    sentinel = [_mapping(_mapping(facts.get("sentinel")).get(when)) for when in ("before", "after")]
    drifts = [abs(sentinel[1][name] / sentinel[0][name] - 1) for name in ("flops", "bandwidth")
              if sentinel[0].get(name) and sentinel[1].get(name)]  # fmt: skip
    reasons = [str(reason) for reason in facts.get("noisy") or ()]
    gpus = [_mapping(gpu) for gpu in before.get("gpus") or ()]
    return {
        "driver": ", ".join(sorted({str(gpu["driver"]) for gpu in gpus if gpu.get("driver")})),
        "threads": _mapping(before.get("torch")).get("threads"), "noisy": bool(reasons), "why": "; ".join(reasons),
        "stable": warm.get("stable"), "warm_up_calls": warm.get("calls"), "warm_up_s": warm.get("seconds"),
        "peak_flops": sentinel[0].get("flops"), "peak_bandwidth": sentinel[0].get("bandwidth"),
        "drift": max(drifts, default=None), "energy_reason": _text(facts, "energy", "reason"),
        "unseen": ", ".join(sorted({str(gpu["foreign_reason"]) for gpu in gpus if gpu.get("foreign_reason")})),
    }  # fmt: skip


def _wide(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """One row per point with a column of medians for each of the metrics."""
    rows = frame[frame["metric"].isin(list(names)) & (frame["subset"] == "")]
    number = rows.groupby(list(KEYS), dropna=False, sort=False).ngroup()
    heads = rows[list(KEYS)].assign(number=number).drop_duplicates("number").set_index("number")
    values = rows.assign(number=number).pivot_table(index="number", columns="metric", values="median", sort=False)
    found = heads.join(values.reindex(columns=list(names)))
    return found.astype(dict.fromkeys(AXES, "Int64") | dict.fromkeys(names, "float64")).reset_index(drop=True)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(facts: Mapping[str, Any], part: str, name: str) -> str:
    value = _mapping(facts.get(part)).get(name)
    return "" if value is None else str(value)
