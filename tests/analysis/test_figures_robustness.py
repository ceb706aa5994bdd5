"""Figures of robustness: each is there exactly when its frame has rows, says what the frame says, and can be read."""

from __future__ import annotations

import dataclasses
import itertools
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from harness.analysis import drawing, figures_curves, figures_robustness
from harness.analysis.figures_curves import at_shared
from harness.analysis.robust_attacks import ATTACKS, CURVE, TRANSFER
from harness.analysis.robust_drops import ALL_STRICT, CURVES, DROPS, WORST
from harness.analysis.robust_prompts import POINTS, PROMPTS
from harness.analysis.robustness import Robustness

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.figure import Figure

MODELS = {
    "gpt2": ("gpt2", 124_439_808), "gpt2-xl": ("gpt2", 1_557_611_200), "gpt-neo-2.7b": ("gpt_neo", 2_651_307_520),
    "pythia-1.4b-deduped": ("gpt_neox", 1_414_647_808), "opt-1.3b": ("opt", 1_315_758_080),
    "gpt-j-6b": ("gptj", 6_050_882_784), "gpt-neox-20b": ("gpt_neox", 20_554_567_680), "gpt2-large": ("gpt2", 774e6),
}  # fmt: skip
TASKS = {  # metric, chance, percent, arrow
    "story_ending": ("acc", 0.25, True, "↑"), "review_sentiment": ("acc", 0.5, True, "↑"),
    "heldout_text": ("bits_per_byte", np.nan, False, "↓"), "question_answering": ("f1", np.nan, True, "↑"),
}  # fmt: skip
SOFT = ("distractor", "filler", "function_word_drop", "synonym")
FAIRNESS = ("dialect", "gender_swap", "name_swap")
STRICT = (
    "char_delete", "char_insert", "char_swap", "common_misspelling", "contraction", "end_mark", "expansion",
    "homoglyph", "inner_shuffle", "invisible_chars", "keyboard_typo", "leet", "lower_case", "ocr_noise",
    "punctuation_repeat", "punctuation_strip", "random_case", "upper_case", "whitespace",
)  # fmt: skip
N = 400


def comparison(models: int, tasks: int) -> Any:
    """The two frames of a comparison that figures of robustness read."""
    names = list(MODELS)[:models]
    entries = pd.DataFrame({"entry": names, "model": names, "family": [MODELS[name][0] for name in names],
                            "parameters": pd.array([int(MODELS[name][1]) for name in names], "Int64")})  # fmt: skip
    rows = [(name, *TASKS[name]) for name in list(TASKS)[:tasks]]
    return SimpleNamespace(
        entries=entries, tasks=pd.DataFrame(rows, columns=["task", "metric", "chance", "percent", "arrow"])
    )


def frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """A frame of robustness with all its columns; what is not given is not known."""
    return pd.DataFrame(rows).reindex(columns=list(columns)) if rows else pd.DataFrame(columns=list(columns))


def cells(of: Any) -> list[tuple[dict[str, str], float, float, np.random.Generator]]:
    """Every entry and task: its labels, its clean score, the unit of the score, numbers to draw from."""
    found = []
    for (i, entry), (j, task) in itertools.product(enumerate(of.entries["entry"]), of.tasks.iterrows()):
        unit = 1.0 if task["percent"] else -1.0
        clean = (0.42 + 0.06 * i - 0.02 * j) if task["percent"] else 1.3 - 0.05 * i
        labels = {"entry": entry, "model": entry, "task": task["task"], "metric": task["metric"]}
        found.append((labels, clean, unit, np.random.default_rng(10 * i + j)))
    return found


