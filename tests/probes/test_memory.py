"""Memory of a probe as `harness run` measures it, beside what the formulas predict."""

from __future__ import annotations

import json

import pytest

from harness.models.fits import WORKER_BYTES, agrees

SMALL = ("model.architecture={vocab_size: 4096, n_positions: 512, n_embd: 512, n_layer: 6, n_head: 8}",)


def records(harness, folder, *arguments):
    """The records of one study of `gpt2` with random weights on a CPU."""
    weights = ("model=gpt2", "model.weights=random", "model.parameters=null", "model.tokenizer=zoo:mini-gpt2-s")
    quick = ("probe.prefill.repeats=1", "probe.prefill.warm_seconds=0.1", "probe.prefill.warm_most=1")
    done = harness("run", *weights, "device=cpu", "probe=[prefill]", *quick, "study=m", f"results={folder}", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(path.read_text()) for path in sorted(folder.rglob("records/**/*.json"))]


def sizes(record):
    """Bytes by metric."""
    return {m["metric"]: m["value"] for m in record["measurements"] if m["unit"] == "B"}


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "batch"), [(SMALL, "[1,16]"), ((), "[1,8]")], ids=["small", "124M"])
def test_a_worker_grows_by_what_is_predicted(harness, tmp_path, shape, batch):
    """Within 5 % and the stated constants; the parts that are counted are exact."""
    found = records(harness, tmp_path, *shape, f"probe.prefill.batch={batch}", "probe.prefill.prompt=256")
    assert len(found) == 2
    for record in found:
        if not record["provenance"]["task"]["memory"]["host_peak_reset"]:
            pytest.skip("this kernel does not let the peak be reset")
        size = sizes(record)
        assert agrees(size["predicted_bytes"], size["added_host_bytes"], "cpu", beside=WORKER_BYTES), size
        assert size["weights_bytes"] == 4 * record["provenance"]["subject"]["parameters"]
