"""What went wrong or must be known, as tables: failures, warnings, files that were skipped.

Layer: beside `tables`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import zoo
from harness.analysis import wording
from harness.analysis.points import AXES, states
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from harness.analysis.frame import Study


def cautions(study: Study) -> tuple[str, ...]:
    """What must be said before any number, one line each; the page and the terminal say the same."""
    cells = study.cells
    miniature = cells["source"].str.startswith("zoo:") | cells["task_source"].str.startswith("zoo/")
    found = [zoo.DISCLAIMER] if miniature.any() else []
    trusted = sorted(set(cells.loc[cells["trust_remote_code"], "model"]))
    if trusted:
        found.append(
            f"Loaded with trust_remote_code, so code from the checkpoint's author ran: {wording.listing(trusted)}."
        )
    random = sorted(set(cells.loc[cells["weights"] == "random", "model"]))
    if random:
        found.append(f"Random weights, so scores mean nothing: {wording.listing(random)}.")
    whole = (cells["documents"] >= cells["available"]).fillna(value=False)
    limits = sorted({int(n) for n in cells.loc[~whole, "limit"].dropna()})
    if limits:
        numbers = wording.listing([f"{n:,}" for n in limits])
        found.append(f"Tasks were cut to at most {numbers} documents, so intervals are wider than on the full tasks.")
    return tuple(found)


def failures(study: Study) -> Table:
    """Every cell that ended without numbers, with the reason; points of one probe that ended alike are one row."""
    bad = study.cells.assign(state=states(study.cells))[study.cells["status"] != "ok"]
    bad = _once(
        bad.sort_values(["model", "workload", *AXES, "variation", "cell"]), ["model", "workload", "device", "state"]
    )
    rows = [
        (text(str(r.model)), text(_varied(r)), text(wording.STATUSES.get(str(r.state), str(r.state))),
         text(f"{r.error}{r.more}"), text(str(r.device)))
        for r in bad.itertuples(index=False)
    ]  # fmt: skip
    return _listing("failures", "Cells without a result", ("Model", "Workload", "Status", "Reason", "Device"), rows)


def warnings(study: Study, *, varied: bool = True) -> Table:
    """Every warning that a record carries; warnings of one sort on points of one probe are one row.

    Args:
        study: what was measured.
        varied: those of varied tasks, too.
    """
    cells = study.cells if varied else study.cells[study.cells["perturbation"] == "none"]
    lines = cells.sort_values(["model", "workload", *AXES, "variation", "cell"]).explode("warnings")
    lines = lines[lines["warnings"].notna()]
    lines = lines.assign(sort=[str(line).partition(":")[0] for line in lines["warnings"]])
    lines = _once(lines, ["model", "workload", "device", "sort"])
    rows = [
        (text(str(r.model)), text(_varied(r)), text(f"{r.warnings}{r.more}")) for r in lines.itertuples(index=False)
    ]
    return _listing("warnings", "Warnings", ("Model", "Workload", "Warning"), rows)


def skipped(study: Study) -> Table:
    """Files among the records that could not be read."""
    rows = [(text(r.file), text(r.reason)) for r in study.unreadable.itertuples(index=False)]
    return _listing("skipped", "Files that were skipped", ("File", "Reason"), rows)


def _varied(row: Any) -> str:
    """The workload with how it is varied, as in `topic · keyboard_typo@0.3`, or the training on it."""
    name = f"training on {row.workload}" if row.kind == "training" else str(row.workload)
    return " · ".join(filter(None, (name, str(row.variation))))


def _once(cells: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """The first of the probe or varied cells that are alike in the keys; `more` says how many others there are."""
    many = (cells["kind"] == "probe") | (cells["perturbation"] != "none")
    keyed = cells.assign(many=many, more="")
    alike = keyed.groupby([*keys, "many"], dropna=False)["cell"]
    number = alike.transform("size")
    keyed["more"] = [f" (and {n - 1} more)" if n > 1 and once else "" for n, once in zip(number, many, strict=True)]
    kept: pd.DataFrame = keyed.loc[~many | (alike.cumcount() == 0)]
    return kept


def _listing(name: str, title: str, labels: Sequence[str], rows: list[tuple[Value, ...]]) -> Table:
    columns = tuple(Column(key=label.lower(), label=label, numeric=False) for label in labels)
    return Table(name=name, title=title, columns=columns, rows=tuple(rows))
