"""Efficiency -> tables of lines, quantiles, memory, energy, rooflines and the conditions of measuring.

Layer: beside `efficiency_tables`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import grid_sheet, ratios, wording
from harness.analysis.grid_sheet import number, place, seen, share, size
from harness.analysis.points import AXES
from harness.analysis.resources import MEMORY
from harness.analysis.sheet import Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.analysis.efficiency import Efficiency

MOST = 12
"""Noisy cells that are named one by one."""

GROSS = ("energy_tok_gross", "energy_item_gross")
"""Gross energy by the token and by the item; net stands in the frame of energy."""

SPOT = ("entry", "device", "probe", "point")
"""What names a point of an entry."""

_UNKNOWN = "not known, because no A/A control ran (control=MODEL): nothing is called faster or slower"


def fits(measured: Efficiency, order: Sequence[str]) -> Table:
    """The line through the time of decode steps over the context."""
    rows = [
        (text(row.entry), text(row.probe), size(row.batch), number(row.a, "s", row.a_lo, row.a_hi),
         number(row.b, "s/tok", row.b_lo, row.b_hi), Value(text=f"{row.context_lo:.0f} to {row.context_hi:.0f}"),
         size(row.n), size(row.replicates))
        for row in seen(measured.fits, order).itertuples(index=False)
    ]  # fmt: skip
    heads = [("entry", "Model"), ("probe", "Probe"), ("batch", "Batch"), ("a", "Without context"), ("b", "Each token"),
             ("context", "Context"), ("n", "Steps"), ("replicates", "Processes")]  # fmt: skip
    note = "Least squares: time of a step = a + b · tokens of context, through medians of four steps or more."
    return grid_sheet.table("fits", "Time of a decode step against context", heads, rows, notes=(note,))


def quantiles(measured: Efficiency, order: Sequence[str]) -> Table:
    """Median and tail of the gaps between tokens, all steps of a point pooled."""
    frame = seen(measured.quantiles, order)
    names, rows = grid_sheet.axes(frame), []
    number_of = frame.groupby(["entry", "probe", "device", *AXES], dropna=False, sort=False).ngroup()
    groups: dict[int, list[dict[str, Any]]] = {}
    for point, row in zip(number_of, frame.to_dict("records"), strict=True):
        groups.setdefault(point, []).append(row)
    for group in groups.values():
        values = {row["quantile"]: number(row["value"], "s", row["lo"], row["hi"]) for row in group}
        tail = (values.get(q, text("", detail="too few steps")) for q in (0.5, 0.9, 0.99))
        rows.append((*place(group[0], names), *tail, size(group[0]["n"])))
    heads = [*grid_sheet.heads(frame), ("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("n", "Steps")]
    note = "All steps of a point pooled and taken as independent; order-statistic intervals; p99 from 300 steps on."
    return grid_sheet.table("quantiles", "Gaps between tokens", heads, rows, notes=(note,))


def memory(measured: Efficiency, order: Sequence[str]) -> Table:
    """Memory in parts, and what the formulas predict beside what was measured."""
    frame = seen(measured.memory, order)
    parts = [name for name in MEMORY if frame[name].notna().any()]
    compared = bool(frame["difference"].notna().any())
    names, rows = grid_sheet.axes(frame), []
    for row in frame.to_dict("records"):
        gap = row["difference"]
        last = text("") if pd.isna(gap) else Value(text=f"{100 * gap:+.1f}", number=gap, detail=row["measured_as"])
        rows.append((*place(row, names), *(number(row[name], "B") for name in parts), *([last] if compared else [])))
    heads = [*grid_sheet.heads(frame), *((name, wording.metric(name)) for name in parts)]
    heads += [("difference", "predicted against measured, %")] if compared else []
    note = ("Predicted by the formulas of the model's family, and set against the peak of the device; on a CPU against "
            "what the process grew by since before loading, 30 to 50 MiB of library code included.")  # fmt: skip
    return grid_sheet.table("memory", "Memory in parts", heads, rows, notes=(note,) if compared else ())


def energy(measured: Efficiency, order: Sequence[str]) -> Table:
    """Energy of a call and of a token or item, net and gross, and how it was measured."""
    frame, gross = seen(measured.energy, order), _gross(measured)
    names = grid_sheet.axes(frame)
    rows = [
        (*place(row, names), number(row["per_unit"], row["unit"], row["lo"], row["hi"]),
         number(*gross.get(tuple(row[key] for key in SPOT), (float("nan"), ""))),
         number(row["net_joules"], "J"), number(row["joules"], "J"), number(row["idle_watts"], "W"),
         text(row["method"]))
        for row in frame.to_dict("records")
    ]  # fmt: skip
    heads = [*grid_sheet.heads(frame), ("per_unit", "Net, each"), ("gross_unit", "Gross, each"),
             ("net_joules", "Net, call"), ("joules", "Gross, call"), ("idle_watts", "Idle"),
             ("method", "Method")]  # fmt: skip
    note = "Net is gross less what the idle machine draws in the same time; counters of the hardware, no estimates."
    return grid_sheet.table("energy", "Energy", heads, rows, notes=(note,))


def _gross(measured: Efficiency) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """By spot the gross energy of a token or item, with its unit and interval."""
    points = measured.points
    rows = points[points["metric"].isin(list(GROSS))]
    found = zip(rows["median"], rows["unit"], rows["lo"], rows["hi"], strict=True)
    return dict(zip(rows[list(SPOT)].itertuples(index=False, name=None), found, strict=True))


def rooflines(measured: Efficiency, order: Sequence[str]) -> Table:
    """Useful work, what was achieved, and which of the machine's peaks bounds it."""
    frame = seen(measured.rooflines, order)
    names = grid_sheet.axes(frame)
    units = {"flops": ("Work", "FLOP"), "moved_bytes": ("Moved", "B"), "flop_s": ("Achieved", "FLOP/s"),
             "byte_s": ("Bandwidth", "B/s"), "bound_s": ("Least time", "s")}  # fmt: skip
    shares = ["mfu", "mbu", *(name for name in ("mfu_spec", "mbu_spec") if frame[name].notna().any())]
    traced = bool(frame["device_share"].notna().any())
    rows = [
        (*place(row, names), *(number(row[name], unit) for name, (_, unit) in units.items()), text(row["bound"]),
         *(share(row[name]) for name in shares), *(_pace(row) if traced else ()))
        for row in frame.to_dict("records")
    ]  # fmt: skip
    heads = [*grid_sheet.heads(frame), *((name, label) for name, (label, _) in units.items()), ("bound", "Bound by"),
             *((name, f"{wording.metric(name)}, %") for name in shares)]  # fmt: skip
    heads += [("device_share", "Device busy, %"), ("cpu_bound", "Pace set by")] if traced else []
    note = ("Useful work of one call or step by the formulas of the model's family, against the peaks that this "
            "machine reached; no MBU where everything fits the processor's cache.")  # fmt: skip
    pace = "Device busy: part of the wall time of a call in which the device worked; under 90 % the host sets the pace."
    notes = (note, pace) if traced else (note,)
    return grid_sheet.table("rooflines", "Work against the machine's peaks", heads, rows, notes=notes)


