"""The training loop: the plain loop's numbers, seeds, resuming, early stopping, and what each switch does."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy

from harness.config import ConfigError
from harness.records import OutOfMemory, Unsupported
from harness.scoring.requests import Encoder
from harness.training import saved
from harness.training.attach import attached
from harness.training.examples import Data, Example
from harness.training.loop import DivergedError, Spent, Watch, mean_loss
from harness.training.rows import Collator
from harness.training.train import check_trainable, train


@pytest.fixture
def run(learners, tmp_path):
    """Trains a method on a family in a folder of its own: the report and the stored weights."""
    made = []

    def go(family="gpt2", name="full", *, data=None, progress=None, folder=None, **training):
        made.append(folder or tmp_path / str(len(made)))
        subject, method = learners.subject(family), learners.method(name, **training)
        report = train(subject, method, data or learners.data(), folder=made[-1], progress=progress or learners.quiet)
        return report, load_file(made[-1] / saved.WEIGHTS)

    return go


def losses(report):
    """The curve of a report."""
    return [point.loss for point in report.train]


def plain_loop(subject, batches, *, rate, steps):
    """Full fine-tuning in plain PyTorch: one text at a time, nothing padded, a linear rate, clipping at 1."""
    model = subject.model
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    found = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * (steps - step) / steps
        total, count = torch.zeros(()), 0
        for ids, mask, labels in zip(batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
            row = ids[mask.bool()][None]
            targets = labels[labels != -100]
            logits = model(input_ids=row).logits[0, -len(targets) :]
            total = total + cross_entropy(logits, targets, reduction="sum")
            count += len(targets)
        loss = total / count
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("family", ["gpt2", "gpt_neo", "gptj", "gpt_neox", "opt", "llama"])
def test_full_fine_tuning_is_the_plain_loop(learners, run, monkeypatch, family):
    """The loss curve is that of a plain PyTorch loop on the same batches."""
    seen = []
    monkeypatch.setattr(Collator, "__call__", recording(Collator.__call__, seen))
    report, _ = run(family, data=learners.data(dev=0), epochs=3, learning_rate=3e-3, schedule="linear", dropout=0.0)
    subject = learners.subject(family)
    set_dropout(subject.model)
    expected = plain_loop(subject, seen[: report.steps], rate=3e-3, steps=report.steps)
    assert losses(report) == pytest.approx(expected, abs=1e-4)
    assert report.steps == 6
    assert expected[-1] < expected[0] - 0.5


def recording(collate, seen):
    """The collator, with every batch kept."""

    def call(self, rows):
        seen.append(collate(self, rows))
        return dict(seen[-1])

    return call


def set_dropout(model):
    """Turns dropout off."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name in ("dropout", "attention_dropout"):
            if isinstance(vars(module).get(name), float):
                setattr(module, name, 0.0)


