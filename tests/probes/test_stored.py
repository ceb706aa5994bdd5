"""Costs of quantised models: the operations of the formulas, the bytes as they are stored."""

import pytest
import torch

from harness.models.costs import costs
from harness.probes import utilisation
from harness.probes.decode import Decode
from harness.probes.stored import Stored

POINT = {"attention": "eager", "batch": 2, "prompt": 5, "new": 3, "kind": "cpu"}


def formulas(model):
    """Of a model without quantisation."""
    return costs(model.config.model_type, model.config.to_dict())


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox"])
def test_a_model_that_is_not_quantised_costs_what_the_formulas_say(subject, family):
    """To the byte, tied head or not: nothing but quantising can make a difference."""
    model = subject(family).model
    plain, found = formulas(model), Stored.of(model, formulas(model))
    assert found.decode_step_bytes(2, 9, "float32") == plain.decode_step_bytes(2, 9, "float32")
    assert found.prefill_bytes(2, 9, "float32") == plain.prefill_bytes(2, 9, "float32")
    assert found.predicted_peak_bytes(dtype="float32", **POINT) == plain.predicted_peak_bytes(dtype="float32", **POINT)
    assert found.prefill_flops(9, kept=2, batch=3) == plain.prefill_flops(9, kept=2, batch=3)
    assert found.decode_step_flops(2, 9) == 2 * found.flops_per_token(9) == plain.decode_step_flops(2, 9)


def test_int8_weights_count_as_they_are_stored(tiny, subject, briefly):
    """A quarter of float32 and a scale a row; a decode probe then has moved bytes and a prediction."""
    quantisation = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    model = tiny.model("gpt_neox")
    plain = formulas(model)
    head = model.get_output_embeddings()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    values, rows = sum(m.weight.numel() for m in layers), sum(m.out_features for m in layers)
    quantisation.quantize_(
        model, quantisation.Int8WeightOnlyConfig(), filter_fn=lambda module, _: any(module is m for m in layers)
    )
    here = subject(model=model, quantisation="torchao_int8")
    found = utilisation.costs(here)
    saved = plain.decode_step_bytes(1, 9, "float32") - found.decode_step_bytes(1, 9, "float32")
    assert 3 * values - 8 * rows <= saved <= 3 * values
    outcome = Decode(name="d", prompt=4, new=3, **briefly).run(here, tiny.quiet)
    value = {m.metric: m.value for m in outcome.measurements}
    assert value["moved_bytes"] == found.decode_step_bytes(1, 5, "float32")
    assert value["predicted_bytes"] > value["weights_bytes"]