def _pace(row: dict[str, Any]) -> tuple[Value, Value]:
    """How long the device was busy, and whether it or the host sets the pace; dashes where there is no device."""
    host = row["cpu_bound"]
    return share(row["device_share"]), text("" if pd.isna(host) else "host" if host else "device")


def conditions(measured: Efficiency) -> Table:
    """Under what conditions probes were measured: devices, peaks, noise, warm-up, the noise floor."""
    frame = measured.environment
    told = frame[frame["warm_up_s"].notna() | frame["peak_flops"].notna() | frame["noisy"]]
    if not len(told):
        return grid_sheet.table("conditions", "Conditions of measuring", (), ())
    lines = [line for device, own in told.groupby("device", sort=True) for line in _of_device(str(device), own)]
    floor = ratios.statement(measured.floor) or _UNKNOWN
    reasons = sorted(set(told["energy_reason"]) - {""})
    lines += [("noise floor", floor.removeprefix("Noise floor: "))]
    lines += [("no energy", wording.listing(reasons))] if reasons else []
    rows = [(text(what), text(value)) for what, value in lines]
    return grid_sheet.table("conditions", "Conditions of measuring", [("what", "What"), ("value", "Value")], rows)


def _of_device(device: str, own: pd.DataFrame) -> list[tuple[str, str]]:
    threads = sorted({str(n) for n in own["threads"].dropna()})
    drivers = sorted(set(own["driver"]) - {""})
    words = [device, *(f"driver {name}" for name in drivers), *([f"{' or '.join(threads)} threads"] if threads else [])]
    lines = [("device", ", ".join(words))]
    if own["peak_flops"].notna().any():
        drift = (
            f"; moved by up to {wording.percent(own['drift'].max())} % during a cell"
            if own["drift"].notna().any()
            else ""
        )
        lines.append(
            ("peaks reached", f"{_span(own['peak_flops'], 'FLOP/s')}, {_span(own['peak_bandwidth'], 'B/s')}{drift}")
        )
    shaky = own[(own["stable"] == False).fillna(value=False)]  # noqa: E712 - three values
    lines.append(("warm-up", f"not stable in {_cells(shaky)}" if len(shaky) else "stable in every cell that says so"))
    unseen = sorted(set(own["unseen"]) - {""})
    lines += [("other processes", wording.listing(unseen))] if unseen else []
    noisy = own[own["noisy"]]
    lines.append(("noisy cells", f"{len(noisy)} of {len(own)}"))
    why = noisy.groupby("why", sort=False).size().sort_values(ascending=False, kind="stable")
    lines += [(f"noisy in {_cells(noisy[noisy['why'] == reason])}", str(reason)) for reason in why.index[:MOST]]
    return [*lines, *([("further reasons", str(len(why) - MOST))] if len(why) > MOST else [])]


def _span(values: pd.Series, unit: str) -> str:
    lo, hi = (wording.scaled(float(value), unit) for value in (values.min(), values.max()))
    return lo if lo == hi else f"{lo} to {hi}"


def _cells(own: pd.DataFrame) -> str:
    names = [
        f"{row.entry}, {row.probe}{f' at {row.point}' if row.point else ''}" for row in own.itertuples(index=False)
    ]
    unique = list(dict.fromkeys(names))
    return "; ".join(unique[:2]) + (f" and {len(unique) - 2} more" if len(unique) > 2 else "")  # noqa: PLR2004 - two
