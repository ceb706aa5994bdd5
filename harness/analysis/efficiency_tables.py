"""Efficiency -> tables: every probe at every point, and who is faster.

Layer: beside `tables`, above `grid_sheet`; pure. A/A controls are in no table, but in the noise floor.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.analysis import grid_sheet, ratios, resource_tables, wording
from harness.analysis.grid_sheet import known, place, seen, share, size
from harness.analysis.points import AXES
from harness.analysis.sheet import LEGEND, Column, Table, Value, text
from harness.analysis.shown import with_peaks
from harness.analysis.tables import timing, unmeasured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from harness.analysis.efficiency import Efficiency

SHOWN = (
    "max_batch", "predicted_max_batch", "bytes_per_sequence", "load_s", "read_s", "init_s", "to_device_s", "read_B_s",
    "ttft", "itl", "tpot", "e2e", "generate_e2e", "loop_e2e", "overhead", "request_s", "score_s", "score_item_s",
    "score_tok_s", "step_s", "forward_s", "backward_s", "optimiser_s", "train_tok_s", "prefill_tok_s", "decode_tok_s",
    "mfu", "mbu", "compile_s", "eager_s", "compiled_s", "break_even", "peak_memory",
)  # fmt: skip
"""Metrics of a probe's table, in order."""

SHARES = frozenset({"mfu", "mbu"})
"""Metrics that are shown as per cent."""

COUNTS = frozenset({"max_batch", "predicted_max_batch", "break_even"})
"""Metrics that are whole numbers."""

ONE = "One process per point: the intervals are of its repeats only and know nothing of the next process."
"""What must be said of intervals where nothing was replicated."""

SINGLE = "One process each: with one block no interval is known and nothing is called faster or slower."
"""What must be said of ratios where nothing was replicated."""

LONG = 40
"""Rows beyond which a table is folded."""


def tables(measured: Efficiency, order: Sequence[str]) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """Every table of efficiency that has rows: those that are shown, and those that a reader opens.

    Args:
        measured: all frames.
        order: entries as the leaderboard ranks them.
    """
    whole, each = comparisons(measured, order)
    first = (*probes(measured, order), whole, resource_tables.memory(measured, order),
             resource_tables.energy(measured, order), resource_tables.conditions(measured))  # fmt: skip
    rest = (each, resource_tables.fits(measured, order), resource_tables.quantiles(measured, order),
            resource_tables.rooflines(measured, order))  # fmt: skip
    shown = tuple(table for table in first if 0 < len(table.rows) <= LONG)
    folded = tuple(table for table in first if len(table.rows) > LONG)
    return shown, (*folded, *(table for table in rest if table.rows))


def probes(measured: Efficiency, order: Sequence[str]) -> tuple[Table, ...]:
    """One table per probe: a row per point and entry, medians with half of their 95 % interval."""
    own = with_peaks(seen(measured.points, order), ["entry", "probe", "device", *AXES])
    return tuple(_probe(str(name), rows) for name, rows in own.groupby("probe", sort=True))


def comparisons(measured: Efficiency, order: Sequence[str]) -> tuple[Table, Table]:
    """Who is faster: over all points of each probe, and point by point (empty where there is one point)."""
    frame = seen(measured.ratios, order)
    frame = frame[frame["chief"]]
    over_all = frame["point"] == ratios.ALL
    groups = ["entry", "probe", "device", "subset"]
    single = ~over_all & (frame.groupby(groups)["point"].transform("size") == 1)
    notes = [_RATIO, *_why_not(measured, frame), *([LEGEND] if frame["noisy"].any() else [])]
    each = frame[~over_all & ~single]
    return (_ratios("ratios", "Faster or slower", frame[over_all | single], notes),
            _ratios("ratios-points", "Faster or slower, point by point", each, notes))  # fmt: skip


_RATIO = (
    "Time of the model over that of the one it stands against, geometric mean over paired blocks: below 1 is faster. "
    "Student's interval over blocks; of several points those of one block are averaged first. A difference is called "
    "where the 95 % interval excludes 1 and the ratio is farther from 1 than 2 % and than the noise floor of its probe."
)
_NO_CONTROL = (
    "No A/A control ran (control=MODEL), so the noise floor is not known and nothing is called faster or slower."
)


