"""Robustness -> tables: overview, drops, prompts, attacks, transfer, domains, texts.

Layer: above `robustness`, beside `tables`; pure. Scores that are fractions are shown as per cent, their differences in
points; bits per byte stay as they are.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.analysis import wording
from harness.analysis.grid_sheet import share, size
from harness.analysis.robust_sheet import STAR, STARRED, Scores, p_cell, plain, rate, scores, table
from harness.analysis.sheet import Table, text

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

    from harness.analysis.derive import Comparison
    from harness.analysis.robustness import Robustness

LONG = 40
"""Rows beyond which a table is folded."""


def tables(measured: Robustness, comparison: Comparison) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """Every table of robustness that has rows: those that are shown, and those that a reader opens."""
    how = scores(comparison)
    made = [overview(measured, how), *hardest(measured, how), prompts(measured, how), attacks(measured, how),
            transfer(measured), domains(measured, how)]  # fmt: skip
    opened = [every_drop(measured, how), *texts(measured), positions(measured), absent(measured)]
    shown = tuple(one for one in made if 0 < len(one.rows) <= LONG)
    folded = tuple(one for one in made if len(one.rows) > LONG)
    return shown, (*folded, *(one for one in opened if one.rows))


def overview(measured: Robustness, how: Scores) -> Table:
    """Per entry and task: clean, worst case, what of the score it keeps, mean drop at each severity, area."""
    pooled = measured.curves[measured.curves["pooled"] & (measured.curves["severity"] > 0)]
    grid = sorted(set(pooled["severity"]))
    by_row = {key: rows.to_dict("records") for key, rows in pooled.groupby(["entry", "task"])}
    lines = []
    for row in measured.worst.to_dict("records"):
        points = {point["severity"]: point for point in by_row.get((row["entry"], row["task"]), ())}
        area = next(iter(points.values()), {"area": float("nan"), "area_lo": None, "area_hi": None})
        fewer = f"{row['missing']} of the cells that others have are missing" if row["missing"] else ""
        lines.append((
            text(row["entry"]), text(row["task"]), how.value(row, "clean"),
            replace(how.value(row, "worst"), noisy=bool(row["missing"]), detail=fewer), size(row["cells"]),
            rate(row, "ratio"),
            *(how.value(points[s], "drop") if s in points else text("") for s in grid), rate(area, "area"),
        ))  # fmt: skip
    heads = [("entry", "Model"), ("task", "Task"), ("clean", "Clean"), ("worst", "Worst case", "strict"),
             ("cells", "Cells"), ("ratio", "Kept", "worst / clean, %"),
             *((f"drop_{s:g}", f"Drop at {s:g}", "mean, strict") for s in grid),
             ("area", "Area", "% of clean")]  # fmt: skip
    few = (
        [f"‡: over fewer cells than other models: {_fewer(measured.worst)}."] if measured.worst["missing"].any() else []
    )
    return table("robustness-overview", "Overview", heads, lines, notes=[_OVERVIEW, *few])


_OVERVIEW = (
    "Fractions in per cent, drops in points (bits per byte as they are, a rise counts as a drop); ± is half of a 95 % "
    "interval over documents. Worst case: of each document the worst answer to the clean text and to every strict cell "
    "(HELM); it falls with the number of cells, so compare equal numbers only. Area: under the severity curve of "
    "all strict perturbations from clean input on, as a share of the clean score; 100 is no loss. "
    "Where lower scores are better, worst / clean and area grow above 100 instead."
)


def hardest(measured: Robustness, how: Scores) -> tuple[Table, ...]:
    """One table per task: the drop of each entry under each perturbation at its highest severity."""
    made = []
    top = _highest(measured.drops)
    for task, rows in top.groupby("task", sort=False):
        entries = list(dict.fromkeys(rows["entry"]))
        lines = []
        for (group, name), own in rows.groupby(["group", "variation"], sort=False):
            cells = {row["entry"]: row for row in own.to_dict("records")}
            lines.append((text(name), text(group), text(_listed(own["severity"])), *(
                how.value(cells[entry], "drop", mark=bool(cells[entry]["separable"])) if entry in cells else text("")
                for entry in entries)))  # fmt: skip
        heads = [("variation", "Perturbation"), ("group", "Group"), ("severities", "Severity"),
                 *((entry, entry, "drop") for entry in entries)]  # fmt: skip
        made.append(table(f"drops-{task}", f"Drop at the highest severity: {task}", heads, lines,
                           notes=["Clean minus perturbed on the same documents.", STARRED]))  # fmt: skip
    return tuple(made)


def every_drop(measured: Robustness, how: Scores) -> Table:
    """Every entry, task, perturbation and severity in full."""
    lines = []
    for row in measured.drops.to_dict("records"):
        chance = text("", detail=row["pdr_chance_why"]) if row["pdr_chance_why"] else rate(row, "pdr_chance")
        lines.append((
            text(row["entry"]), text(row["task"]), text(row["variation"]), text(row["group"]), plain(row["severity"]),
            size(row["n"]), how.value(row, "clean"), how.value(row, "perturbed"),
            how.value(row, "drop", mark=bool(row["separable"])), p_cell(row["p_holm"]), rate(row, "pdr"), chance,
            *((size(row["right_to_wrong"]), size(row["wrong_to_right"])) if row["binary"] else (text(""), text(""))),
            share(row["flips"]), plain(row["js"]), how.value(row, "changed_only_drop"),
        ))  # fmt: skip
    heads = [("entry", "Model"), ("task", "Task"), ("variation", "Perturbation"), ("group", "Group"),
             ("severity", "Severity"), ("n", "Documents"), ("clean", "Clean"), ("perturbed", "Perturbed"),
             ("drop", "Drop"), ("p_holm", "p", "Holm"), ("pdr", "Drop rate", "%"),
             ("pdr_chance", "Drop rate", "above chance, %"), ("right_to_wrong", "Right to wrong"),
             ("wrong_to_right", "Wrong to right"), ("flips", "Answers changed", "%"), ("js", "Shift", "JS, bits"),
             ("changed_only_drop", "Drop", "changed texts only")]  # fmt: skip
    return table("drops", "Every drop", heads, lines, notes=[_EVERY, STARRED])


_EVERY = (
    "Drop rate: share of the clean score that is lost; — where the clean score is 0. Above chance: the same of the "
    "score above guessing; — where clean accuracy is not above chance, because there is nothing to lose. Texts that a "
    "perturbation leaves as they are count, except in the last column. Shift: mean Jensen-Shannon divergence of the "
    "distribution over options. Right-or-wrong scores: McNemar's exact test."
)


def prompts(measured: Robustness, how: Scores) -> Table:
    """Per entry, task and kind of variant: scores over the variants, their spread and what noise alone gives."""
    lines = [
        (text(row["entry"]), text(row["task"]), text(row["variation"]), size(row["variants"]), size(row["n"]),
         *(how.value(row, name) for name in ("clean", "mean", "min", "max")),
         how.value(row, "spread", mark=bool(row["separable"])), how.value(row, "spread_noise", ends="none"),
         p_cell(row["p_holm"]), share(row["consistency"]), share(row["recall_sd"]))
        for row in measured.prompts.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model"), ("task", "Task"), ("variation", "Varied"), ("variants", "Variants"),
             ("n", "Documents"), ("clean", "Clean"), ("mean", "Mean"), ("min", "Lowest"), ("max", "Highest"),
             ("spread", "Spread"), ("spread_noise", "Spread", "by noise alone"), ("p_holm", "p", "Holm"),
             ("consistency", "Same answer", "%"), ("recall_sd", "Recall by position", "s. d., points")]  # fmt: skip
    note = (
        "The clean prompt is one of the variants. Spread: highest minus lowest score; by noise alone: what it would be "
        "were all variants equal (answers change places among variants within each document). Same answer: mean over "
        f"pairs of variants. {STAR}: larger than by noise alone, p < 0.05 after Holm's adjustment."
    )
    return table("prompts", "Prompt sensitivity", heads, lines, notes=[note])


def attacks(measured: Robustness, how: Scores) -> Table:
    """Per entry, task and attack: success beside random edits at the same budget."""
    lines = [
        (text(row["entry"]), text(row["task"]), text(row["variation"]), share(row["severity"]), how.value(row, "clean"),
         how.value(row, "under_attack"), size(row["attacked"]), rate(row, "success_rate", ends=""),
         share(row["control_rate"]), rate(row, "difference", mark=bool(row["separable"])), p_cell(row["p_holm"]),
         plain(row["queries"]), share(row["words_changed"]), plain(row["similarity"]))
        for row in measured.attacks.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model"), ("task", "Task"), ("attack", "Attack"), ("budget", "Budget", "% of words"),
             ("clean", "Clean"), ("under_attack", "Under attack"), ("attacked", "Attacked"),
             ("success_rate", "Success", "%"), ("control_rate", "Random", "%"), ("difference", "Gain", "points"),
             ("p_holm", "p", "Holm"), ("queries", "Queries", "mean"), ("words_changed", "Words changed", "%"),
             ("similarity", "Similarity")]  # fmt: skip
    note = ("Success: of the documents that were answered right. Random: edits of the same sort and budget without a "
            "search, on the same documents; gain: paired difference.")  # fmt: skip
    return table("attacks", "Attacks", heads, lines, notes=[note, STARRED] if lines else [])


def transfer(measured: Robustness) -> Table:
    """Examples found on one model (rows, by task and attack) given to the others (columns)."""
    frame = measured.transfer
    targets = list(dict.fromkeys(frame["entry"]))
    lines = []
    for (task, attack, victim), rows in frame.groupby(["task", "attack", "victim"], sort=False):
        cells = {row["entry"]: row for row in rows.to_dict("records")}
        rates = [rate(cells[t], "success_rate", ends="") if t in cells else text("") for t in targets]
        lines.append((text(task), text(attack), text(victim), *rates))
    heads = [("task", "Task"), ("attack", "Attack"), ("victim", "Found on"), *((t, t, "%") for t in targets)]
    note = "Share of a model's right answers that the examples found on another model turn wrong."
    return table("transfer", "Transfer of adversarial examples", heads, lines, notes=[note])


def domains(measured: Robustness, how: Scores) -> Table:
    """Per entry and pair of tasks: in domain, out of domain, gap, effective robustness."""
    lines = [
        (text(row["entry"]), text(row["in_task"]), text(row["out_task"]), how.value(row, "in_value", ends="in"),
         how.value(row, "out_value", ends="out"), how.value(row, "gap"),
         how.value(row, "effective") if not row["effective_why"] else text("", detail=row["effective_why"]))
        for row in measured.domains.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model"), ("in_task", "In domain"), ("out_task", "Out of domain"), ("in_value", "In"),
             ("out_value", "Out"), ("gap", "Gap"), ("effective", "Effective robustness")]  # fmt: skip
    why = sorted({str(reason) for reason in measured.domains["effective_why"] if reason})
    notes = [_DOMAINS, *(f"None: {one}." for one in why)]
    return table("domains", "In and out of domain", heads, lines, notes=notes)


_DOMAINS = (
    "Gap: in minus out of domain, over different documents. Effective robustness: the score out of domain beyond what "
    "the fit over all models predicts from that in domain."
)


def texts(measured: Robustness) -> tuple[Table, ...]:
    """One table per task: what became of the texts at the highest severity: applicable, changed, tokens, truncated."""
    made = []
    for task, rows in _highest(measured.drops).groupby("task", sort=False):
        entries = list(dict.fromkeys(rows["entry"]))
        lines = []
        for name, own in rows.groupby("variation", sort=False):
            grown = dict(zip(own["entry"], own["token_inflation"], strict=True))
            lines.append((text(name), text(_listed(own["severity"])), share(own["applicable"].mean()),
                          share(own["changed"].mean()), share(own["truncated"].max()),
                          *(plain(grown.get(entry, float("nan"))) for entry in entries)))  # fmt: skip
        heads = [("variation", "Perturbation"), ("severities", "Severity"), ("applicable", "Applicable", "%"),
                 ("changed", "Changed", "%"), ("truncated", "Truncated", "%, most of any model"),
                 *((entry, entry, "tokens, times") for entry in entries)]  # fmt: skip
        note = "Tokens: those of the perturbed texts over those of the clean ones, by each model's tokenizer."
        made.append(table(f"texts-{task}", f"Perturbed texts: {task}", heads, lines, notes=[note]))
    return tuple(made)


def positions(measured: Robustness) -> Table:
    """Recall of the right option by the position where it was shown."""
    lines = [
        (text(row["entry"]), text(row["task"]), size(row["position"] + 1), size(row["n"]), rate(row, "recall", ends=""),
         share(row["chosen"]))
        for row in measured.positions.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model"), ("task", "Task"), ("position", "Position"), ("n", "Shown there"),
             ("recall", "Found", "%"), ("chosen", "Chosen", "% of all answers")]  # fmt: skip
    return table("positions", "Options by position", heads, lines)


def absent(measured: Robustness) -> Table:
    """What could not be compared, with the reason."""
    rows = measured.absent.groupby(["entry", "task", "variation", "reason"], sort=False).size()
    lines = [(text(entry), text(task), text(name), text(reason)) for entry, task, name, reason in rows.index]
    heads = [("entry", "Model"), ("task", "Task"), ("variation", "Varied"), ("reason", "Why nothing is compared")]
    return table("not-compared", "Varied cells without a comparison", heads, lines)


def _highest(drops: pd.DataFrame) -> pd.DataFrame:
    """Of every entry, task and perturbation the row at the highest severity."""
    top = drops.groupby(["entry", "task", "variation"])["severity"].transform("max")
    return drops[drops["severity"] == top]


def _fewer(worst: pd.DataFrame) -> str:
    rows = worst[worst["missing"] > 0]
    return wording.listing([f"{entry} on {task}" for entry, task in zip(rows["entry"], rows["task"], strict=True)])


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in sorted(set(values)))