def texts(of: Any, groups: dict[str, Sequence[str]], severities: Sequence[float]) -> dict[str, pd.DataFrame]:
    """Drops, curves and worst cases under these perturbations at these severities."""
    drops, curves, worst = [], [], []
    for labels, clean, unit, rng in cells(of):
        pooled = dict.fromkeys(severities, 0.0)
        for group, names in groups.items():
            for k, name in enumerate(names):
                curves.append(_point(labels, name, group, (0.0, clean, 0.0), pooled=False))
                for s in severities:
                    drop = s * (0.02 + 0.008 * k + rng.normal(0, 0.012)) * (0.4 if group != "strict" else 1.0)
                    pooled[s] += drop / len(names) if group == "strict" else 0
                    turned = max(0, int(N * abs(drop)))
                    won = 0 if labels["metric"] != "acc" else int(rng.integers(2, 14))
                    drops.append({
                        **labels, "variation": name, "group": group, "severity": s, "n": N, "clean": clean,
                        "perturbed": clean - unit * drop, "drop": drop, "drop_lo": drop - 0.018,
                        "drop_hi": drop + 0.018,
                        "binary": labels["metric"] == "acc", "trials": N, "wrong_to_right": won,
                        "right_to_wrong": won + turned if won else 0,
                    })  # fmt: skip
                    curves.append(_point(labels, name, group, (s, clean - unit * drop, drop), pooled=False))
        if "strict" in groups:
            curves.append(_point(labels, ALL_STRICT, "strict", (0.0, clean, 0.0), pooled=True))
            curves += [
                _point(labels, ALL_STRICT, "strict", (s, clean - unit * d, d), pooled=True) for s, d in pooled.items()
            ]
        low = clean - unit * 0.16
        row = {**labels, "n": N, "clean": clean, "clean_lo": clean - 0.03, "clean_hi": clean + 0.03, "missing": 0}
        for name, kind, value in (("worst", "strict", low), ("worst_soft", "soft", low + 0.08 * unit),
                                  ("worst_fairness", "fairness", low + 0.1 * unit)):  # fmt: skip
            if kind in groups:
                row |= {name: value, f"{name}_lo": value - 0.025, f"{name}_hi": value + 0.025}
        worst.append(row)
    return {"drops": frame(drops, DROPS), "curves": frame(curves, CURVES), "worst": frame(worst, WORST)}


def _point(
    labels: dict[str, str], name: str, group: str, at: tuple[float, float, float], *, pooled: bool
) -> dict[str, Any]:
    severity, value, drop = at
    half = 0.02 if severity else 0.024
    return {**labels, "variation": name, "group": group, "pooled": pooled, "severity": severity, "n": N,
            "value": value, "lo": value - half, "hi": value + half, "drop": drop, "area": 0.9}  # fmt: skip


def prompted(of: Any, kinds: Sequence[str], variants: int) -> dict[str, pd.DataFrame]:
    """Prompt variants and their points."""
    rows, points = [], []
    for labels, clean, _, rng in cells(of):
        for kind in kinds:
            values = clean + rng.normal(0, 0.025, variants)
            values[0] = clean
            rows.append({**labels, "variation": kind, "variants": variants, "n": N, "clean": clean,
                         "mean": values.mean(), "min": values.min(), "max": values.max(),
                         "spread": np.ptp(values), "spread_noise": 0.04, "spread_noise_hi": 0.06})  # fmt: skip
            points += [
                {**labels, "variation": kind, "replicate": r - 1, "clean": r == 0, "n": N, "value": v}
                for r, v in enumerate(values)
            ]
    return {"prompts": frame(rows, PROMPTS), "prompt_points": frame(points, POINTS)}


def attacked(of: Any, kinds: Sequence[tuple[str, str]], severities: Sequence[float] = (0.2,)) -> dict[str, Any]:
    """Attacks beside their baselines, their curves, and what carries over."""
    rows, curve, carried = [], [], []
    for labels, _, _, rng in cells(of):
        for (name, control), s in itertools.product(kinds, severities):
            for attack, search, top in ((name, "greedy", 0.7), (control, "random", 0.25)):
                if not attack:
                    continue
                known = {**labels, "variation": attack, "severity": s, "search": search, "candidates": "characters"}
                rows.append({**known, "control": control if attack == name else "", "attacked": 150})
                found = np.sort(rng.exponential(60, int(150 * top))).round() + 1
                steps = [0.0, *np.unique(found), 420.0]
                for q in steps:
                    rate = float((found <= q).sum()) / 150
                    curve.append({**known, "queries": int(q), "attacked": 150, "broken": int((found <= q).sum()),
                                  "success_rate": rate, "lo": max(0, rate - 0.06), "hi": rate + 0.06})  # fmt: skip
            for victim in of.entries["model"]:
                rate = np.nan if victim == labels["entry"] else float(rng.uniform(0.05, 0.9))
                carried.append({**labels, "attack": name, "victim": victim, "n": 60, "attacked": 40,
                                "success_rate": rate})  # fmt: skip
    return {"attacks": frame(rows, ATTACKS), "attack_curve": frame(curve, CURVE), "transfer": frame(carried, TRANSFER)}


