"""Changed copies of training texts: the project's perturbations and the word operations of EDA.

Layer: training, light.
"""

from __future__ import annotations

import dataclasses
import importlib
from random import Random
from typing import TYPE_CHECKING, Any, cast

from harness.config import nearest
from harness.perturbations.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.perturbations.edits import Perturbed
    from harness.training.examples import Data, Example
    from harness.training.settings import Training

    Operation = Callable[[Source, float, Random], Perturbed]

EDA = ("replace", "insert", "swap", "delete")


def operation(name: str) -> Operation:
    """The function of that name: `eda.swap`, or `MODULE.FUNCTION` of `harness.perturbations`.

    Raises:
        ValueError: there is none.
    """
    module, _, function = str(name).rpartition(".")
    if module == "eda" and function not in EDA:
        raise ValueError(f"augmentation={name!r} is not a valid value: {nearest(function, EDA)}")
    path = "harness.training.eda" if module == "eda" else f"harness.perturbations.{module}"
    try:
        found: Any = getattr(importlib.import_module(path), function)
    except (ImportError, AttributeError):
        found = None
    if not callable(found):
        raise ValueError(  # noqa: TRY004 - faults of configuration are ValueErrors
            f"augmentation={name!r} is not a valid value: a function of harness.perturbations such as "
            f"letters.keyboard_typo, or one of {', '.join(f'eda.{one}' for one in EDA)}"
        )
    return cast("Operation", found)


def augmented(data: Data, training: Training) -> tuple[Example, ...]:
    """The training examples and behind them their changed copies; a text that nothing changes has no copy.

    Answers are never edited or made. A copy depends on its example, the operation and the seed alone.
    """
    if not training.augmentation:
        return data.train
    labels = [label.strip() for label in data.labels if label.strip().isalpha()]
    copies = [
        copy
        for name in training.augmentation
        for number in range(training.copies)
        for example in data.train
        if (copy := _copy(example, name, number, training, labels)) is not None
    ]
    return (*data.train, *copies)


def _copy(example: Example, name: str, number: int, training: Training, labels: list[str]) -> Example | None:
    text = example.text or example.prompt
    rng = Random(f"{training.seed}|{name}|{number}|{example.prompt}|{example.answer}")  # noqa: S311 - no secret
    changed = operation(name)(Source.of(text, labels=labels), training.strength, rng).text
    if changed == text:
        return None
    start = example.prompt.rindex(text)
    prompt = example.prompt[:start] + changed + example.prompt[start + len(text) :]
    return dataclasses.replace(example, prompt=prompt, text=changed)
