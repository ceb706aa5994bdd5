"""A study for MLflow: one run per cell, `mlflow ui --backend-store-uri sqlite:///OUT/mlflow.db` shows them.

Layer: above `runs`. Needs the package mlflow (extra `mlflow`); everything is in one local file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.exchange.runs import package, runs

if TYPE_CHECKING:
    from pathlib import Path

BATCH = 1000
"""Most numbers that MLflow takes at a time."""


def write(folder: Path, out: Path) -> list[Path]:
    """Writes the runs of a study into an experiment of its name, and returns the file.

    Raises:
        ConfigError: mlflow is not installed, or the study has no numbers.
    """
    tool = package("mlflow", form="mlflow")
    client = tool.MlflowClient(tracking_uri=f"sqlite:///{(out / 'mlflow.db').resolve()}")
    known = client.get_experiment_by_name(folder.name)
    artifacts = (out / "artifacts").resolve().as_uri()
    experiment = known.experiment_id if known else client.create_experiment(folder.name, artifact_location=artifacts)
    for one in runs(folder):
        run = client.create_run(experiment, run_name=one.name)
        numbers = [tool.entities.Metric(tag, value, 0, step) for tag, step, value in one.rows]
        params = [tool.entities.Param(key, str(value)) for key, value in one.labels.items()]
        client.log_batch(run.info.run_id, params=params)
        for start in range(0, len(numbers), BATCH):
            client.log_batch(run.info.run_id, metrics=numbers[start : start + BATCH])
        client.set_terminated(run.info.run_id)
    return [out / "mlflow.db"]