def measured(**frames: pd.DataFrame) -> Robustness:
    """Robustness with these frames, the others empty."""
    of = {"drops": DROPS, "curves": CURVES, "worst": WORST, "prompts": PROMPTS, "prompt_points": POINTS,
          "attacks": ATTACKS, "attack_curve": CURVE, "transfer": TRANSFER}  # fmt: skip
    empty = {field.name: frame([], of.get(field.name, ())) for field in dataclasses.fields(Robustness)}
    return Robustness(**{**empty, **frames})


def study(
    models: int, tasks: int, *, groups: dict[str, Sequence[str]], severities: Sequence[float] = (0.5, 1.0)
) -> Any:
    """A whole study: its comparison and its robustness."""
    of = comparison(models, tasks)
    kinds = ("prompt_format", "option_order")
    return of, measured(
        **texts(of, groups, severities), **prompted(of, kinds, 8), **attacked(of, [("deepwordbug", "random_chars")])
    )


SOME = {"strict": STRICT[:4], "soft": SOFT[:1], "fairness": FAIRNESS[:2]}
ALL = {"strict": STRICT, "soft": SOFT, "fairness": FAIRNESS}


class Kept(NamedTuple):
    """A figure before it becomes files."""

    canvas: Figure
    caption: str
    data: pd.DataFrame


@contextmanager
def keeping() -> Iterator[dict[str, Kept]]:
    """The figures that are drawn within the block; writing files would take most of the time."""
    kept: dict[str, Kept] = {}

    def keep(canvas: Figure, *, name: str, title: str, caption: str, data: pd.DataFrame) -> drawing.Drawing:
        kept[name] = Kept(canvas, caption, data.reset_index(drop=True))
        return drawing.Drawing(name=name, title=title, caption=caption, svg=b"", png=b"", data=data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drawing, "finished", keep)
        yield kept


@pytest.fixture
def canvases() -> Iterator[dict[str, Kept]]:
    """The figures that a test draws."""
    with keeping() as kept:
        yield kept


@pytest.fixture(scope="module")
def three() -> tuple[Any, Robustness, dict[str, Kept]]:
    """Three models on two tasks, and every figure of them."""
    of, found = study(3, 2, groups=SOME)
    with keeping() as kept:
        figures_robustness.draw(found, of)
    return of, found, kept


@pytest.fixture(scope="module")
def two() -> tuple[Any, Robustness]:
    """Two models on one task under two strict perturbations."""
    return study(2, 1, groups={"strict": STRICT[:2]})


def written(canvas: Figure) -> list[Text]:
    """Every text that can be seen; of ticks those within their axis."""
    canvas.canvas.get_renderer()
    ticks, seen = set(), []
    for axes in canvas.axes:
        for axis in (axes.xaxis, axes.yaxis):
            shown = axis._update_ticks() if axes.get_visible() and axis.get_visible() else []
            shown = [tick.label1 for tick in shown if tick.label1.get_visible()]
            ticks |= {id(text) for tick in axis.get_major_ticks() for text in (tick.label1, tick.label2)}
            seen += shown
    for axes in canvas.axes:
        if axes.get_visible():
            seen += [one for one in axes.findobj(Text) if id(one) not in ticks]
    seen += [one for legend in canvas.legends for one in legend.get_texts()]
    seen += [one for one in (canvas._supxlabel, canvas._supylabel) if one is not None]
    return [one for one in seen if one.get_visible() and one.get_text().strip()]


