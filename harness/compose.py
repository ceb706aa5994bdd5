"""The Hydra boundary: the command line's overrides -> composed configs, and Hydra's errors -> one line each.

Layer: below `cli`. Hydra composes, sweeps and launches; the only changes to its ways are these:

* a folder `conf/` in the working directory is searched before the package's own;
* `task=a,b` in a sweep becomes `task=[a,b]`: one job is one subject, its weights are loaded once for all its tasks;
  so do probes, perturbations, attacks and severities;
* `model.dtype=bfloat16` works although the YAML leaf does not spell the field out: the dataclass is the schema.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import hydra
import yaml
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from harness.catalogue import GROUPS, folders, options, package_conf
from harness.config import ConfigError, nearest
from harness.plan import KEYS, Plan, plan

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Iterable, Iterator, Sequence

CONFIG = "run"
"""The primary config, `conf/run.yaml`."""

SHARED_GROUPS = ("task", "probe", "perturbation", "attack")
"""Groups whose options are measured on one loaded subject."""

SHARED_KEYS = ("severity", "protocol", "train_on", "few_shot")
"""Keys of whose values the same holds."""

LEAF_GROUPS = ("model", "method", "task", "probe", "perturbation", "attack", "device", "scoring", "report")


class _WorkingFolder(SearchPathPlugin):
    """Puts `./conf` before the package's own configs."""

    def manipulate_search_path(self, search_path: Any) -> None:
        own = Path.cwd() / "conf"
        if own.is_dir() and own.resolve() != package_conf().resolve():
            search_path.prepend("working-folder", f"file://{own}")


