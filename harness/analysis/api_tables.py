"""Frames on API models and protocols -> tables: costs, latencies, gaps between protocols, places of options, method.

Layer: above `api`, beside `tables`; pure.
"""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from harness.analysis import wording
from harness.analysis.grid_sheet import number, share, size
from harness.analysis.sheet import Column, Table, Value, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.analysis.api import Apis

WORDS = frozenset({"entry", "task", "protocol", "pair", "place", "endpoint", "asked", "names", "fingerprints",
                   "protocols", "chat", "days", "prices", "source", "tokens_by", "between"})  # fmt: skip
"""Keys of columns that hold text."""

STAR = "*"
"""Mark of what differs from 0 with p < 0.05 after Holm's adjustment."""

Head = tuple[str, str, str]


def tables(found: Apis) -> tuple[tuple[Table, ...], tuple[Table, ...]]:
    """Every table that has rows: those that are shown, and those that a reader opens."""
    shown = (costs(found.costs), gaps(found.gaps))
    opened = (latencies(found.costs), positions(found.positions))
    return tuple(one for one in shown if one.rows), tuple(one for one in opened if one.rows)


def method(found: Apis) -> tuple[Table, ...]:
    """How API models were asked, for the section on methods: none or one table."""
    lines = [
        (text(one["entry"]), text(one["endpoint"]), text(one["asked"]), text(_counts(one["names"])),
         text(_counts(one["fingerprints"])), text(one["protocols"]), text(one["chat"]), text(_days(one)),
         text(_prices(one)), text(_source(one)), text(one["tokens_by"]), size(one["requests"]), size(one["retries"]),
         _missing(one), _usd(one["usd"]))
        for one in found.models.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model", ""), ("endpoint", "Endpoint", ""), ("asked", "Name", "asked for"),
             ("names", "Name", "that answered"), ("fingerprints", "System", "fingerprints"),
             ("protocols", "Protocols", ""), ("chat", "Chat template", ""), ("days", "Asked", ""),
             ("prices", "Prices", "USD per million, in / out"), ("source", "Prices", "of"),
             ("tokens_by", "Tokens", "counted by"), ("requests", "Requests", ""), ("retries", "Tries", "beyond one"),
             ("missing", "Without answer", "% of requests"), ("usd", "Paid", "USD, all cells")]  # fmt: skip
    made = _table("api-models", "API models as they were asked", heads, lines)
    return (made,) if lines else ()


def costs(frame: pd.DataFrame) -> Table:
    """Per API model and task: score, price of 1,000 documents and of a right answer, time, missing documents."""
    lines = [
        (text(one["entry"]), text(one["task"]), _score(one), _usd(one["usd_per_1000"]), _usd(one["usd_per_right"]),
         size(one["documents"]), _lacking(one), text(_between(one)), number(one["p50"], "s"),
         number(one["first_p50"], "s"), _plain(one["tokens_per_second"]), _plain(one["requests_per_minute"]))
        for one in frame.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model", ""), ("task", "Task", ""), ("score", "Score", ""), ("usd_per_1000", "Price",
             "USD per 1,000 documents"), ("usd_per_right", "Price", "USD per right answer"),
             ("documents", "Documents", ""), ("missing", "Without answer", "%"),
             ("between", "Accuracy", "over all lies between"), ("p50", "Time", "per request, median"),
             ("first_p50", "Time", "to first token, median"), ("tokens_per_second", "Speed", "tokens/s, median"),
             ("requests_per_minute", "Requests", "per minute")]  # fmt: skip
    return _table("api-costs", "What API models cost", heads, lines, notes=[_COSTS] if lines else [])


_COSTS = (
    "Scores and prices are over the documents that have all their answers; a failed call is no wrong answer. Times are "
    "those of single requests as the client sees them, replies that were kept from an earlier run included; the first "
    "token is known where replies are streamed. Speed: tokens after the first over the time they took."
)


def latencies(frame: pd.DataFrame) -> Table:
    """Per API model and task: percentiles of the time of a request, and to its first token."""
    names = ("p50", "p90", "p99", "first_p50", "first_p90", "first_p99")
    lines = [
        (text(one["entry"]), text(one["task"]), size(one["requests"]), size(one["kept"]), size(one["prompt_tokens"]),
         size(one["new_tokens"]), *(number(one[name], "s") for name in names))
        for one in frame.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model", ""), ("task", "Task", ""), ("requests", "Requests", ""), ("kept", "Requests", "kept"),
             ("prompt_tokens", "Tokens", "of prompts"), ("new_tokens", "Tokens", "new"),
             *((name, "Time to first token" if name.startswith("first") else "Time", f"{name[-2:]} %")
               for name in names)]  # fmt: skip
    return _table("api-latencies", "Times of requests to APIs", heads, lines)


def gaps(frame: pd.DataFrame) -> Table:
    """Per entry, task and two protocols: accuracies on the same documents, their difference, how often they agree."""
    lines = [
        (text(one["entry"]), text(one["task"]), text(f"{one['first']} → {one['second']}"), size(one["n"]),
         share(one["first_acc"]), share(one["second_acc"]), _points(one, "gap"), _p(one["p_holm"]),
         share(one["same"]), share(one["unread"]))
        for one in frame.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model", ""), ("task", "Task", ""), ("pair", "Protocols", ""), ("n", "Documents", "shared"),
             ("first_acc", "Accuracy", "first, %"), ("second_acc", "Accuracy", "second, %"),
             ("gap", "Gap", "points"), ("p_holm", "p", "Holm"), ("same", "Same answer", "%"),
             ("unread", "No option named", "%")]  # fmt: skip
    return _table("protocol-gaps", "What the protocol changes", heads, lines, notes=[_GAPS] if lines else [])