def clashes(canvas: Figure) -> list[tuple[str, ...]]:
    """Pairs of texts that share more than a pixel's edge, and texts that leave the figure."""
    drawing.settle(canvas)
    for legend in canvas.legends:
        legend.draw(canvas.canvas.get_renderer())  # its texts lie nowhere before
    found = written(canvas)
    boxes = np.array([Text.get_window_extent(one).padded(-1.0).extents for one in found])
    apart = (boxes[:, None, 2:] <= boxes[None, :, :2]).any(axis=-1)
    on = np.triu(~(apart | apart.T), k=1)
    out = (boxes[:, :2] < -2.0).any(axis=1) | (boxes[:, 2:] > np.array(canvas.bbox.size) + 2.0).any(axis=1)
    names = [one.get_text() for one in found]
    return [(names[a], names[b]) for a, b in np.argwhere(on)] + [(names[a],) for a in np.flatnonzero(out)]


def test_nothing_measured_has_no_figure() -> None:
    """Empty frames: no figure at all."""
    assert figures_robustness.draw(measured(), comparison(2, 1)) == ()


@pytest.mark.parametrize(
    ("frames", "names"),
    [
        (("drops",), {"robustness-drops", "robustness-flips"}),
        (("curves",), {"robustness-severity"}),
        (("worst",), {"robustness-worst"}),
        (("prompts", "prompt_points"), {"robustness-prompts"}),
        (("attacks", "attack_curve"), {"robustness-attacks"}),
        (("transfer",), {"robustness-transfer"}),
    ],
)
def test_a_figure_is_there_exactly_when_its_frame_has_rows(
    canvases: dict[str, Kept], two: tuple[Any, Robustness], frames: Sequence[str], names: set[str]
) -> None:
    """Each frame by itself draws its own figures, whatever else was not measured."""
    of, found = two
    figures_robustness.draw(measured(**{name: getattr(found, name) for name in frames}), of)
    assert set(canvases) == names


def test_the_data_beside_a_figure_are_the_rows_of_its_frame(three: tuple[Any, Robustness, dict[str, Kept]]) -> None:
    """Unrounded, in the frame's own unit, nothing added: what a reader downloads is what was measured."""
    _, found, drawn = three
    pooled = found.curves[found.curves["pooled"].astype(bool)]
    full = found.drops[found.drops["severity"] == 1.0]
    for name, wanted in (("severity", pooled), ("drops", full), ("worst", found.worst), ("transfer", found.transfer),
                         ("attacks", found.attack_curve)):  # fmt: skip
        data = drawn[f"robustness-{name}"].data
        keys = [key for key in ("entry", "task", "variation", "severity", "victim", "queries") if key in wanted]
        ordered = [one.sort_values(keys).reset_index(drop=True) for one in (data, wanted)]
        pd.testing.assert_frame_equal(*ordered, check_dtype=False, check_like=True)
    points = drawn["robustness-prompts"].data[list(POINTS)]
    pd.testing.assert_frame_equal(points, found.prompt_points.reset_index(drop=True), check_dtype=False)


def test_flips_are_counted_over_tasks(three: tuple[Any, Robustness, dict[str, Kept]]) -> None:
    """Counts of the tasks are added, shares are of all trials."""
    _, found, drawn = three
    data = drawn["robustness-flips"].data.set_index(["entry", "variation"])
    full = found.drops[found.drops["severity"] == 1.0].groupby(["entry", "variation"])
    for key, rows in full:
        assert data.loc[key, "trials"] == rows["trials"].sum()
        assert data.loc[key, "lost"] == pytest.approx(rows["right_to_wrong"].sum() / rows["trials"].sum())
        assert data.loc[key, "won"] == pytest.approx(rows["wrong_to_right"].sum() / rows["trials"].sum())


def test_what_is_drawn_is_named_in_the_picture(three: tuple[Any, Robustness, dict[str, Kept]]) -> None:
    """Entries, tasks, perturbations and groups stand in the figures as text that can be searched."""
    of, _, drawn = three
    wanted = {
        "severity": [*of.entries["entry"], *of.tasks["task"]],
        "drops": [*of.entries["entry"], *of.tasks["task"], "strict", "soft", "fairness",
                  *itertools.chain(*SOME.values())],
        "worst": [*of.entries["entry"], *of.tasks["task"], "worst of strict"],
        "flips": [*of.entries["entry"], *itertools.chain(*SOME.values()), "right to wrong"],
        "prompts": [*of.entries["entry"], *of.tasks["task"], "prompt format", "option order"],
        "attacks": [*of.entries["entry"], *of.tasks["task"], "deepwordbug"],
        "transfer": [*of.entries["entry"], "deepwordbug"],
    }  # fmt: skip
    assert list(drawn) == [f"robustness-{name}" for name in
                           ("severity", "drops", "worst", "flips", "prompts", "attacks", "transfer")]  # fmt: skip
    for name, words in wanted.items():
        seen = {line for one in written(drawn[f"robustness-{name}"].canvas) for line in one.get_text().split("\n")}
        assert [word for word in words if word not in seen] == []
        assert drawn[f"robustness-{name}"].caption.endswith(".")


