"""Speed, memory and energy of every probe at every point of its grid: pure frame -> frame.

Layer: above `points` and `timing`, below tables and figures. `efficiency(study)` holds one frame per question. Every
frame has the columns of `KEYS` first, where a row is about one point:

- `entry`: name of what was measured, as in `derive`; `model`: its label; `control`: whether it is an A/A control, which
  is in every frame and in no ranking (figures and tables leave `control` rows out, all but `floor`);
- `device`: its name; times on two devices are never set against each other;
- `probe`: name of the probe, with its settings where they vary; `kind`: `decode`, `prefill`, `generate`, `score`,
  `train_step`, `load`, `max_batch` (the module of the probe's class);
- `batch`, `prompt`, `new`: the point (Int64, a gap where the probe has no such axis); `point`: the same in words.

Frames (SI units, bytes; nothing is rounded; a frame is empty, never None, where nothing was measured):

`points`: a row per entry, probe, point, metric and subset. `KEYS`, then `metric, subset, unit, median, lo, hi, least,
    replicates, repeats, noisy, why, chief, status, error, lost`. `median` of the processes' medians with its 95 %
    two-stage bootstrap interval `lo, hi` (gaps where there is one value); `least`: the best case (smallest value);
    `replicates`: processes with a result; `repeats`: raw values in all of them; `noisy`, `why`: flags of these values
    and of their cells; `chief`: whether the metric is the time that its probe is ranked by; `status`: ok, oom, clipped,
    not_run, unsupported or failed. A point without any result is one row: metric "", gaps, its status and `error`.
    `lost`: processes without a result.
`ratios`: `KEYS`, then `metric, subset, chief, baseline, ratio, lo, hi, blocks, noisy, floor, verdict, reason`: time of
    the entry over time of `baseline` (an entry of the same device), paired by block; less than 1 is faster. `lo, hi`:
    Student's over blocks, gaps with one. `floor`: what a difference had to exceed (a fraction), a gap where the control
    has no result of this probe and device. `verdict`: `faster`, `slower`, `no difference shown` or `unpaired` (no
    common block: ratio of the medians without an interval). `reason`: why nothing can be called, `one process each`
    or `no control`, else "". The row with `point` = "all points": geometric mean over them, over the `blocks` that all
    have, points of a block together. `dropped`: pairs of processes left out, since two runs measured them; where no
    block is left, `reason` is `measured in different runs`.
`floor`: `device, probe, model, ratio, lo, hi, points, blocks, floor`: the A/A control of `model` against itself;
    `floor` is a fraction. A row per device and probe, then one with both "" over all. Empty where no control ran.
`fits`: `entry, model, control, device, probe, kind, batch`, then `a, a_lo, a_hi, b, b_lo, b_hi, n, context_lo,
    context_hi, replicates, repeats`: time of a decode step against tokens of context, `itl = a + b * S`; `a` in s, `b`
    in s/tok; `n` steps.
`steps`: the same seven columns, then `prompt, context, itl, lo, hi, n`: median and quartiles of the steps around a
    context: what a fit is drawn over.
`quantiles`: `KEYS`, then `quantile, value, lo, hi, n`: quantiles 0.5, 0.9, 0.99 of the gaps between tokens, all steps
    pooled, with order-statistic intervals; 0.99 is absent under 300 steps.
`memory`: `KEYS`, then every name of `MEMORY` (gaps where not measured), `measured, measured_as, difference, limit`:
    bytes; `measured` is what `predicted_bytes` is set against (the metric `measured_as`), `difference` = predicted /
    measured - 1, `limit`: memory of the device.
`energy`: `KEYS`, then `method, reason, joules, net_joules, idle_watts, per_unit, lo, hi, unit, replicates`; `per_unit`
    is net, `unit` is J/tok or J/item. Rows where a meter worked; `reason` of the others stands in `environment`.
`rooflines`: `KEYS`, then `flops, moved_bytes, seconds, intensity, flop_s, byte_s, peak_flops, peak_bandwidth, ridge,
    bound, mfu, mbu, mfu_spec, mbu_spec, bound_s, cpu_bound, device_share`: useful work of one call or step, what was
    achieved, the measured peaks; `bound` is `compute` or `memory`; `device_share`: part of the wall time that the
    device was busy, `cpu_bound`: whether the host sets the pace; both are gaps on a CPU.
`environment`: a row per measured cell: `KEYS`, then `cell, replicate, driver, threads, noisy, why, stable,
    warm_up_calls, warm_up_s, peak_flops, peak_bandwidth, drift, energy_reason`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from harness.analysis import points, resources, steps
from harness.analysis import ratios as paired
from harness.analysis.current import current
from harness.analysis.labels import labelled
from harness.analysis.points import KEYS
from harness.analysis.resources import MEMORY

if TYPE_CHECKING:
    import pandas as pd

    from harness.analysis.frame import Study

__all__ = ["KEYS", "MEMORY", "Efficiency", "efficiency", "of"]


@final
@dataclass(frozen=True, kw_only=True)
class Efficiency:
    """Frames about probes; the module says what their columns are."""

    points: pd.DataFrame
    ratios: pd.DataFrame
    floor: pd.DataFrame
    fits: pd.DataFrame
    steps: pd.DataFrame
    quantiles: pd.DataFrame
    memory: pd.DataFrame
    energy: pd.DataFrame
    rooflines: pd.DataFrame
    environment: pd.DataFrame


def efficiency(study: Study, *, baseline: str | None = None) -> Efficiency:
    """What the current records of a study say of speed, memory and energy; empty frames where it has no probes.

    Args:
        study: all its frames.
        baseline: entry or model that times are compared with; None for the fastest of each probe.
    """
    study = current(study)
    return of(labelled(study.cells), study.measurements, baseline=baseline)


def of(cells: pd.DataFrame, measurements: pd.DataFrame, *, baseline: str | None = None) -> Efficiency:
    """As `efficiency`, from current cells that have their labels already.

    Args:
        cells: with `entry` and `task`, as `labels.labelled` makes them; those of tasks are passed over.
        measurements: the current ones.
        baseline: as in `efficiency`.
    """
    found = points.probes(cells)
    pooled = points.pooled(found, measurements)
    floor = paired.floor(found, pooled)
    fits, single, quantiles = steps.frames(found)
    return Efficiency(
        points=pooled.frame,
        ratios=paired.ratios(pooled, floor, baseline=baseline, cells=found),
        floor=floor,
        fits=fits,
        steps=single,
        quantiles=quantiles,
        memory=resources.memory(pooled, found),
        energy=resources.energy(pooled, found),
        rooflines=resources.rooflines(pooled, found),
        environment=resources.environment(found),
    )
