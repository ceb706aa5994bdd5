"""What a generation request asks for, read from lm-eval's keyword arguments.

Layer: stdlib only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.config import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_NEW = 256
"""New tokens where a request names no limit, as in lm-eval."""

_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_NEUTRAL = {"num_beams": 1, "repetition_penalty": 1.0}
_KNOWN = (*_LIMITS, "until", "do_sample", "temperature", "top_k", "top_p", "seed", *_NEUTRAL)


@final
@dataclass(frozen=True, kw_only=True)
class Options:
    """How to decode, and when to stop.

    Attributes:
        until: text before the first of these is the answer; none of them is empty.
        new: tokens to generate at most.
        temperature: 0 decodes greedily; above it, one token is drawn from the scaled distribution.
        top_k: tokens to draw from; 0 for all.
        top_p: probability mass to draw from; 1 for all.
        seed: seed of the draws, with the prompt's own text.
    """

    until: tuple[str, ...] = ()
    new: int = DEFAULT_NEW
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.new < 1:
            raise ValueError(f"generation: max_gen_toks={self.new}, must be at least 1")
        if self.temperature < 0 or self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError("generation: temperature and top_k must not be negative, top_p must be in (0, 1]")


def parse(arguments: Mapping[str, Any]) -> Options:
    """Options of a request, by lm-eval's rules: sampling is off unless `do_sample` or a temperature asks for it.

    Raises:
        ValueError: for an argument that this decoder does not honour, rather than ignoring it.

    Source: lm_eval/models/utils.py, `normalize_gen_kwargs` and `handle_stop_sequences`.
    """
    for key, value in arguments.items():
        if key not in _KNOWN:
            raise ValueError(f"generation: unknown argument {key!r}: {nearest(key, _KNOWN)}")
        if key in _NEUTRAL and value != _NEUTRAL[key]:
            raise ValueError(f"generation: {key}={value!r} is not supported, only {_NEUTRAL[key]}")
    until = arguments.get("until") or ()
    limits = [arguments[key] for key in _LIMITS if arguments.get(key) is not None]
    return Options(
        until=tuple(stop for stop in ([until] if isinstance(until, str) else until) if stop),
        new=int(limits[0]) if limits else DEFAULT_NEW,
        temperature=_temperature(arguments),
        top_k=int(arguments.get("top_k") or 0),
        top_p=float(arguments.get("top_p") or 1.0),
        seed=int(arguments.get("seed") or 0),
    )


def _temperature(arguments: Mapping[str, Any]) -> float:
    sample = arguments.get("do_sample")
    given = arguments.get("temperature")
    temperature = float((1.0 if sample else 0.0) if given is None else given)
    if sample and temperature == 0:
        raise ValueError("generation: do_sample=true with temperature=0; leave out one of them")
    return 0.0 if sample is False else temperature
