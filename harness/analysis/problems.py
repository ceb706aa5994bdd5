"""What went wrong or must be known, as tables: failures, warnings, files that were skipped.

Layer: beside `tables`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false, reportGeneralTypeIssues=false
from __future__ import annotations

from typing import TYPE_CHECKING

from harness import zoo
from harness.analysis import wording
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """Every cell that ended without numbers, with the reason."""
    bad = study.cells[study.cells["status"] != "ok"].sort_values(["model", "workload", "cell"])
    rows = [
        (text(str(r.model)), text(str(r.workload)), text(wording.STATUSES.get(str(r.status), str(r.status))),
         text(str(r.error)), text(str(r.device)))
        for r in bad.itertuples(index=False)
    ]  # fmt: skip
    return _listing("failures", "Cells without a result", ("Model", "Workload", "Status", "Reason", "Device"), rows)


def warnings(study: Study) -> Table:
    """Every warning that a record carries."""
    rows = [
        (text(str(r.model)), text(str(r.workload)), text(str(line)))
        for r in study.cells.sort_values(["model", "workload", "cell"]).itertuples(index=False)
        for line in r.warnings
    ]
    return _listing("warnings", "Warnings", ("Model", "Workload", "Warning"), rows)


def skipped(study: Study) -> Table:
    """Files among the records that could not be read."""
    rows = [(text(r.file), text(r.reason)) for r in study.unreadable.itertuples(index=False)]
    return _listing("skipped", "Files that were skipped", ("File", "Reason"), rows)


def _listing(name: str, title: str, labels: Sequence[str], rows: list[tuple[Value, ...]]) -> Table:
    columns = tuple(Column(key=label.lower(), label=label, numeric=False) for label in labels)
    return Table(name=name, title=title, columns=columns, rows=tuple(rows))
