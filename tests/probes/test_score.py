"""The score probe: what it gives to the engine, what it reads back, and what it refuses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.config import construct
from harness.devices import Device
from harness.probes.score import Score
from harness.records import Unsupported

CONF = Path(__file__).parents[2] / "conf" / "probe"
FAST = {"warm_calls": 1, "warm_seconds": 0.0, "warm_most": 0.0, "energy": "off"}


@dataclass(frozen=True)
class Subject:
    """What the probe reads of a loaded subject."""

    model: Any
    tokenizer: Any
    facts: dict
    device: Device


def subject(tiny, family="gpt2", kind="cpu"):
    device = Device(kind=kind, slug="here", name="here", threads=1, batch=4, memory=2**30)
    facts = {"context": tiny.CONTEXT, "attention": "sdpa", "quantisation": "none"}
    return Subject(tiny.model(family), tiny.tokenizer(), facts, device)


@pytest.mark.parametrize(("layout", "computed"), [("tree", 2 * (20 + 3 * 4)), ("reference", 2 * 3 * 24)])
def test_given_and_computed_tokens_are_told_apart(tiny, layout, computed):
    """Options share their prompt where the layout allows; the last token of an answer predicts nothing."""
    probe = Score(name="s", batch=2, prompt=20, options=3, answer=5, layout=layout, repeats=2, **FAST)
    outcome = probe.run(subject(tiny), tiny.quiet)
    rows = {m.metric: m for m in outcome.measurements if m.repeat == 1}
    assert rows["computed_tokens"].value == computed
    assert (outcome.facts["layout"], outcome.facts["tokens_given"]) == (layout, 2 * 3 * 25)
    assert rows["score_tok_s"].value == pytest.approx(2 * 3 * 25 / rows["score_s"].value)
    assert rows["score_item_s"].value == pytest.approx(2 / rows["score_s"].value)
    assert (rows["score_s"].unit, rows["score_item_s"].unit, rows["score_s"].n) == ("s", "item/s", 6)
    assert {(m.metric, m.repeat) for m in outcome.measurements} >= {("score_s", 0), ("score_s", 1)}


def test_useful_work_counts_shared_tokens_once(tiny):
    """The floating point operations are those of the prompts and of each answer's tokens behind it."""
    from harness.probes import utilisation

    here = subject(tiny)
    costs = utilisation.costs(here)
    useful = Score(name="s", options=3, answer=2)._useful(costs, batch=2, prompt=20, dtype="float32")
    assert useful.flops == costs.prefill_flops(20, batch=2) + 2 * 3 * costs.flops_per_token(21)
    alone = Score(name="s", options=1, answer=1)._useful(costs, batch=1, prompt=20, dtype="float32")
    assert alone.flops == costs.prefill_flops(20)


def test_requests_follow_the_seed_and_share_their_prompt(tiny):
    """Options of an item begin alike and end differently."""
    made = Score(name="s", options=2, answer=3)._requests(subject(tiny), batch=2, prompt=9)
    again = Score(name="s", options=2, answer=3)._requests(subject(tiny), batch=2, prompt=9)
    assert len(made) == 4
    assert [r.row.tolist() for r in made] == [r.row.tolist() for r in again]
    assert made[0].row[:9].tolist() == made[1].row[:9].tolist() != made[2].row[:9].tolist()
    assert made[0].targets.tolist() != made[1].targets.tolist()
    assert {(len(r.row), len(r.targets), r.truncated) for r in made} == {(11, 3, False)}


def test_more_than_the_context_is_unsupported(tiny):
    """Prompt and answer are both named."""
    with pytest.raises(Unsupported, match=r"^clipped: prompt 60 \+ answer 5 tokens exceed the model's context 64$"):
        Score(name="s", prompt=60, answer=5).run(subject(tiny), tiny.quiet)


@pytest.mark.parametrize(
    ("field", "bad"),
    [("options", 0), ("answer", 0), ("batch", 0), ("layout", "best"), ("tokens", 0), ("options", True)],
)
def test_bad_fields_are_refused(field, bad):
    """One line that names the field."""
    with pytest.raises(ValueError, match=rf"^{field}=.* is not a valid value: "):
        Score(name="s", **{field: bad})


def test_the_config_constructs():
    """The YAML constructs the probe it is named for."""
    probe = construct(yaml.safe_load((CONF / "score.yaml").read_text()), where="score")
    assert (type(probe), probe.name, bool(probe.about)) == (Score, "score", True)


@pytest.mark.gpu
def test_scoring_on_the_device(tiny):
    """The same on CUDA, with the device's memory beside it."""
    here = subject(tiny, kind="cuda")
    moved = Subject(tiny.model("gpt2").cuda(), here.tokenizer, here.facts, here.device)
    outcome = Score(name="s", batch=2, prompt=20, repeats=2, **FAST).run(moved, tiny.quiet)
    tiny.model("gpt2").cpu()
    assert {m.metric for m in outcome.measurements} >= {"score_s", "peak_device_bytes"}