_GAPS = (
    "The same model on the same documents, asked in two ways; accuracy is that of the likeliest option, of the "
    "likeliest letter, or of the option that a free answer names, and an answer that names none is wrong. Gap: second "
    f"minus first, with a 95 % interval. {STAR}: p < 0.05 by McNemar's exact test after Holm's adjustment over this "
    "table. Models may be compared with each other within one protocol only."
)


def positions(frame: pd.DataFrame) -> Table:
    """Per entry, task and place: how often the right option stood there, was found there, and was chosen there."""
    lines = [
        (text(one["entry"]), text(one["task"]), text(one["place"]), size(one["n"]),
         _rate(one["found"], one["found_lo"], one["found_hi"]), share(one["shown"]), share(one["chosen"]),
         _points(one, "excess"), _p(one["p_holm"]))
        for one in frame.to_dict("records")
    ]  # fmt: skip
    heads = [("entry", "Model", ""), ("task", "Task", ""), ("place", "Place", ""), ("n", "Right option", "shown there"),
             ("found", "Found", "% of these"), ("shown", "Right", "% of all"), ("chosen", "Chosen", "% of all"),
             ("excess", "Excess", "points"), ("p_holm", "p", "Holm")]  # fmt: skip
    return _table("protocol-positions", "Options by the place where they stood", heads, lines,
                  notes=[_POSITIONS] if lines else [])  # fmt: skip


_POSITIONS = (
    "The order of the options is drawn for each document. Excess: how much more often a place is chosen than the right "
    f"option stands there, with a 95 % interval over documents. {STAR}: p < 0.05 after Holm's adjustment over the "
    "places of the task: the model prefers, or avoids, the place itself."
)


def _table(
    name: str, title: str, heads: Iterable[Head], lines: Sequence[tuple[Value, ...]], *, notes: Sequence[str] = ()
) -> Table:
    columns = tuple(Column(key=key, label=label, sub=sub, numeric=key not in WORDS) for key, label, sub in heads)
    return Table(name=name, title=title, columns=columns, rows=tuple(lines), notes=tuple(notes))


def _score(one: Mapping[str, Any]) -> Value:
    if pd.isna(one["value"]):
        return text("")
    if one["percent"] is not True and not (pd.notna(one["percent"]) and bool(one["percent"])):
        return number(one["value"], "1", one["lo"], one["hi"])
    return _rate(one["value"], one["lo"], one["hi"])


def _rate(value: float, lo: float, hi: float) -> Value:
    if pd.isna(value) or pd.isna(lo):
        return share(value)
    return replace(share(value), lo=float(lo), hi=float(hi), spread=f"±{wording.percent((hi - lo) / 2)}")


def _points(one: Mapping[str, Any], name: str) -> Value:
    """A difference of shares in points with the ends of its interval."""
    found = _rate(one[name], one["lo"], one["hi"])
    mark = STAR if pd.notna(one["p_holm"]) and one["p_holm"] < 0.05 else ""  # noqa: PLR2004 - the level
    sign = "+" if one[name] > 0 else ""
    ends = f"{wording.percent(one['lo'])} to {wording.percent(one['hi'])}"
    return replace(found, text=f"{sign}{found.text}", spread=f"({ends}){mark}")


def _p(value: float) -> Value:
    return text("") if pd.isna(value) else Value(text=wording.p_value(value), number=float(value))


def _usd(value: float) -> Value:
    return text("") if pd.isna(value) else Value(text=wording.significant(float(value)), number=float(value))


def _plain(value: float | None) -> Value:
    known = value is not None and not pd.isna(value)
    return Value(text=wording.significant(float(value or 0)), number=float(value or 0)) if known else text("")


def _lacking(one: Mapping[str, Any]) -> Value:
    whole, left = one["documents"], one["answered"]
    return text("") if pd.isna(whole) or not whole else share((whole - left) / whole)


def _between(one: Mapping[str, Any]) -> str:
    if pd.isna(one["least"]):
        return ""
    return f"{wording.percent(one['least'])} and {wording.percent(one['most'])} %"


def _missing(one: Mapping[str, Any]) -> Value:
    found, asked = json.loads(one["lost"]), one["requests"]
    if not asked:
        return text("")
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(found.items()))
    return replace(share(sum(found.values()) / asked), detail=kinds)


def _counts(text: str) -> str:
    found: dict[str, int] = json.loads(text)
    return ", ".join(f"{name} ({count:,})" if len(found) > 1 else name for name, count in sorted(found.items()))


def _days(one: Mapping[str, Any]) -> str:
    return one["first"] if one["first"] == one["last"] else f"{one['first']} to {one['last']}"


def _prices(one: Mapping[str, Any]) -> str:
    return "" if pd.isna(one["price_input"]) else f"{one['price_input']:g} / {one['price_output']:g}"


def _source(one: Mapping[str, Any]) -> str:
    return "; ".join(part for part in (one["price_date"], one["price_source"]) if part)
