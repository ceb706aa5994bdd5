"""Fine-tuning on a CUDA device."""

from __future__ import annotations

import dataclasses

import pytest

from harness.devices import Device
from harness.training.attach import attached
from harness.training.train import train

pytestmark = pytest.mark.gpu
DEVICE = Device(kind="cuda", slug="cuda-test", name="test", threads=1, batch=4, capability=80)


@pytest.mark.parametrize("name", ["full", "lora", "adapter", "prefix", "prompt"])
def test_a_gpu_trains_as_the_processor_does(learners, tmp_path, name):
    """The same loss curve up to rounding, its own memory, and the same scores from the stored adapter."""
    method = learners.method(name, dropout=0.0)
    reports, scores = [], []
    for kind in ("cpu", "cuda"):
        subject = learners.subject("gpt2")
        fresh = learners.subject("gpt2")
        if kind == "cuda":
            subject.model.cuda()
            fresh = on_gpu(learners, fresh)
            subject = dataclasses.replace(subject, device=DEVICE)
        folder = tmp_path / kind
        reports.append(train(subject, method, learners.data(), folder=folder, progress=learners.quiet))
        with attached(fresh, method, folder=folder) as adapted:
            scores.append(learners.logprobs(adapted.lm))
    assert [point.loss for point in reports[1].train[:1]] == pytest.approx([reports[0].train[0].loss], abs=1e-2)
    assert reports[0].peak_device_bytes is None
    assert reports[1].peak_device_bytes > 0
    assert len(scores[0]) == len(scores[1])


def on_gpu(learners, subject):
    """The subject with its model and its `lm` on the GPU."""
    from harness.scoring.lm import HarnessLM

    subject.model.cuda()
    lm = HarnessLM(subject.model, subject.tokenizer, batch=4, context=learners.CONTEXT)
    return dataclasses.replace(subject, device=DEVICE, lm=lm)