def test_a_figure_is_text_and_a_picture() -> None:
    """As a file: words are words, drawn twice the same bytes."""
    of = comparison(1, 1)
    worst = texts(of, {"strict": STRICT[:1]}, (1.0,))["worst"]
    first, again = (figures_robustness.draw(measured(worst=worst), of)[0] for _ in range(2))
    assert ">worst of strict</" in first.svg.decode()
    assert first.png.startswith(b"\x89PNG")
    assert (first.svg, first.png) == (again.svg, again.png)


def test_drops_stand_where_the_frame_says(canvases: dict[str, Kept]) -> None:
    """Rates in points, other scores in their own unit; in each group the greatest mean drop comes first."""
    of, found = study(2, 3, groups=SOME)
    figures_robustness.draw(measured(drops=found.drops), of)
    canvas, _, data = canvases["robustness-drops"]
    for axes, task in zip(canvas.axes, of.tasks.itertuples(), strict=True):
        own = data[data["task"] == task.task]
        factor = 100 if task.percent else 1
        drawn = sorted(float(x) for line in axes.lines if line.get_linestyle() == "None" for x in line.get_xdata())
        assert drawn == pytest.approx(sorted(factor * own["drop"]))
    labels = [text.get_text() for text in canvas.axes[0].get_yticklabels()]
    rates = data[data["task"] != "heldout_text"].groupby("variation")["drop"].mean()
    assert labels[1:5] == list(rates[list(SOME["strict"])].sort_values(ascending=False).index)
    assert [labels[0], labels[5], labels[7]] == ["strict", "soft", "fairness"]


@pytest.mark.parametrize(
    ("models", "tasks", "groups", "frames"),
    [
        (8, 1, SOME, ("drops", "transfer")),
        (2, 4, SOME, ("worst", "prompts", "prompt_points")),
        (3, 1, {"strict": STRICT[:3], "soft": SOFT[2:3]}, ("curves",)),
        pytest.param(8, 4, ALL, (), marks=pytest.mark.slow),
        pytest.param(6, 1, ALL, (), marks=pytest.mark.slow),
        pytest.param(5, 3, {"fairness": FAIRNESS, "soft": SOFT}, (), marks=pytest.mark.slow),
        pytest.param(2, 2, {"strict": STRICT[:1]}, (), marks=pytest.mark.slow),
    ],
)
def test_no_text_lies_on_another(
    canvases: dict[str, Kept], models: int, tasks: int, groups: dict[str, Any], frames: tuple[str, ...]
) -> None:
    """However many models, tasks and perturbations: every text keeps clear of the others and inside the figure."""
    of, found = study(models, tasks, groups=groups)
    found = measured(**{name: getattr(found, name) for name in frames}) if frames else found
    figures_robustness.draw(found, of)
    clashing = {name: clashes(one.canvas) for name, one in canvases.items()}
    assert not any(clashing.values()), clashing


def test_one_model_one_severity_no_intervals(canvases: dict[str, Kept]) -> None:
    """The least there can be is drawn, without bands where no interval is known."""
    of = comparison(1, 1)
    found = {**texts(of, {"strict": ("leet",)}, (1.0,)), **prompted(of, ("prompt_format",), 2),
             **attacked(of, [("random_chars", "")])}  # fmt: skip
    for one in found.values():
        one.loc[:, [name for name in one if name.endswith(("lo", "hi", "spread_noise_hi"))]] = np.nan
    figures_robustness.draw(measured(**found), of)
    names = {"severity", "drops", "worst", "flips", "prompts", "attacks"}  # none to carry over to
    assert set(canvases) == {f"robustness-{name}" for name in names}
    assert not any(len(band.get_paths()) for band in canvases["robustness-severity"][0].axes[0].collections)
    severity = canvases["robustness-severity"][2]
    assert list(severity["severity"]) == [0.0, 1.0]
    assert set(severity["variation"]) == {"leet"}  # all strict would be the same line again


