"""The columns of the four tidy tables: what they hold, in which unit, out of which words.

Layer: above `quantities`, below `schema`, which holds frames against it. `docs/schema.md` is written from here. Names
are those of `frame` and `comparisons`; SI base units, fractions instead of per cent, nothing rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, final

from harness.records import UNITS, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT, COUNT, NUMBER, FLAG, LIST = "text", "count", "number", "flag", "list"
"""Kinds of columns: a text; a whole number; a number; true or false; several values."""


@final
@dataclass(frozen=True, kw_only=True)
class Column:
    """What a column holds.

    Attributes:
        kind: one of `TEXT`, `COUNT`, `NUMBER`, `FLAG`, `LIST`.
        about: one line for people, with the unit of a number.
        gaps: whether a row may hold nothing.
        words: all values that there may be; empty for any.
        least: smallest value, of a text its least length; None for any.
        most: largest value; None for any.
        optional: whether a table may lack the column.
    """

    kind: str
    about: str
    gaps: bool = False
    words: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    optional: bool = False


@final
@dataclass(frozen=True, kw_only=True)
class Table:
    """One of the tidy tables.

    Attributes:
        about: what one row is.
        key: the columns that no two rows share.
        columns: by name, in order.
        further: beginning of the names of columns that depend on what was measured, each with `every`; empty for none.
        every: what such a column holds.
    """

    about: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    further: str = ""
    every: Column | None = None


def _text(about: str, *words: str, gaps: bool = False) -> Column:
    return Column(kind=TEXT, about=about, words=words, gaps=gaps)


def _name(about: str) -> Column:
    return Column(kind=TEXT, about=about, least=1)


def _count(about: str, *, gaps: bool = False) -> Column:
    return Column(kind=COUNT, about=about, gaps=gaps, least=0)


def _number(about: str, *, least: float | None = None, most: float | None = None, gaps: bool = False) -> Column:
    return Column(kind=NUMBER, about=about, gaps=gaps, least=least, most=most)


def _share(about: str, *, gaps: bool = False) -> Column:
    return _number(about, least=0, most=1, gaps=gaps)


def _flag(about: str, *, gaps: bool = False) -> Column:
    return Column(kind=FLAG, about=about, gaps=gaps)


def _optional(kind: str, about: str) -> Column:
    return Column(kind=kind, about=about, optional=True, gaps=True)


WHERE = {
    "study": _name("name of the study's folder"),
    "cell": _name("id of the cell: 12 hex digits of the SHA-256 of its resolved configuration"),
    "model": _name("label of the model"),
    "method": _name("label of the adaptation; `none` for the model as it is"),
    "workload": _name("label of the task or probe"),
}
"""What every row of three tables is about."""

VARIED = {
    "perturbation": _name("label of the task's variation; `none` for none"),
    "severity": _share("strength of the variation; 0 where it has none"),
    "seed": Column(kind=COUNT, about="seed of everything drawn in the cell"),
}

POINT = {
    "batch": _count("rows at a time; a gap where the probe has no such axis, and for tasks", gaps=True),
    "prompt": _count("tokens of each prompt (gaps as above)", gaps=True),
    "new": _count("new tokens of each row (gaps as above)", gaps=True),
    "replicate": _count("which process that repeats the point, or which draw of a variation"),
}

VALUE = {
    "metric": _name("name of the metric"),
    "subset": _text("part of the cell that it is about, as in `class=positive`; empty for the whole"),
    "value": Column(kind=NUMBER, about="the number, in `unit`; finite wherever `status` is ok", gaps=True),
    "unit": _text("unit of the value; a metric of this project has one unit only", *sorted(UNITS)),
}

SETTINGS = {
    "status": _text("how the measuring ended", *(str(one) for one in Status)),
    "kind": _text("what the cell is", "task", "probe", "training"),
    "workload_kind": _text(
        "kind of task; `probe` and `training` for what is none",
        "classification", "multiple_choice", "generation", "language_modelling", "task", "probe", "training",
    ),
    "family": _text("family of the architecture", gaps=True),
    "parameters": _count("parameters, a tied head counted once", gaps=True),
    "dtype": _text("of weights and arithmetic, as loaded", gaps=True),
    "attention": _text("implementation of attention, as loaded", gaps=True),
    "device": _name("slug of the device"),
    "device_name": _text("its name for people"),
    "device_kind": _text("`cpu`, `cuda`, `api`, or what another harness wrote"),
    "weights": _text("where weights come from; `remote` behind an API", "pretrained", "random", "remote", gaps=True),
    "revision": _text("commit of the checkpoint", gaps=True),
    "quantisation": _text("of weights, as loaded", gaps=True),
    "source": _text("where the checkpoint lies"),
    "shots": _count("examples in the prompt", gaps=True),
    "limit": _count("documents asked for; a gap for all", gaps=True),
    "chance": _share("expected score of guessing", gaps=True),
    "primary_metric": _text("metric that a task is ranked by; empty for what is no task"),
    "error": _text("why there is no result"),
    "warning_count": _count("warnings that a reader of the numbers must see"),
    "started": _text("when, ISO 8601, UTC"),
    "commit": _text("commit of the harness"),
    "harness": _text("version of the harness"),
    "noisy": _flag("whether something else disturbed the machine"),
    "control": _text("of an A/A control the model that it repeats"),
    "superseded": _flag("whether the same cell was measured again later"),
}  # fmt: skip

MEASUREMENTS = Table(
    about="one value of one metric of one cell",
    key=("study", "cell", "metric", "subset", "repeat"),
    columns=MappingProxyType({
        **WHERE, **SETTINGS, **VARIED, **POINT, **VALUE,
        "repeat": _count("number of a raw repeat of a probe, from 0"),
        "n": _count("items or calls behind the value"),
        "stderr": _number("standard error, where a closed form exists", least=0, gaps=True),
        "higher_is_better": _flag("a gap where neither direction is better", gaps=True),
        "primary": _flag("whether a task is ranked by this row"),
        "ci_lo": _number("lower end of the 95 % interval, in `unit`", gaps=True),
        "ci_hi": _number("upper end", gaps=True),
        "ci_method": _text("how the interval was found; empty where there is none", "", "wilson", "normal"),
    }),
)  # fmt: skip
"""All numbers: accuracies, times, bytes."""

SAMPLES = Table(
    about="one document under one model",
    key=("study", "cell", "subset", "index"),
    columns=MappingProxyType({
        **WHERE, **VARIED,
        "item_id": _name("hash of the document: the same under every model, limit and order"),
        "index": _count("position in the task's split"),
        "subset": _text("sub-task of a group"),
        "prompt_hash": _optional(TEXT, "hash of all requests: equal where prompts are equal"),
        "prompt": _optional(TEXT, "context of the first request"),
        "gold": _text("expected answer"),
        "pred": _text("the model's answer"),
        "options": Column(kind=LIST, about="texts of the options; empty where there are none"),
        "logprobs": Column(kind=LIST, about="log-likelihood of each option or text, in nats"),
        "tokens": Column(kind=LIST, about="scored tokens of each of these, or generated tokens"),
        "truncated": _flag("whether a prompt lost tokens on the left"),
        "edits": _optional(TEXT, "what a variation changed, as JSON"),
    }),
    further="metric:",
    every=Column(kind=NUMBER, about="value of the metric on this document", gaps=True),
)  # fmt: skip
"""All documents with all answers."""

TIMINGS = Table(
    about="one raw repeat of a time or speed of a probe, or one of its single tokens (metric `gap`)",
    key=("study", "cell", "metric", "subset", "repeat", "token"),
    columns=MappingProxyType({
        **WHERE, "device": SETTINGS["device"], **POINT,
        "repeat": _count("number of the repeat, from 0"),
        "token": _count("of a `gap`: new tokens before it, from 1; a gap elsewhere", gaps=True),
        **VALUE, "noisy": SETTINGS["noisy"], "control": SETTINGS["control"],
    }),
)  # fmt: skip
"""Raw times: nothing is averaged."""

COMPARISONS = Table(
    about="one pair of entries on one task, on identical documents",
    key=("a", "b", "task", "metric"),
    columns=MappingProxyType({
        "a": _name("one entry: a model with the settings that differ"), "b": _name("the other"),
        "task": _name("what both were asked"), "metric": _text("what is compared; empty for the mean over tasks"),
        "diff": _number("mean of `a - b`, turned so that positive says `a` is better; unit of the metric"),
        "se": _number("its standard error, paired", least=0, gaps=True),
        "ci_lo": _number("lower end of its 95 % interval", gaps=True), "ci_hi": _number("upper end", gaps=True),
        "rho": _number("correlation of the two over documents", least=-1, most=1),
        "n": _count("documents"), "n_clusters": _count("clusters of documents; `n` where all are independent"),
        "only_a": _count("documents that only `a` got right"), "only_b": _count("documents that only `b` got right"),
        "p_raw": _share("two-sided p-value of no difference"), "p_holm": _share("adjusted for the family"),
        "p_tost": _share("p-value of a difference of `margin` or more"), "p_tost_holm": _share("adjusted"),
        "family": _name("what is adjusted together"), "tests": _count("tests in the family"),
        "mde80": _number("smallest true difference found with 80 % power", least=0, gaps=True),
        "required_n": _count("documents that would show a difference of `margin`", gaps=True),
        "margin": _number("difference that does not matter", least=0),
        "verdict": _text("of `a` beside `b`", "better", "worse", "equivalent", "inconclusive"),
        "negligible": _flag("whether a difference was shown, and shown to be below `margin`"),
        "method": _text(
            "test of `p_raw`",
            "McNemar exact", "paired t", "clustered t", "clustered sign-flip", "paired normal over tasks",
        ),
    }),
)  # fmt: skip
"""Who is better than whom, with the evidence."""

TABLES: Mapping[str, Table] = MappingProxyType({
    "measurements": MEASUREMENTS, "samples": SAMPLES, "timings": TIMINGS, "comparisons": COMPARISONS,
})  # fmt: skip
"""The tidy tables by name."""
