"""The grid of a probe: lists of batch, prompt and new tokens -> points; what the fields of all probes may hold.

Layer: probes; stdlib only, since a plan constructs and expands every probe.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

from harness.config import one_of
from harness.meters import host
from harness.records import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

Probe = TypeVar("Probe")

Axis = int | list[int]
"""One size, or the sizes that a grid goes through."""

AXES = ("batch", "prompt", "new")
"""Fields that may hold a list, outermost first."""

MOST = 1000
"""A grid of more points than this, replicates included, is taken for a slip."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "kernels": ("torch", "auto"),
    "cache": ("static", "dynamic"),
    "compile": ("off", "default", "reduce-overhead"),
    "energy": ("auto", "off"),
}
"""Values of the fields that are words, for the probes that have them."""

_LEAST = {"repeats": 1, "replicates": 1, "replicate": 0, "seed": 0, "warm_calls": 1}
_SECONDS = ("warm_seconds", "warm_most", "energy_seconds")


def check(probe: Any, **least: int) -> None:
    """Refuses what makes no sense in the fields that `probe` shares with others; fields it lacks are passed over.

    Args:
        probe: a probe's dataclass, as constructed.
        least: smallest value of an axis where it is not 1, as in `new=2`.

    Raises:
        ValueError: one line: an axis that is no whole number or list of them (batch 0), a size twice in one axis, too
            many points, a word or number that its field does not have.
    """
    has = {field.name for field in dataclasses.fields(probe)}
    for field in (name for name in AXES if name in has):
        _check_axis(getattr(probe, field), field=field, least=least.get(field, 1))
    for field in (name for name in _LEAST if name in has):
        _check_whole(getattr(probe, field), field=field, least=_LEAST[field])
    for field in (name for name in _SECONDS if name in has):
        _check_seconds(getattr(probe, field), field=field)
    for field in (name for name in CHOICES if name in has):
        _check_word(probe, field)
    if "isolate" in has and not isinstance(probe.isolate, bool):
        raise ValueError(f"isolate={probe.isolate!r} is not a valid value: true or false")
    _check_rest(probe, has)


def points(probe: Probe) -> tuple[Probe, ...]:
    """`probe` at each point of its grid, once for every replicate: one batch, prompt and number of new tokens each.

    Replicates are outermost, then batch, prompt and new tokens in the order given. A point keeps nothing of the grid it
    came from, so that a larger grid or more replicates measure only what is missing.
    """
    made: Any = probe
    axes = [name for name in AXES if hasattr(made, name)]
    sizes = [_sizes(getattr(made, name)) for name in axes]
    replicates = range(made.replicates) if made.replicates > 1 else (made.replicate,)
    return tuple(
        dataclasses.replace(made, **dict(zip(axes, point, strict=True)), replicate=replicate, replicates=1)
        for replicate in replicates
        for point in itertools.product(*sizes)
    )


def one(value: Axis) -> int:
    """The size of a point's axis.

    Raises:
        ValueError: if it is still a list: only points are measured.
    """
    if isinstance(value, list):
        if len(value) != 1:
            raise ValueError(f"{value} is a grid, not a point: measure each of its points()")
        return value[0]
    return value


def forecast(probe: Any) -> dict[str, int]:
    """Documents and requests of all points of `probe` together: one batch each, timed `repeats` times."""
    rows = sum(one(point.batch) for point in points(probe))
    return {"documents": rows, "requests": rows * probe.repeats}


def facts(probe: Any) -> dict[str, Any]:
    """Where a point lies and in which run, as it stands in a record; of a point's fields those that `probe` has."""
    has = {field.name for field in dataclasses.fields(probe)}
    sizes = {name: one(getattr(probe, name)) for name in AXES if name in has}
    settings = {name: getattr(probe, name) for name in ("replicate", "kernels", "cache", "compile") if name in has}
    return {**sizes, **settings, "run": host.run()}


def clip(context: int, *, prompt: int, new: int = 0) -> None:
    """Refuses a point that a model's context does not hold.

    Raises:
        Unsupported: if `prompt + new` tokens exceed `context`, naming all three.
    """
    if prompt + new > context:
        tokens = f"prompt {prompt} + new {new}" if new else f"prompt {prompt}"
        raise Unsupported(f"clipped: {tokens} tokens exceed the model's context {context}")


def _sizes(value: Axis) -> list[int]:
    return value if isinstance(value, list) else [value]


def _check_axis(value: Any, *, field: str, least: int) -> None:
    sizes = cast("list[Any]", value) if isinstance(value, (list, tuple)) else [value]
    if not sizes:
        raise ValueError(f"{field}=[] is not a valid value: a whole number of at least {least}, or a list of them")
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, int) or size < least:
            raise ValueError(
                f"{field}={size!r} is not a valid value: a whole number of at least {least}, or a list of them"
            )
    twice = sorted({size for size in sizes if sizes.count(size) > 1})
    if twice:
        raise ValueError(f"{field}={list(sizes)}: {twice[0]} stands there twice; name each size once")


def _check_whole(value: Any, *, field: str, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{field}={value!r} is not a valid value: a whole number of at least {least}")


def _check_seconds(value: Any, *, field: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{field}={value!r} is not a valid value: seconds, 0 or more")


def _check_word(probe: Any, field: str) -> None:
    if getattr(probe, field) is False:  # YAML reads a bare `off` so.
        object.__setattr__(probe, field, "off")
    one_of(str(getattr(probe, field)), CHOICES[field], field=field)


def _check_rest(probe: Any, has: set[str]) -> None:
    if "seed" in has and probe.seed >= 2**63:
        raise ValueError(f"seed={probe.seed} is not a valid value: a whole number below 2^63")
    size = math.prod(len(_sizes(getattr(probe, name))) for name in AXES if name in has) * probe.replicates
    if size > MOST:
        raise ValueError(f"a grid of {size} points, replicates included: at most {MOST}; name fewer sizes")
    if "compile" in has and probe.compile != "off":
        if getattr(probe, "cache", "static") != "static":
            raise ValueError(
                f"compile={probe.compile} needs cache=static: a cache that grows is compiled at every step"
            )
        if getattr(probe, "kernels", "torch") != "torch":
            raise ValueError(f"compile={probe.compile} needs kernels=torch: the compiler brings kernels of its own")
