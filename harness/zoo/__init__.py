"""The embedded default: miniature GPTs, the corpus they were trained on, and their shipped weights.

This module imports nothing but the standard library, so naming a zoo model costs nothing. The trainer and all that
needs torch live in `harness.zoo.trainer` and are reached through ``python -m harness.zoo``.
"""

from __future__ import annotations

import difflib
from pathlib import Path

DISCLAIMER = (
    "Miniature models trained on a synthetic corpus: they show the tool and say nothing about the published models."
)

_NAMES = ("mini-gpt2-s", "mini-gpt2-m", "mini-gpt2-l", "mini-gptneo", "mini-gptj", "mini-neox")


def names() -> tuple[str, ...]:
    """Return the names of the shipped models, in the order in which they are trained.

    >>> names()[0]
    'mini-gpt2-s'
    """
    return _NAMES


def folder(name: str) -> Path:
    """Return the folder of a shipped checkpoint, loadable offline with ``AutoModelForCausalLM.from_pretrained``.

    >>> folder("mini-gpt2-m").name
    'mini-gpt2-m'

    Raises:
        ValueError: If no zoo model has that name; the message lists the nearest ones.
    """
    if name not in _NAMES:
        near = difflib.get_close_matches(name, _NAMES, n=3, cutoff=0.0)
        msg = f"unknown zoo model {name!r}; nearest: {', '.join(near)}"
        raise ValueError(msg)
    return Path(__file__).parent / "weights" / name
