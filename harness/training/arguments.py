"""Settings of a training -> those of transformers' Trainer.

Layer: training; torch and transformers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainingArguments

if TYPE_CHECKING:
    from pathlib import Path

    from harness.training.settings import Training


def arguments(  # noqa: PLR0913 - what the settings alone do not say
    training: Training, *, folder: Path, steps: int, watched: bool, bf16: bool, on_cpu: bool
) -> TrainingArguments:
    """The library's arguments.

    Args:
        training: the settings.
        folder: of the checkpoints.
        steps: of an epoch.
        watched: whether there is a dev split.
        bf16: whether arithmetic is in bfloat16.
        on_cpu: whether GPUs are left alone.
    """
    made = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=training.epochs,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.schedule if training.schedule != "constant" else "constant_with_warmup",
        # Rounded down: the first step of a warm-up has a rate of 0, which is a share of a short training.
        warmup_steps=int(training.warmup * steps * training.epochs),
        per_device_train_batch_size=training.batch // training.accumulation,
        per_device_eval_batch_size=2 * training.batch,
        gradient_accumulation_steps=training.accumulation,
        optim="adamw_torch_fused",
        weight_decay=training.weight_decay,
        max_grad_norm=training.clipping,
        seed=training.seed,
        bf16=bf16,
        use_cpu=on_cpu,
        train_sampling_strategy="group_by_length" if training.group_by_length else "random",
        **_checkpoints(training, steps=steps, watched=watched),
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        include_num_input_tokens_seen="non_padding",
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=not on_cpu,
        disable_tqdm=True,
        report_to="none",
    )
    # Else the library would put a copy on every GPU it sees, and make the batch as many times larger.
    made._n_gpu = min(1, made.n_gpu)  # noqa: SLF001 - as its own Trainer does
    return made


def _checkpoints(training: Training, *, steps: int, watched: bool) -> dict[str, Any]:
    """When the dev split is evaluated and a checkpoint is written, and which one is kept."""
    every = max(1, steps // training.evaluations)
    patient = training.early_stopping > 0
    return {
        "eval_strategy": "steps" if watched else "no",
        "eval_steps": every,
        "save_strategy": "steps",
        "save_steps": every,
        "save_total_limit": 1,
        "restore_callback_states_from_checkpoint": True,
        "load_best_model_at_end": patient,
        "metric_for_best_model": "eval_loss" if patient else None,
        "greater_is_better": False if patient else None,
    }