@pytest.mark.parametrize("name", ["full", "lora", "adalora"])
def test_the_same_seed_gives_the_same_weights(run, name):
    """Twice the same settings, bit by bit the same; another seed gives others."""
    weights = [run(name=name, seed=seed)[1] for seed in (3, 3, 4)]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert any(not torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


@pytest.mark.parametrize(("name", "stopping"), [("full", 0), ("lora", 0), ("adalora", 0), ("prefix", 0), ("full", 2)])
def test_a_training_that_is_killed_goes_on_from_its_checkpoint(run, tmp_path, name, stopping):
    """Killed in the third epoch, it ends with the very weights and curve of a training that was not."""
    options = {"name": name, "epochs": 12 if stopping else 4, "early_stopping": stopping}
    options |= {"learning_rate": 0.05} if stopping else {}
    whole, expected = run(**options)

    def killed(phase, done, _total):
        if phase == "training" and done == 5:
            raise KeyboardInterrupt

    folder = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        run(**options, progress=killed, folder=folder)
    assert saved.read(folder) is None
    report, weights = run(**options, folder=folder)
    assert report.resumed == 4
    assert losses(report) == losses(whole)
    assert report.dev == whole.dev
    assert report.best_step == whole.best_step
    assert report.tokens == whole.tokens
    assert all(torch.equal(weights[key], expected[key]) for key in expected)
    assert not (folder / saved.CHECKPOINTS).exists()


def test_a_half_written_checkpoint_is_passed_over(run, tmp_path):
    """A checkpoint whose last file is not whole does not count, and does not disturb the next ones."""

    def killed(phase, done, _total):
        if phase == "training" and done == 5:
            raise KeyboardInterrupt

    folder = tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        run(epochs=4, progress=killed, folder=folder)
    (folder / saved.CHECKPOINTS / "checkpoint-4" / "trainer_state.json").write_text("{")
    report, _ = run(epochs=4, folder=folder)
    assert report.resumed == 0


def test_a_finished_adapter_is_not_trained_again(run, tmp_path):
    """The second call reads the first one's report, and tells no progress."""
    told = []
    first, _ = run(folder=tmp_path / "one")
    second, _ = run(folder=tmp_path / "one", progress=lambda *event: told.append(event))
    assert second == first
    assert not told


def test_a_loss_that_is_no_number_stops_and_names_the_step(run):
    """With an absurd rate the loss overflows: one line says where, and what to change."""
    with pytest.raises(DivergedError, match=r"the loss is (nan|inf) at step [2-9] of 40: lower learning_rate=1e\+20"):
        run(learning_rate=1e20, clipping=0.0, epochs=20)


def test_early_stopping_keeps_the_best_step(run):
    """Training ends when the dev loss has not fallen twice, and the stored weights are those of the lowest."""
    report, weights = run(learning_rate=0.05, epochs=30, early_stopping=2)
    best = min(report.dev, key=lambda point: point.loss)
    assert report.stopped_early
    assert report.steps < 60
    assert report.best_step == best.step < report.steps
    assert report.final["dev_loss"] == pytest.approx(best.loss, abs=1e-5)
    assert report.final["dev_loss"] > report.final["train_loss"]
    longer, later = run(learning_rate=0.05, epochs=report.steps // 2, early_stopping=0)
    assert longer.best_step == longer.steps
    assert any(not torch.equal(weights[key], later[key]) for key in weights)


def test_a_step_in_parts_is_the_same_step(run):
    """Accumulation and recomputed activations change nothing but rounding."""
    whole, parts, again = (
        losses(run(**options, dropout=0.0)[0])
        for options in ({}, {"accumulation": 4}, {"gradient_checkpointing": True})
    )
    assert parts == pytest.approx(whole, abs=1e-3)
    assert again == pytest.approx(whole, abs=1e-4)


@pytest.mark.parametrize(
    "switch",
    [
        {"fgm": 1.0},
        {"label_smoothing": 0.2},
        {"dropout": 0.5},
        {"weight_decay": 1.0},
        {"clipping": 0.01},
        {"bf16": True},
    ],
    ids=lambda switch: next(iter(switch)),
)
@pytest.mark.parametrize("name", ["full", "lora"])
def test_each_switch_changes_training(run, name, switch):
    """Every switch against overfitting leads to other weights."""
    plain = run(name=name, learning_rate=1e-2)[1]
    changed = run(name=name, learning_rate=1e-2, **switch)[1]
    assert any((plain[key] - changed[key]).abs().max() > 1e-6 for key in plain)


def test_the_adversary_moves_each_row_by_its_norm(learners):
    """The loss rises where the embeddings are moved against it, by a change of the norm asked for."""
    from harness.training.adversary import Adversary

    model = learners.subject("gpt2").model.requires_grad_(False)
    model.lm_head.requires_grad_(True)
    ids = torch.arange(12).view(2, 6)
    embedding, given = model.get_input_embeddings(), []
    adversary = Adversary(embedding, norm=0.5)
    with adversary.watching():
        before = mean_loss(model(input_ids=ids).logits, ids)
        before.backward()
    with adversary.attacking():
        handle = embedding.register_forward_hook(lambda _module, _inputs, output: given.append(output))
        after = mean_loss(model(input_ids=ids).logits, ids)
        handle.remove()
    moved = (given[0] - embedding(ids)).flatten(1).norm(dim=1)
    assert moved.tolist() == pytest.approx([0.5, 0.5], rel=1e-4)
    assert after > before


def test_smoothing_is_not_in_the_dev_loss(learners, run, tmp_path):
    """The dev loss is that of plain scoring: log-likelihoods of the adapted subject, label smoothing or not."""
    report, _ = run(label_smoothing=0.3, folder=tmp_path / "smooth")
    lines = report.final["dev_loss"]
    subject, method = learners.subject("gpt2"), learners.method("full")
    with attached(subject, method, folder=tmp_path / "smooth") as adapted:
        dev = learners.data().dev
        scored = adapted.lm.score([(one.prompt, one.answer) for one in dev], learners.quiet)
    tokens = sum(len(after) for _, after in Encoder(subject.tokenizer).pairs([(o.prompt, o.answer) for o in dev]))
    assert lines == pytest.approx(-sum(one.logprob for one in scored) / tokens, abs=1e-4)


def test_the_loss_is_the_mean_over_answer_tokens():
    """Ignored places do not count, and smoothing spreads its share over the vocabulary."""
    logits = torch.randn(2, 3, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[-100, 2], [4, 1]])
    chosen = torch.stack([logits[0, 2], logits[1, 1], logits[1, 2]])
    expected = cross_entropy(chosen, torch.tensor([2, 4, 1]), label_smoothing=0.1)
    assert mean_loss(logits, labels, smoothing=0.1).item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_report_says_what_training_took(run):
    """Sizes, curves and measurements of a LoRA, and the report survives its file."""
    report, weights = run(name="lora")
    assert report.trainable == sum(tensor.numel() for tensor in weights.values())
    assert report.stored_bytes > 4 * report.trainable
    assert report.tokens > 0
    assert report.seconds > 0
    assert report.peak_host_bytes > 1e6
    assert type(report).of(json.loads(json.dumps(report.json()))) == report
    found = {(row.metric, row.subset): row.value for row in report.measurements()}
    assert found["trainable_share", ""] == report.trainable / report.parameters
    assert found["train_step_loss", "step=1"] == report.train[0].loss
    assert found["dev_step_accuracy", "step=2"] == report.dev[0].accuracy
    assert found["loss_gap", ""] == pytest.approx(report.final["dev_loss"] - report.final["train_loss"])
    assert all(math.isfinite(value) for value in found.values())


def test_a_model_in_bfloat16_is_trained_in_float32(learners, tmp_path):
    """Its trained weights are stored in float32, small steps included; measured, it is in bfloat16 again."""
    subject, method = learners.subject("llama"), learners.method("full", learning_rate=1e-5)
    subject.model.to(torch.bfloat16)
    before = learners.values(subject.model)
    train(subject, method, learners.data(dev=0), folder=tmp_path / "one", progress=learners.quiet)
    weights = load_file(tmp_path / "one" / saved.WEIGHTS)
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert any((weights[key] - before[key].float()).abs().max() > 0 for key in weights)
    fresh = learners.subject("llama")
    fresh.model.to(torch.bfloat16)
    with attached(fresh, method, folder=tmp_path / "one") as adapted:
        assert {parameter.dtype for parameter in adapted.model.parameters()} == {torch.bfloat16}
    assert all(torch.equal(value, before[key]) for key, value in learners.values(fresh.model).items())


def test_weights_without_gradients_are_refused(learners):
    """float16 and quantised weights: one line says what would do."""
    subject = learners.subject("gpt2")
    subject.model.half()
    with pytest.raises(Unsupported, match="needs dtype=float32 or bfloat16"):
        check_trainable(subject)


def test_a_folder_without_a_finished_training_is_refused(learners, tmp_path):
    """So is a damaged one, and one of the other objective."""
    method = learners.method("lora")
    with (
        pytest.raises(ConfigError, match=r"no finished training lies in empty: train lora first"),
        attached(learners.subject("gpt2"), method, folder=tmp_path / "empty"),
    ):
        pass
    folder = tmp_path / "one"
    train(learners.subject("gpt2"), method, learners.data(dev=0), folder=folder, progress=learners.quiet)
    with (
        pytest.raises(ConfigError, match="was trained for objective=language, not classification"),
        attached(learners.subject("gpt2"), learners.method("lora", objective="classification"), folder=folder),
    ):
        pass
    (folder / saved.WEIGHTS).write_bytes(b"nothing")
    with (
        pytest.raises(ConfigError, match=r"one/adapter.safetensors cannot be read"),
        attached(learners.subject("gpt2"), method, folder=folder),
    ):
        pass


def test_batches_of_like_length_hold_less_padding(learners, run, monkeypatch):
    """Grouping by length changes the order alone."""
    texts = [f"the {who} sat on the mat{' and the dog' * (i % 4)}:" for i in range(16) for who in ("cat", "dog")]
    train_set = tuple(Example(prompt=text, answer=learners.LABELS[number % 2]) for number, text in enumerate(texts))
    padding = {}
    for grouped in (True, False):
        with monkeypatch.context() as patch:
            seen = []
            patch.setattr(Collator, "__call__", recording(Collator.__call__, seen))
            report, _ = run(
                data=Data(name="toy", train=train_set, labels=learners.LABELS), epochs=1, group_by_length=grouped
            )
        batches = seen[: report.steps]
        padding[grouped] = sum(int((batch["attention_mask"] == 0).sum()) for batch in batches)
        assert sum(len(batch["input_ids"]) for batch in batches) == 32
    assert padding[True] < padding[False]


def test_energy_is_added_up_over_runs(learners, tmp_path):
    """Joules of the runs before a checkpoint count; where one run had no meter, there is no sum."""

    class Meter:
        method, devices, joules = "rapl", (), 0.0

        def read(self):
            self.joules += 5.0
            return self.joules

    fitting = learners.method("full").fit(learners.subject("gpt2").model, steps=1, reversible=False)
    watch = Watch(fitting, learners.quiet, before=Spent(seconds=2.0, joules=7.0), meter=Meter())
    assert watch.spent.joules == 12.0
    assert watch.spent.seconds > 2.0
    unknown = Watch(fitting, learners.quiet, before=Spent(seconds=2.0, joules=None), meter=Meter())
    assert unknown.spent.joules is None
    (tmp_path / "clock.json").write_text('{"seconds": 3.0, "joules": null}')
    assert Spent.at(tmp_path) == Spent(seconds=3.0, joules=None)
    assert Spent.at(None) == Spent(seconds=0.0, joules=0.0)


def test_memory_that_runs_out_is_told_with_the_size_of_a_part(run):
    """An outcome of its own, which says how many examples were computed at a time."""

    def full(_phase, _done, _total):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    with pytest.raises(OutOfMemory, match="training lora ran out of memory at 2 examples at a time"):
        run(name="lora", accumulation=2, progress=full)
