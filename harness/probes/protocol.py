"""How every timing probe measures: what is done before, between and after, and what is derived from the raw times.

Layer: probes. torch and the meters are imported when something is measured.

The order, each pass apart from the others:

1. surroundings: a snapshot of the environment and the sentinel (`surroundings.look`);
2. warm-up on the very shapes that are timed, until the times are stable (`meters.clock.warm_up`);
3. latency: `repeats` rounds, raw, Python's garbage collector off, no sampler running;
4. memory: one more round under `meters.memory.Peak` (`footprint.measure`);
5. energy: at least 10 s of the same work, where a meter works (`power.measure`);
6. surroundings again: how far the sentinel moved, and what made the cell noisy;
7. on CUDA, a trace of one round (`occupancy.facts`).

Formulas, with t0 the start, t_i the moment when token i of every row is ready on the device, n new tokens:

- `ttft = t_1 - t0`, time to first token; `e2e = t_n - t0`.
- `itl_i = t_(i+1) - t_i`, i = 1 … n-1, inter-token latency: n - 1 gaps per sequence. The measurement `itl` is the
  median of one round's gaps.
- `tpot = (t_n - t_1) / (n - 1)`, time per output token: the mean of the gaps; the first token is not in it.
- `prefill_tok_s = batch * prompt / ttft`; `decode_tok_s = batch * (n - 1) / (t_n - t_1)`; `request_s = batch / e2e`.

All times are wall times, the device's queue drained at both ends. Beside them stands the time of CUDA events
(`X_device`), on a CPU processor time (`X_cpu`). Source: ttft, itl and tpot are those of `vllm bench serve`
(benchmarks/serve.py, calculate_metrics); guidellm's time per output token counts the first token and is another number.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.records import Measurement, Outcome, OutOfMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from harness.probes.surroundings import Surroundings
    from harness.records import Progress


_LONG = 0.2
"""Seconds of a round from which each is told of."""


@final
@dataclass(frozen=True, kw_only=True)
class Rules:
    """How often and how long; the fields of a probe that have these names.

    Attributes:
        repeats: timed rounds.
        warm_calls: least rounds of warm-up.
        warm_seconds: least seconds of warm-up.
        warm_most: seconds after which warm-up ends though the times still move.
        energy: `auto` measures energy where a meter works, `off` does not.
        energy_seconds: least length of the energy pass, and of the idle time that is measured with it.
    """

    repeats: int = 5
    warm_calls: int = 3
    warm_seconds: float = 2.0
    warm_most: float = 30.0
    energy: str = "auto"
    energy_seconds: float = 10.0

    @classmethod
    def of(cls, probe: Any) -> Rules:
        """The rules that `probe` states; the defaults where it has no such field."""
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(**{name: getattr(probe, name) for name in names if hasattr(probe, name)})


@final
@dataclass(frozen=True, kw_only=True)
class Round:
    """What one timed round of a probe gave.

    Attributes:
        measurements: of this round; `measure` numbers them (`repeat`).
        wall: seconds of the whole round.
        device: seconds of the same by CUDA events; None on a CPU.
        gaps: seconds between one token and the next; empty where there are none.
    """

    measurements: tuple[Measurement, ...]
    wall: float
    device: float | None = None
    gaps: tuple[float, ...] = ()


@final
@dataclass(frozen=True, kw_only=True)
class Useful:
    """Useful work, which model FLOP and bandwidth utilisation (MFU, MBU) and the roofline bound are about.

    Attributes:
        flops: floating point operations.
        moved_bytes: bytes that must be read from memory or written there.
        metric: the measurement whose median over the rounds is the time of this work, as in `itl` for one step.
    """

    flops: float
    moved_bytes: float
    metric: str


def nothing() -> dict[str, Any]:
    """Nothing is held beside the weights, nothing is to be told."""
    return {}


@final
@dataclass(frozen=True, kw_only=True)
class Work:
    """What a probe does, told to `measure`.

    Attributes:
        phase: word for the progress display.
        round: one round, timed: warm-up and latency pass call it.
        held: bytes by part (`{"kv_bytes": …}`) that the work holds beside the weights, asked before and after a round.
        useful: useful work behind one of the metrics; None where no formula is known.
        predicted_bytes: peak that the family's formulas predict; None where there are none.
        drain: what the energy pass repeats; None: `round`.
        drained: tokens or items of one `drain`, for energy by the unit below; 0 gives no such figure.
        drained_unit: `J/tok` makes `energy_tok`, `J/item` makes `energy_item`.
        once: the work alone, untimed: for the memory pass, and on CUDA traced for `cpu_bound`. None: memory is that of
            a `round`, nothing is traced.
        told: facts of the probe's own, asked after the latency pass.
    """

    phase: str
    round: Callable[[], Round]
    held: Callable[[], Mapping[str, int]] = nothing
    useful: Useful | None = None
    predicted_bytes: float | None = None
    drain: Callable[[], object] | None = None
    drained: int = 0
    drained_unit: str = "J/tok"
    once: Callable[[], object] | None = None
    told: Callable[[], Mapping[str, Any]] = nothing


@final
@dataclass(frozen=True, kw_only=True)
class _Passes:
    """What the passes over a subject have in common."""

    subject: Any
    work: Work
    rules: Rules
    progress: Progress
    kind: str
    devices: tuple[int, ...]

    def look(self, like: Surroundings | None = None) -> Surroundings:
        from harness.probes import surroundings

        return surroundings.look(self.kind, self.devices, dtype=self.subject.model.dtype, like=like)

    def latency(self) -> tuple[dict[str, Any], list[Round], Mapping[str, Any]]:
        """Warm-up and timed rounds, with nothing else running in this process."""
        from harness.meters.clock import collector_off, warm_up

        rules, rounds = self.rules, list[Round]()
        self.progress("warming up", 0, 0)
        with collector_off():
            warm = warm_up(
                self.work.round,
                devices=self.devices,
                least_calls=rules.warm_calls,
                least_seconds=rules.warm_seconds,
                most_seconds=rules.warm_most,
            )
            for done in range(1, rules.repeats + 1):
                rounds.append(self.work.round())
                # A word makes the parent draw, on a core that the next round may want: a long round bears it.
                if rounds[-1].wall >= _LONG or done == rules.repeats:
                    self.progress(self.work.phase, done, rules.repeats)
        return dataclasses.asdict(warm), rounds, self.work.told()

    def energy(self) -> tuple[tuple[Measurement, ...], dict[str, Any]]:
        if self.rules.energy == "off":
            return (), {"method": None, "reason": "switched off"}
        from harness.probes import power

        self.progress("energy", 0, 0)
        return power.measure(
            self.work.drain or self.work.round,
            kind=self.kind,
            devices=self.devices,
            seconds=self.rules.energy_seconds,
            per=(self.work.drained, self.work.drained_unit),
        )

    def utilisation(
        self, rows: Sequence[Measurement], before: Surroundings
    ) -> tuple[tuple[Measurement, ...], dict[str, Any]]:
        if self.work.useful is None:
            return (), {"reason": "no useful work is counted for this probe, or for this family"}
        from harness.probes import utilisation

        machine = utilisation.machine(self.subject, before.peaks, self.devices)
        if machine is None:
            return (), {"reason": f"{before.lost}, and no file of conf/hardware has measured peaks of this device"}
        return utilisation.measurements(self.work.useful, rows, machine)


def measure(subject: Any, work: Work, *, rules: Rules, progress: Progress, point: Mapping[str, Any]) -> Outcome:
    """Everything that is measured of `work` on `subject`, by the passes above.

    Args:
        subject: a loaded `harness.models.subject.Subject`.
        work: what the probe does.
        rules: how often and how long.
        progress: told of every pass and of long rounds.
        point: what the facts begin with: `batch`, `prompt`, `new`, `replicate`, `kernels`, `cache`, `compile`.
    """
    from harness.meters import places
    from harness.probes import footprint, occupancy, surroundings, utilisation

    kind = subject.device.kind
    passes = _Passes(
        subject=subject, work=work, rules=rules, progress=progress, kind=kind,
        devices=places.devices(kind, subject.model),
    )  # fmt: skip
    before = passes.look()
    warm, rounds, told = passes.latency()
    memory = footprint.measure(subject, work.once or work.round, held=work.held, devices=passes.devices)
    energy, energy_facts = passes.energy()
    after = passes.look(before)
    busy = occupancy.facts(work.once, rounds, devices=passes.devices)  # last: a tracer that was attached may stay
    rows = numbered(rounds)
    used, used_facts = passes.utilisation(rows, before)
    noisy = (*surroundings.disturbances(before, after, kind=kind), *surroundings.unsteady([r.wall for r in rounds]))
    noisy += () if warm["stable"] else ("the times still moved when warm-up ended",)
    noisy += utilisation.impossible(used)
    noisy += ("the compiler ran again while times were taken",) if told.get("recompiles") else ()
    facts = {
        **point, "warm_up": warm, "noisy": list(noisy), "memory": memory.facts, "energy": energy_facts,
        "utilisation": used_facts, **surroundings.facts(before, after), **busy, **told,
    }  # fmt: skip
    if any(r.gaps for r in rounds):
        facts["steps"] = {"itl": [list(r.gaps) for r in rounds]}
    found = (*rows, *memory.measurements, *predicted(work.predicted_bytes), *used, *energy)
    return Outcome(measurements=found, warnings=warned(noisy), facts=facts)


def numbered(rounds: Sequence[Round]) -> tuple[Measurement, ...]:
    """The measurements of all rounds, each with the index of its round as `repeat`."""
    return tuple(dataclasses.replace(m, repeat=i) for i, r in enumerate(rounds) for m in r.measurements)


def predicted(size: float | None) -> tuple[Measurement, ...]:
    """The measurement of what the formulas predict as peak; none where there is none."""
    if size is None:
        return ()
    return (Measurement(metric="predicted_bytes", value=float(size), unit="B", higher_is_better=False),)


def warned(noisy: Sequence[str]) -> tuple[str, ...]:
    """The one warning of a noisy cell; none where nothing disturbed it."""
    return (f"noisy: {'; '.join(noisy)}",) if noisy else ()


def within_memory(work: Callable[[], Outcome], *, name: str, what: str) -> Outcome:
    """What `work` returns; memory that runs out in it becomes an outcome of the cell.

    Args:
        work: all of a probe's measuring.
        name: of the probe.
        what: its shape, as in `batch 8`.

    Raises:
        OutOfMemory: if device or host memory ran out.
    """
    from harness.generation.budget import first_line, is_out_of_memory

    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = first_line(error)
    # Outside of the handler: the traceback keeps the failed batch's tensors alive until it is left.
    raise OutOfMemory(f"probe {name}: {what} does not fit: {reason}")
