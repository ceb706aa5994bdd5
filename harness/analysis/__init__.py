"""The reading half: records -> frames -> tables, figures, report. It never imports torch, transformers or lm_eval.

    frame     records -> tidy frames                                     (reads the store, nothing above it)
    current   of a cell that was measured again only the newest record
    labels    names that carry every setting that differs under them
    stats     intervals and tests on numbers
    derive    frames -> who is compared with whom, on what, in which order
    pairs     paired differences on identical items
    tables    derived frames -> tables of numbers and text; `problems`: failures, warnings, skipped files
    figures   derived frames -> SVG, PNG and the CSV behind them         (`drawing`, `palette`)
    verdict   sentences that claim only what is separable
    robustness  varied cells beside their clean ones (`robust_join` pairs, `robust_stats` counts, `robust_tables`,
              `robust_words`, `robust_page` and `figures_robustness` show)
    terminal  the comparison as text
    page      everything above in reading order; `render`: the page as HTML and Markdown
    report    the page, the data, figures and tables as files under results/STUDY/report
    settings  what a reader may choose                                   (light)
    sheet     a table as it is shown; `wording`: how numbers and names are written

Notebooks need three functions, and importing this package costs nothing until one is called:

    from harness import analysis
    analysis.load("results/quickstart")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.frame import Studies


def load(study: Studies) -> pd.DataFrame:
    """The measurements of one or more studies, one row = one value of one metric; see `frame.load`."""
    from harness.analysis import frame

    return frame.load(study)


def cells(study: Studies) -> pd.DataFrame:
    """The cells of one or more studies, failed ones included, one row = one record; see `frame.cells`."""
    from harness.analysis import frame

    return frame.cells(study)


def samples(study: Studies) -> pd.DataFrame:
    """The documents of one or more studies, one row = one document under one model; see `frame.samples`."""
    from harness.analysis import frame

    return frame.samples(study)
