"""The reading half: records -> frames -> tables, figures, report. It never imports torch, transformers or lm_eval.

    frame     records -> tidy frames                                     (reads the store, nothing above it)
    current   of a cell that was measured again only the newest record
    labels    names that carry every setting that differs under them
    stats     intervals and tests on numbers
    derive    frames -> who is compared with whom, on what, in which order
    answers   what entries answered; `comparisons` judges every pair (`pairing` says which may be), `forest` those with
              a baseline; `means`, `difference`, `bootstrap`, `equivalence`, `power`, `calibration`, `ranks`, `scaling`,
              `tradeoff`: statistics on arrays
    draws     joint resamples; `costs` and `ranking` rest on them; `confidence`: calibration of whole studies
    findings  all of it computed once; `sections`: what only some studies have; `halves`: two processes draw
    tables    derived frames -> tables of numbers and text; `problems`: failures, warnings, skipped files
    figures   derived frames -> SVG, PNG and the CSV behind them         (`drawing`, `palette`)
    verdict   sentences that claim only what is separable
    robustness  varied cells beside their clean ones (`robust_join` pairs, `robust_stats` counts, `robust_tables`,
              `robust_words`, `robust_page` and `figures_robustness` show)
    finetune  trainings and what they gained (`finetune_join` pairs, `finetune_stats` counts, `finetune_costs`,
              `finetune_gains`, `finetune_sizes`, `finetune_switches` make frames; `finetune_names` names recipes;
              `finetune_tables`, `finetune_sheet`, `finetune_words`, `finetune_page`, `figures_finetune` show)
    api       API models and protocols: costs, gaps, places of options (`api_records` and `api_protocols` read,
              `api_tables`, `api_figure` and `api_page` show)
    disagreements  documents that only one of two entries gets right; `disagreements_page` shows them
    against   two studies or entries item by item; `against_page`: the section; `side_by_side`: the terminal
    terminal  the comparison as text
    page      everything above in reading order; `render`: the page as HTML and Markdown
    report    the page, the data, figures and tables as files under results/STUDY/report
    columns, schema  what the tidy tables hold, and the check; `quantities`: units of metrics; `tidy`: the four tables
    inline    a figure inside a page; `latex`: a table for LaTeX; `picture`: figures as notebooks show them
    settings  what a reader may choose                                   (light)
    sheet     a table as it is shown; `wording`: how numbers and names are written

Notebooks need the nine functions below, and importing this package costs nothing until one is called:

    from harness import analysis
    analysis.load("results/quickstart")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from harness.analysis.efficiency import Efficiency
    from harness.analysis.frame import Studies
    from harness.analysis.picture import Picture
    from harness.analysis.robustness import Robustness


def load(study: Studies) -> pd.DataFrame:
    """The measurements of one or more studies, one row = one value of one metric.

    A study is a folder with records, or one that `harness report` or `harness export` wrote tables into. What the
    columns are: `docs/schema.md`.

    Raises:
        ValueError: a folder that does not exist or is no study; a row that breaks the schema.
    """
    from harness.analysis import tidy

    return tidy.load(study)


def cells(study: Studies) -> pd.DataFrame:
    """The cells of one or more studies, failed ones included, one row = one record; see `frame.cells`."""
    from harness.analysis import frame

    return frame.cells(study)


def samples(study: Studies) -> pd.DataFrame:
    """The documents of one or more studies, one row = one document under one model.

    Raises:
        ValueError: as `load`.
    """
    from harness.analysis import tidy

    return tidy.samples(study)


def timings(study: Studies) -> pd.DataFrame:
    """The raw times of one or more studies, one row = one repeat of a probe, or one of its tokens.

    Raises:
        ValueError: as `load`.
    """
    from harness.analysis import tidy

    return tidy.timings(study)


def compare(study: Studies) -> pd.DataFrame:
    """Every pair of entries on every task, on identical documents: difference, interval, adjusted p-value, verdict.

    Raises:
        ValueError: as `load`.
    """
    from harness.analysis import tidy

    return tidy.comparisons(study)


def profile(study: Studies) -> Efficiency:
    """Speed, memory and energy: one frame per question; see `efficiency`.

    Raises:
        ValueError: as `load`.
    """
    from harness.analysis import efficiency, frame

    return efficiency.efficiency(frame.read(study))


def stress(study: Studies) -> Robustness | None:
    """What varied input does, one frame per question, or None where nothing was varied; see `robustness`.

    Raises:
        ValueError: as `load`.
    """
    from harness.analysis import derive, frame, robustness
    from harness.analysis.current import current

    found = current(frame.read(study))
    return robustness.measure(found, frame.documents(study), derive.compare(found))


def draw(study: Studies) -> Mapping[str, Picture]:
    """Every figure of the report of a study by its name; a notebook shows it with its caption.

    Raises:
        ValueError: as `load`.
    """
    from harness.analysis import picture

    return picture.pictures(study)


def example(name: str, into: str | Path = "examples") -> Path:
    """The folder of an example study that comes with the package, unpacked under `into`.

    Args:
        name: `quickstart`, `robustness` or `efficiency`.
        into: where to; it is made where there is none.

    Raises:
        ValueError: there is no such example, or a folder of that name is something else.
    """
    from harness import examples

    return examples.unpack(name, into)
