"""The waist: cells, measurements and records survive the way to disk and back, and refuse what they must not hold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.records import Cell, Measurement, Record, Status

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
specs = st.dictionaries(st.text(max_size=8), json_values, max_size=4)
labels = st.text(min_size=1, max_size=12)


@given(
    model=labels, workload=labels, spec=specs, value=st.floats(allow_nan=False, allow_infinity=False), warning=st.text()
)
def test_a_record_survives_json(model: str, workload: str, spec: dict, value: float, warning: str) -> None:
    """What is read back equals what was written, whatever the text in it."""
    cell = Cell(model=model, method="none", workload=workload, kind="task", spec=spec)
    record = Record(
        cell=cell, status=Status.OK, measurements=(Measurement(metric="acc", value=value),), warnings=(warning,)
    )
    assert Record.from_json(record.to_json()) == record


@given(spec=specs)
def test_the_id_does_not_depend_on_key_order(spec: dict) -> None:
    """The same specification has the same identity however its keys are ordered."""
    mirrored = dict(reversed(list(spec.items())))
    one, two = (Cell(model="m", method="none", workload="w", kind="task", spec=s) for s in (spec, mirrored))
    assert one.id == two.id


@pytest.mark.parametrize(
    "change", [{"model": "n"}, {"workload": "v"}, {"seed": 1}, {"severity": 0.5}, {"spec": {"a": 2}}]
)
def test_the_id_depends_on_everything(change: dict) -> None:
    """A cell that differs in any label or in its specification is another cell."""
    base = {"model": "m", "method": "none", "workload": "w", "kind": "task", "spec": {"a": 1}}
    assert Cell(**base).id != Cell(**{**base, **change}).id


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_measurement_is_finite(value: float) -> None:
    """NaN never reaches a table as a number."""
    with pytest.raises(ValueError, match="not a finite number"):
        Measurement(metric="acc", value=value)


def test_a_measurement_has_a_known_unit() -> None:
    """Milliseconds and MiB are refused: the store holds base units only."""
    with pytest.raises(ValueError, match="'ms' is not one of"):
        Measurement(metric="ttft", value=1.0, unit="ms")


@pytest.mark.parametrize("unit", ["B/s", "FLOP/s", "J/tok", "J/item", "s/tok"])
def test_rates_of_speed_and_energy_have_units(unit: str) -> None:
    """Bandwidth, arithmetic, and what a token costs."""
    assert Measurement(metric="x", value=1.0, unit=unit).unit == unit


def test_a_cell_that_was_not_run_is_no_failure_and_survives_json() -> None:
    """Its record has a status of its own and says why."""
    cell = Cell(model="m", method="none", workload="decode", kind="probe", spec={})
    record = Record(cell=cell, status=Status.NOT_RUN, error="not run: the time budget of 20m was used up")
    assert Record.from_json(record.to_json()) == record
    assert json.loads(record.to_json())["status"] == "not_run"


@pytest.mark.parametrize(
    ("kind", "node", "title"),
    [
        ("probe", {"batch": 8, "prompt": 128, "new": 32, "replicate": 0}, "m · w · batch 8, prompt 128, new 32"),
        ("probe", {"batch": 8, "replicate": 2}, "m · w · batch 8, replicate 3"),
        ("probe", {"replicate": 1}, "m · w · replicate 2"),
        ("probe", {"batch": None}, "m · w"),
        ("task", {"batch": 8, "replicate": 2}, "m · w"),
    ],
)
def test_the_title_names_the_point_of_a_probe(kind: str, node: dict, title: str) -> None:
    """What tells its cells apart, where it has it; a task has none."""
    assert Cell(model="m", method="none", workload="w", kind=kind, spec={"workload": node}).title == title


def _valid() -> dict:
    cell = Cell(model="m", method="none", workload="w", kind="task", spec={})
    return json.loads(Record(cell=cell, status=Status.OK).to_json())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"cell": {', "not JSON"),
        ("[1, 2]", "not a record of this project"),
        (json.dumps({**_valid(), "schema": 99}), "schema 99"),
        (json.dumps({**_valid(), "status": "fine"}), "not a whole record"),
        (json.dumps({**_valid(), "id": "000000000000"}), "does not match its content"),
        (json.dumps({k: v for k, v in _valid().items() if k != "measurements"}), "not a whole record"),
    ],
)
def test_a_damaged_record_says_what_is_wrong(text: str, reason: str) -> None:
    """A truncated, foreign, newer or edited file is refused with its reason."""
    with pytest.raises(ValueError, match=reason):
        Record.from_json(text)