def _why_not(measured: Efficiency, frame: pd.DataFrame) -> list[str]:
    """The noise floor, and why some or all differences are not called."""
    notes = [ratios.statement(measured.floor) or _NO_CONTROL]
    bare = sorted(set(frame.loc[frame["floor"].isna(), "probe"]))
    if bare and len(measured.floor):
        notes.append(f"No control: the A/A control has no result of {wording.listing(bare)}; nothing is called there.")
    apart = int(frame.loc[frame["chief"].astype(bool) & (frame["point"] != ratios.ALL), "dropped"].sum())
    if apart:
        number = f"{apart} pair{'s' if apart > 1 else ''} of processes"
        notes.append(f"{number} left out: the two were measured in different runs, and only what one run measured in "
                     "turns is set against each other.")  # fmt: skip
    return [*notes, *([SINGLE] if (frame["blocks"] == 1).any() else [])]


def _probe(name: str, rows: pd.DataFrame) -> Table:
    metrics = [metric for metric in SHOWN if metric in set(rows["metric"])] or [""]
    names, several = grid_sheet.axes(rows), bool(rows["replicates"].max() > 1)
    states = bool(rows["subset"].astype(bool).any())
    lines = []
    number = rows.groupby(["device", *AXES, "entry", "subset"], dropna=False, sort=False).ngroup()
    groups: dict[int, list[dict[str, Any]]] = {}
    for point, row in zip(number, rows.to_dict("records"), strict=True):
        groups.setdefault(point, []).append(row)
    for group in groups.values():
        first, values = group[0], _values(group, metrics)
        if values:
            lines.append((text(first["entry"]), *(size(first[axis]) for axis in names),
                          *([text(first["subset"])] if states else []), *([_processes(first)] if several else []),
                          *values))  # fmt: skip
    units = rows.drop_duplicates("metric").set_index("metric")["unit"]
    columns = [Column(key="model", label="Model", numeric=False)]
    columns += [Column(key=axis, label=axis.title()) for axis in names]
    columns += [Column(key="state", label="State", numeric=False)] if states else []
    columns += [Column(key="processes", label="Processes")] if several else []
    columns += [_column(metric, str(units.get(metric, ""))) for metric in metrics]
    notes = ["Medians; ± is half of a 95 % bootstrap interval (processes first, then repeats)."]
    return Table(name=f"probe-{name}", title=f"Probe {name}", columns=tuple(columns), rows=tuple(lines),
                 notes=(*notes, *_notes(rows, replicates=rows["replicates"].max())))  # fmt: skip


def _values(group: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> list[Value]:
    """A value for each metric; the reason in a word where there is no result; none where nothing is shown of it."""
    if group[0]["metric"] == "":
        return [unmeasured(group[0]), *(text("") for _ in metrics[1:])]
    rows = {row["metric"]: row for row in group}
    values = [_value(rows[metric], metric) if metric in rows else text("") for metric in metrics]
    return values if any(value.number is not None for value in values) else []


def _value(row: Mapping[str, Any], metric: str) -> Value:
    if metric in SHARES:
        return share(row["median"])
    return size(row["median"]) if metric in COUNTS else timing({**row, "value": row["median"]})


def _column(metric: str, unit: str) -> Column:
    sub = "%" if metric in SHARES else unit if unit == "tok/s" else ""
    return Column(key=metric or "result", label=wording.metric(metric) or "Result", sub=sub)


def _processes(row: Mapping[str, Any]) -> Value:
    """Processes with a result, and of how many."""
    done, lost = int(row["replicates"]), int(row["lost"])
    words = f"{lost} without a result" if lost else ""
    return Value(text=f"{done} of {done + lost}" if lost else str(done), number=float(done), detail=words)


def _ratios(name: str, title: str, frame: pd.DataFrame, notes: Sequence[str]) -> Table:
    names, states = grid_sheet.axes(frame), bool(frame["subset"].astype(bool).any())
    rows = [
        (*place(row, names), *([text(row["subset"])] if states else []), text(wording.metric(row["metric"])),
         text(row["baseline"]),
         Value(text=f"{row['ratio']:.3f}", number=row["ratio"], lo=known(row["lo"]), hi=known(row["hi"]),
               noisy=bool(row["noisy"])),
         text("" if known(row["lo"]) is None else f"{row['lo']:.3f} to {row['hi']:.3f}"), size(row["blocks"]),
         text(": ".join(filter(None, (row["verdict"], row["reason"])))))
        for row in frame.to_dict("records")
    ]  # fmt: skip
    heads = [*grid_sheet.heads(frame), *([("subset", "State")] if states else []), ("metric", "Time"),
             ("baseline", "Against"), ("ratio", "Ratio"), ("interval", "95 % interval"), ("blocks", "Blocks"),
             ("verdict", "Verdict")]  # fmt: skip
    return grid_sheet.table(name, title, heads, rows, notes=notes)


def _notes(frame: pd.DataFrame, *, replicates: float) -> list[str]:
    return [*([ONE] if replicates == 1 else []), *([LEGEND] if frame["noisy"].any() else [])]
