"""lm-eval's prompt templates, compiled once instead of once per document.

Layer: tasks; imports lm_eval. lm-eval compiles a template anew for every document and every few-shot example, which
costs more than anything else between a data file and its prompts.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

from lm_eval import utils

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """While it is open, lm-eval's Jinja environment remembers the templates it compiled; nothing they give changes."""
    environment: Any = utils.env
    environment.from_string = functools.lru_cache(maxsize=512)(environment.from_string)
    try:
        yield
    finally:
        del environment.from_string
