"""Tasks x variations: the cells of a task under perturbations, prompt variants and attacks.

A variation is a dataclass of a config leaf with `name`, `severity`, `each(severities)` (one of its kind for every cell)
and `WORKLOAD`, the import path of what is measured in place of the task: it is constructed from the nodes of both.

Layer: beside `plan`, which calls it; no torch, no lm-eval.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from harness.config import ConfigError, construct
from harness.nodes import build, node

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.records import Cell

GROUPS = ("perturbation", "attack")
"""Config groups of variations."""

GRADED = ("strict", "soft", "fairness")
"""Groups of perturbations that have a severity."""


def of(config: Mapping[str, Any]) -> tuple[Any, ...]:
    """The variations that a composed config names, one for each severity and draw.

    Raises:
        ConfigError: a leaf or a severity that cannot be.
    """
    severities = _severities(config.get("severity"))
    found: list[Any] = []
    for group in GROUPS:
        for name, data in _nodes(config, group).items():
            where = f"{group}.{name}"
            made = construct(_seeded(data, config), where=where)
            try:
                found += made.each(severities if made.group in GRADED else ())
            except ValueError as error:
                raise ConfigError(f"{where}: {error}") from None
    if severities and not any(one.group in GRADED for one in found):
        raise ConfigError(
            f"severity={_shown(config['severity'])} is of no use without a perturbation that has one; "
            "`harness list perturbations` shows what there is; an attack has its own: attack.NAME.severity"
        )
    return (*found, *_controls(found))


def _controls(found: Sequence[Any]) -> list[Any]:
    """The random search beside every attack of `found` that has none there: without it a rate says little."""
    nodes = [node(one) for one in found]
    wanted = (one.control() for one in found if one.group == "attack")
    controls: list[Any] = []
    for control in wanted:
        if control is not None and (made := node(control)) not in nodes:
            controls.append(control)
            nodes.append(made)
    return controls


def transfer(config: Mapping[str, Any]) -> Any:
    """The leaf that asks for the transfer of attacks between the models of a run, or None."""
    leaves = (construct(data, where=f"attack.{name}") for name, data in _nodes(config, "attack").items())
    return next((leaf for leaf in leaves if leaf.group == "transfer"), None)


def cells(cell: Cell, task: Mapping[str, Any], variations: Sequence[Any]) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Each variation of a task's cell, with the node that constructs its workload.

    Args:
        cell: of the task as it is.
        task: what constructs the task.
        variations: what is done to it.

    Raises:
        ConfigError: the task cannot have the variation.
    """
    plain = {name: value for name, value in task.items() if name != "fingerprint"}
    for one in variations:
        varied = node(one)
        made = {"_target_": one.WORKLOAD, "task": plain, "variation": varied}
        where = f"{one.name} of {cell.workload}"
        try:
            build(made, where=where).check()
        except ValueError as error:
            raise ConfigError(str(error) if cell.workload in str(error) else f"{where}: {error}") from None
        # Where the examples of a transfer lie is no part of what is measured: the id of their cell is.
        said = {name: value for name, value in varied.items() if name != "file"}
        spec = {**cell.spec, "perturbation": said}
        yield dataclasses.replace(cell, perturbation=one.name, severity=float(one.severity), spec=spec), made


def _nodes(config: Mapping[str, Any], group: str) -> Mapping[str, Mapping[str, Any]]:
    nodes = cast("Mapping[str, Mapping[str, Any]]", config.get(group) or {})
    if "_target_" in nodes:
        name = nodes.get("name", "NAME")
        raise ConfigError(f"{group}: the config file of {name} must begin with the line `# @package {group}.{name}`")
    return nodes


def _seeded(data: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, **({} if config.get("seed") is None else {"seed": config["seed"]})}


def _severities(value: Any) -> tuple[float, ...]:
    """One severity, a list of them, or none."""
    if value is None:
        return ()
    given = value if isinstance(value, list | tuple) else [value]
    for one in cast("Sequence[Any]", given):
        if isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= 1:
            raise ConfigError(
                f"severity={_shown(value)}: {one!r} is not a valid value: a number from 0 (nothing changes) to 1 (the "
                "full rate), or a list of them"
            )
    return tuple(dict.fromkeys(float(one) for one in cast("Sequence[Any]", given)))


def _shown(value: Any) -> str:
    return f"[{','.join(map(str, cast('Sequence[Any]', value)))}]" if isinstance(value, list | tuple) else str(value)