def test_all_at_chance_and_nothing_changes(canvases: dict[str, Kept], two: tuple[Any, Robustness]) -> None:
    """Scores that stay at chance are drawn as such: no drop, no answer that turns, no attack that succeeds."""
    of, found = two
    frames = {field.name: getattr(found, field.name).copy() for field in dataclasses.fields(found)}
    for name, one in frames.items():
        for column in set(one) & {"clean", "perturbed", "value", "lo", "hi", "worst", "worst_lo", "worst_hi", "mean"}:
            if name not in {"prompt_points", "attack_curve", "transfer"} or column == "value":
                one[column] = 0.25
        for column in set(one) & {"drop", "drop_lo", "drop_hi", "right_to_wrong", "wrong_to_right", "success_rate"}:
            one[column] = 0
    figures_robustness.draw(measured(**frames), of)
    assert len(canvases) == 7
    assert (canvases["robustness-flips"][2][["lost", "won"]] == 0).all(axis=None)
    assert clashes(canvases["robustness-severity"].canvas) == []  # two names at the end of what looks like one line


def test_perturbations_are_shown_at_the_severity_that_most_cells_share() -> None:
    """Where a cell at the highest severity is missing, all are compared one step below."""
    rows = pd.DataFrame({"entry": ["a", "b", "a", "a", "b"], "variation": ["x", "x", "x", "y", "y"],
                         "severity": [0.5, 0.5, 1.0, 1.0, 1.0]})  # fmt: skip
    kept = at_shared(rows, ["variation"])
    assert kept[["entry", "variation", "severity"]].to_numpy().tolist() == [
        ["a", "x", 0.5], ["b", "x", 0.5], ["a", "y", 1.0], ["b", "y", 1.0],
    ]  # fmt: skip


def test_curves_that_have_no_panel_are_counted(canvases: dict[str, Kept], monkeypatch: pytest.MonkeyPatch) -> None:
    """A figure has a bound of panels: the greatest losses are kept and the caption says how many are not there."""
    monkeypatch.setattr(figures_curves, "MOST", 5)
    of, found = study(2, 1, groups={"strict": STRICT[:9]})
    figures_robustness.draw(measured(curves=found.curves), of)
    _, caption, data = canvases["robustness-severity"]
    assert data["variation"].nunique() == 5
    assert "in the tables only: 5." in caption
    last = found.curves[found.curves["severity"] == 1.0].groupby("variation")["drop"].mean()
    assert set(data["variation"]) == set(last.sort_values().index[-5:])


def test_random_edits_are_the_dashed_baseline(canvases: dict[str, Kept], two: tuple[Any, Robustness]) -> None:
    """An attack's panel holds the random edits of every entry, dashed; they have no panel of their own."""
    of, found = two
    figures_robustness.draw(measured(attacks=found.attacks, attack_curve=found.attack_curve), of)
    canvas, caption, _ = canvases["robustness-attacks"]
    (axes,) = canvas.axes
    dashed = [line for line in axes.lines if line.get_linestyle() == "--" and len(line.get_xdata())]
    solid = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata())]
    assert (len(dashed), len(solid)) == (2, 2)
    assert max(line.get_ydata()[-1] for line in dashed) < min(line.get_ydata()[-1] for line in solid)
    assert "Dashed: random edits" in caption


def test_worst_cases_of_fewer_cells_are_hollow(canvases: dict[str, Kept]) -> None:
    """A worst case that rests on fewer cells than those it stands beside is marked, and the caption says so."""
    of, found = study(2, 1, groups=SOME)
    worst = found.worst.assign(missing=[0, 2])
    figures_robustness.draw(measured(worst=worst), of)
    canvas, caption, _ = canvases["robustness-worst"]
    hollow = [line for line in canvas.axes[0].lines if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    assert float(hollow[0].get_xdata()[0]) == pytest.approx(100 * worst["worst"].iloc[1])
    assert "Hollow" in caption