def hand_over(arguments: Sequence[str], job: Callable[[DictConfig], None]) -> None:
    """Runs `job` under `hydra.main` on every config that `arguments` compose.

    Raises:
        ConfigError: Hydra cannot compose what was asked for.
    """
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing, and the message becomes ours.
    Plugins.instance().register(_WorkingFolder)
    main = hydra.main(version_base="1.3", config_path=str(package_conf()), config_name=CONFIG)(job)
    before, sys.argv = sys.argv, ["harness", *arguments]
    try:
        with _one_line_errors():
            main()
    finally:
        sys.argv = before


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Hydra's and OmegaConf's errors as ours; they raise plain ValueError, too."""
    try:
        yield
    except ConfigError:
        raise
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(_unreadable() or _first_line(str(error))) from None
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise ConfigError(explain(str(error))) from None


def plans(arguments: Sequence[str]) -> list[Plan]:
    """The plan of every job that `arguments` stand for; nothing is measured or written.

    The jobs are those that Hydra's own sweeper would make. They are composed here, once each, because Hydra composes
    each job of a sweep twice, and a finished study is to answer at once.

    Raises:
        ConfigError: any of them asks for something that cannot be.
    """
    with _one_line_errors():
        hydra_, parsed = _open(arguments)
        try:
            found = [_compose(hydra_, parsed, overrides) for overrides in _jobs(hydra_, parsed)]
        finally:
            GlobalHydra.instance().clear()
    studies = {(p.study, p.folder) for p in found}
    if len(studies) > 1:
        raise ConfigError(f"one sweep is one study, this one names {', '.join(sorted(s for s, _ in studies))}")
    _check_control(found)
    return found


def _check_control(found: Sequence[Plan]) -> None:
    models = {p.cells[0].model for p in found}
    for name in sorted({p.control for p in found} - {""} - models):
        raise ConfigError(f"control={name!r} is no model of this run: {nearest(name, models)}; control=null for none")


def _open(arguments: Sequence[str]) -> tuple[Hydra, Namespace]:
    parser = get_args_parser()
    parser.error = _refuse  # pyright: ignore[reportAttributeAccessIssue] - argparse would print its whole usage
    parsed = parser.parse_args(list(arguments))
    Plugins.instance().register(_WorkingFolder)
    path = create_config_search_path(str(package_conf()))
    if parsed.config_dir is not None:
        if not Path(parsed.config_dir).is_dir():
            raise ConfigError(f"--config-dir {parsed.config_dir}: there is no such folder")
        folder = f"file://{Path(parsed.config_dir).absolute()}"
        path.prepend(provider="command-line", path=folder, anchor=SearchPathQuery(provider="schema"))
    GlobalHydra.instance().clear()
    return Hydra.create_main_hydra2(task_name="harness", config_search_path=path), parsed


def _refuse(message: str) -> NoReturn:
    raise ConfigError(f"{message}; `harness run --help` shows what there is")


def _jobs(hydra_: Hydra, parsed: Namespace) -> list[list[str]]:
    """The overrides of each job: one, or the product of what is swept over."""
    name = parsed.config_name or CONFIG
    whole = hydra_.compose_config(name, parsed.overrides, RunMode.MULTIRUN, validate_sweep_overrides=False)
    if not parsed.multirun and whole.hydra.mode != RunMode.MULTIRUN:
        return [list(parsed.overrides)]
    sweeper = whole.hydra.sweeper
    if not sweeper._target_.endswith(".BasicSweeper"):
        raise ConfigError(
            f"hydra/sweeper={sweeper._target_}: only the basic sweeper is supported, which can be planned"
        )
    words = [*(f"{k}={v}" for k, v in (sweeper.params or {}).items()), *parsed.overrides]
    swept = OverridesParser.create(config_loader=hydra_.config_loader).parse_overrides(words)
    return BasicSweeper.split_arguments(swept, max_batch_size=None)[0]


def _compose(hydra_: Hydra, parsed: Namespace, overrides: Sequence[str]) -> Plan:
    config = hydra_.compose_config(parsed.config_name or CONFIG, list(overrides), RunMode.RUN)
    HydraConfig.instance().set_config(config)  # for interpolations such as ${hydra:runtime.choices.model}
    launcher = str(config.hydra.launcher._target_)
    with open_dict(config):
        del config["hydra"]
    return replace(_plan(config, overrides), launcher=launcher)


def plan_of(config: DictConfig) -> Plan:
    """The plan of one composed config.

    Raises:
        ConfigError: see `harness.plan.plan`.
    """
    return _plan(config, HydraConfig.get().overrides.task)


def _plan(config: DictConfig, overrides: Iterable[str]) -> Plan:
    data = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    said = [o for o in overrides if not re.match(r"\+*(results|hydra)\b", o)]
    return plan(data, command=said)  # pyright: ignore[reportArgumentType]


def rewrite(arguments: Sequence[str]) -> list[str]:
    """The user's arguments as Hydra is to see them.

    >>> rewrite(["-m", "model=a,b", "task=x,y", "model.dtype=float32"])
    ['-m', 'model=a,b', 'task=[x,y]', '++model.dtype=float32']
    """
    sweeping = any(a in ("-m", "--multirun") for a in arguments)
    return [_rewrite(a, sweeping=sweeping) if "=" in a and not a.startswith("-") else a for a in arguments]


def _rewrite(argument: str, *, sweeping: bool) -> str:
    try:
        override: Override = OverridesParser.create().parse_override(argument)
    except HydraException as error:
        hint = "" if argument.isascii() else "; quote a value with other letters than a to z: 'key=\"value\"'"
        raise ConfigError(f"override {argument!r} cannot be read: {_first_line(str(error))}{hint}") from None
    key = override.key_or_group
    if key in SHARED_GROUPS + SHARED_KEYS and override.is_sweep_override():
        return f"{key}=[{','.join(_choices(override, key))}]"
    if override.is_sweep_override() and not sweeping and not key.startswith("hydra"):
        raise ConfigError(f"{argument!r} is a sweep: add -m, as in `harness run -m {argument} …`")
    if key in SHARED_GROUPS and isinstance(override.value(), str) and argument.startswith(f"{key}="):
        return f"{key}=[{override.value()}]"
    if "." in key and key.split(".")[0] in LEAF_GROUPS and not argument.startswith(("+", "~")):
        return f"++{argument}"
    return argument


def _choices(override: Override, group: str) -> list[str]:
    value = override.value()
    if isinstance(value, Glob):
        names = options(group)
        return [
            n
            for n in names
            if any(fnmatch.fnmatch(n, p) for p in value.include)
            and not any(fnmatch.fnmatch(n, p) for p in value.exclude)
        ]
    return [str(v) for v in override.sweep_string_iterator()]


def explain(message: str) -> str:
    r"""One line for what Hydra says in many.

    >>> explain("Could not override 'modle'.\\nTo append to your config use +modle=a").split(":")[0]
    "unknown key 'modle'"
    """
    missing = re.search(r"Could not (?:load|find) '([\w-]+)/([^']+)'", message)
    if missing and missing[1] in GROUPS:
        return f"unknown {missing[1]} {missing[2]!r}: {nearest(missing[2], options(missing[1]))}"
    launcher = re.search(r"Could not (?:load|find) 'hydra/launcher/([^']+)'", message)
    if launcher:
        known = ["basic", *options("hydra/launcher")]
        return (
            f"launcher {launcher[1]!r} is unknown or not installed: {nearest(launcher[1], known)}; "
            "each but basic needs its extra, as in pip install 'harness[ray]'"
        )
    override = re.search(r"Could not override '([^']+)'", message)
    if override:
        return f"unknown key {override[1]!r}: {nearest(override[1], [*KEYS, *GROUPS])}"
    if "Config group override must be a string or a list" in message:
        return "a config group cannot be overridden with null here; name one of its options"
    return _first_line(message)


def _unreadable() -> str:
    """The first config file that is not UTF-8 or not YAML, with its line."""
    for path in (p for folder in folders() for p in sorted(folder.rglob("*.yaml"))):
        try:
            yaml.safe_load(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            return f"{path}: not UTF-8 text"
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            return f"{path}{f', line {mark.line + 1}' if mark else ''}: not YAML ({getattr(error, 'problem', error)})"
    return ""


def _first_line(message: str) -> str:
    return " ".join(message.split("\n\n", maxsplit=1)[0].split())[:400]
