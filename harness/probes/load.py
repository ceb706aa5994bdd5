"""The `load` probe: how long it takes until a model is ready, from the disk and from memory.

Layer: probes. torch is imported in the children that load, not here.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, final

from harness.config import one_of
from harness.probes import children, grid
from harness.records import Measurement, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.models.unloaded import Unloaded
    from harness.probes.staging import Loading
    from harness.records import Progress

PAGE_CACHES = ("both", "cold", "warm")


@final
@dataclass(frozen=True, kw_only=True)
class Load:
    """Loads a model again and again, each time in a fresh process, with its files in the page cache and without.

    Measures, raw for every repeat, in the subset `cache=cold` (no page of the weight files was in memory when the clock
    started: looked up, not assumed) or `cache=warm`:

    - `load_s` [s]: from the files to a model on its device, loaded as for every other measurement, and every page of
      its weights touched: weights that are only mapped into memory are not loaded.
    - `read_s` [s], `read_B_s` [B/s]: the weight files read from beginning to end, and their bytes over that time.
    - `init_s` [s]: building the model in host memory with all its files in the page cache.
    - `to_device_s` [s]: until every weight lies in the device's memory: on CUDA a copy, on a CPU the touching of pages
      that were only mapped.

    The last three are taken one after the other in a process of their own. In `load_s` they overlap, so that they need
    not add up to it. Where weights are quantised or spread while they are loaded, `init_s` and `to_device_s` are
    absent. Under `weights: random` nothing is read: `load_s` is `init_s`, building and drawing on the device, and
    `to_device_s` moves the same bytes there from host memory.

    Where pages stay in memory although they were to be evicted (another process has the files mapped, or the file
    system is in memory), the loading is filed under `cache=warm` and the record warns. Caches below this machine's own
    are out of reach: the disk of a virtual machine may answer from its host's memory.

    Attributes:
        name: label.
        about: one line for people.
        page_cache: `cold`, `warm` or `both`.
        repeats: loadings for each state of the page cache.
        replicates: times that the whole is done, in processes of their own.
        replicate: which of them this is.
        isolate: whether each replicate has a worker process of its own; the loadings have theirs in any case.
        seed: not used: loading draws nothing (random weights follow the model's own seed).
    """

    loads_itself: ClassVar[bool] = True

    name: str
    about: str = ""
    page_cache: str = "both"
    repeats: int = 5
    replicates: int = 1
    replicate: int = 0
    isolate: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        grid.check(self)
        one_of(self.page_cache, PAGE_CACHES, field="page_cache")

    def check(self) -> None:
        """Nothing to look at before the weights are loaded: all was checked on construction."""

    def forecast(self) -> dict[str, int]:
        """Documents and requests: one loading each."""
        loadings = self.repeats * len(self._states)
        return {"documents": loadings, "requests": loadings}

    def points(self) -> tuple[Load, ...]:
        """The probe once for each replicate: it has no grid."""
        return grid.points(self)

    def run(self, subject: Unloaded, progress: Progress) -> Outcome:
        """Measures the loading of `subject`.

        Raises:
            ConfigError: as `Unloaded.load`; so are Unsupported and OutOfMemory.
        """
        from harness.probes import looks, protocol, staging

        before = looks.look(subject.device.kind, (*children.preload(subject.spec.family), "harness.probes.staging"))
        first = children.run(staging.first, subject).result()
        loadings, seconds = self._all(subject, progress, files=first["files"])
        after = looks.look(subject.device.kind)
        rows = _rows(loadings, size=sum(Path(file).stat().st_size for file in first["files"]))
        noisy = (*looks.noise(before, after, own=seconds + first["cpu_seconds"]), *_unsteady(rows))
        facts = {
            **grid.facts(self),
            "environment": {"before": before, "after": after},
            "noisy": list(noisy),
            **_facts(loadings, first),
        }
        warnings = (*_warnings(subject, loadings), *protocol.warned(noisy))
        return Outcome(measurements=rows, warnings=warnings, facts=facts)

    @property
    def _states(self) -> tuple[str, ...]:
        return ("cold", "warm") if self.page_cache == "both" else (self.page_cache,)

    def _all(self, subject: Unloaded, progress: Progress, *, files: Sequence[str]) -> tuple[list[Loading], float]:
        """Every repeat, and the processor seconds of all; the states take turns in leading: drift meets both alike."""
        from harness.probes import staging

        if subject.spec.weights == "random":
            steps: list[tuple[Any, ...]] = [(staging.drawn, subject)] * self.repeats
        else:
            steps = [
                (step, subject, state, files)
                for repeat in range(self.repeats)
                for state in self._states[:: -1 if repeat % 2 else 1]
                for step in (staging.whole, staging.parts)
            ]
        endings: list[children.Ending] = []
        for done, step in enumerate(steps, start=1):
            endings.append(children.run(*step))
            progress("loading again and again", done, len(steps))
        return [ending.result() for ending in endings], sum(ending.cpu_seconds for ending in endings)


def _rows(loadings: Sequence[Loading], *, size: int) -> tuple[Measurement, ...]:
    """Each step of each loading, numbered within its metric and state."""
    counts: Counter[tuple[str, str]] = Counter()
    rows: list[Measurement] = []
    for loading in loadings:
        subset = f"cache={loading.state}" if loading.asked else ""
        found = {"load_s": loading.whole, "read_s": loading.read, "init_s": loading.init, "to_device_s": loading.moved}
        values = [(metric, "s", value) for metric, value in found.items() if value is not None]
        if loading.read:
            values.append(("read_B_s", "B/s", size / loading.read))
        for metric, unit, value in values:
            repeat = counts[metric, subset]
            counts[metric, subset] += 1
            better = unit == "B/s"
            rows.append(
                Measurement(
                    metric=metric, value=value, unit=unit, subset=subset, repeat=repeat, higher_is_better=better
                )
            )
    return (*rows, *_peaks(loadings))


def _peaks(loadings: Sequence[Loading]) -> list[Measurement]:
    """Highest memory of a loading as it is done for every other measurement."""
    whole = [loading for loading in loadings if loading.whole is not None]
    highest = {
        "peak_host_bytes": max(loading.peak_host_bytes for loading in whole),
        "peak_device_bytes": max(loading.peak_device_bytes or 0 for loading in whole),
    }
    return [
        Measurement(metric=metric, value=float(value), unit="B", higher_is_better=False)
        for metric, value in highest.items()
        if value
    ]


def _unsteady(rows: Sequence[Measurement]) -> tuple[str, ...]:
    from harness.probes import surroundings

    subsets = dict.fromkeys(row.subset for row in rows if row.metric == "load_s")
    return tuple(
        f"{subset}: {reason}" if subset else reason
        for subset in subsets
        for reason in surroundings.unsteady([r.value for r in rows if (r.metric, r.subset) == ("load_s", subset)])
    )


def _facts(loadings: Sequence[Loading], first: Mapping[str, Any]) -> dict[str, Any]:
    from harness.probes import staging

    states = [
        {"asked": loading.asked, "state": loading.state, "pages": loading.pages, "resident": loading.resident}
        for loading in loadings
        if loading.asked
    ]
    return {
        "not_timed": staging.PREPARED,
        "files": [Path(file).name for file in first["files"]],
        "cache_state": states or "no file is read: weights are drawn at random",
        "first_load": first["seconds"],
        "subject": first["subject"],
    }


def _warnings(subject: Unloaded, loadings: Sequence[Loading]) -> tuple[str, ...]:
    from harness.probes import staging

    said: list[str] = []
    if not any(loading.asked for loading in loadings):
        said.append("weights are random: nothing was read, load_s is building and drawing them")
    elif not staging.divisible(subject.spec):
        said.append("init_s and to_device_s are absent: weights are quantised or spread while they are loaded")
    kept = [loading for loading in loadings if loading.asked == "cold" and loading.state == "warm"]
    if kept:
        share = max(loading.resident / max(1, loading.pages) for loading in kept)
        said.append(
            f"{len(kept)} loadings were to be cold and count as warm: up to {share:.0%} of the pages of the weight "
            "files could not be evicted, since the files are mapped elsewhere or lie on a file system in memory"
        )
    return tuple(said)
