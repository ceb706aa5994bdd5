"""WikiText as one text -> one document per article."""

# ruff: noqa: INP001 - lm-eval loads it by its path

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import datasets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TITLE = re.compile(r"^ \n = [^=\n][^\n]*[^=\n] = $", re.MULTILINE)


def split(texts: Iterable[Any]) -> datasets.Dataset:
    """The articles of every `text`, each as `page`."""
    return datasets.Dataset.from_list([{"page": page} for row in texts for page in articles(row["text"])])


def articles(text: str) -> Iterator[str]:
    r"""The articles in `text`; joined, they are `text` again.

    A title is a line ` = Title = ` after an empty line.

    >>> list(articles(" \n = One = \n \n a \n \n = Two = \n \n b \n"))
    [' \n = One = \n \n a \n', ' \n = Two = \n \n b \n']
    """
    starts = [match.start() for match in _TITLE.finditer(text)]
    yield from (text[start:end] for start, end in pairwise([0, *starts[1:], len(text)]))
