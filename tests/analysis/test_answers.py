"""What entries answered: items in one order, clusters where documents belong together, terms that pair or do not."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import samples as parquet
from harness.analysis import answers, comparisons, derive, frame
from harness.analysis.current import current
from harness.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from harness.records import Sample


def read(folder: Path, documents: pa.Table | None = None) -> tuple:
    """A study with its comparison and its documents."""
    study = current(frame.read(folder))
    return study, derive.compare(study), frame.documents(folder) if documents is None else documents


def twice(samples: list[Sample]) -> list[Sample]:
    """Every document again, with the same answer: copies of one item."""
    return [*samples, *(replace(one, index=one.index + len(samples)) for one in samples)]


@pytest.fixture
def pair(synthetic: ModuleType, tmp_path: Path) -> Path:
    """Two models on 60 documents of one task."""
    for model in ("mini-gpt2-m", "mini-neox"):
        Store(tmp_path / "s").write(*synthetic.task_record(model, "topic", documents=60))
    return tmp_path / "s"


def test_copies_of_one_document_are_one_cluster(pair: Path, synthetic: ModuleType, tmp_path: Path) -> None:
    """Every document twice is no more evidence than every document once."""
    once = comparisons.judged(*read(pair)).verdicts[0].claim.difference
    for model in ("mini-gpt2-m", "mini-neox"):
        record, samples = synthetic.task_record(model, "topic", documents=60)
        Store(tmp_path / "two").write(record, twice(samples))
    found = comparisons.judged(*read(tmp_path / "two")).verdicts[0].claim.difference
    assert (found.n, found.clusters) == (120, 60)
    assert found.value == pytest.approx(once.value)
    assert found.stderr == pytest.approx(once.stderr, rel=0.1)
    assert found.method.startswith("clustered")


def test_a_column_of_clusters_is_used(pair: Path) -> None:
    """Where documents say what they belong to, errors are by cluster; an unknown column is refused."""
    study, comparison, documents = read(pair)
    labels = pa.array([f"passage {index % 12}" for index in range(documents.num_rows)])
    named = documents.append_column(answers.CLUSTER, labels)
    found = comparisons.judged(study, comparison, named).verdicts[0].claim.difference
    assert found.clusters == 12
    with pytest.raises(ValueError, match="no column of the documents"):
        comparisons.judged(study, comparison, documents, clusters="passage")


def test_counts_and_items_say_the_same(pair: Path) -> None:
    """The way over four counts gives what the items themselves give."""
    from harness.analysis.difference import difference

    held = answers.held(*read(pair))["topic"]
    one, other = held.values()
    (claim,), refused = comparisons.of_task("topic", held, higher=True)
    assert refused == []
    assert claim.difference == difference(one.scores, other.scores)
    assert claim.difference.correlation == pytest.approx(np.corrcoef(one.scores, other.scores)[0, 1])


def test_order_of_documents_does_not_matter(pair: Path, synthetic: ModuleType, tmp_path: Path) -> None:
    """A model that was asked in another order is paired document by document."""
    for model, step in (("mini-gpt2-m", 1), ("mini-neox", -1)):
        record, samples = synthetic.task_record(model, "topic", documents=60)
        Store(tmp_path / "t").write(record, samples[::step])
    first, second = (comparisons.judged(*read(folder)).frame for folder in (pair, tmp_path / "t"))
    assert first.to_dict() == second.to_dict()


def test_the_large_study_has_the_layout_of_the_store(big: ModuleType, synthetic: ModuleType, tmp_path: Path) -> None:
    """What is written without `Sample` objects has the columns that those would have."""
    folder = big.build(synthetic, tmp_path / "b", models=1, tasks=1, documents=5)
    (path,) = (folder / "samples").glob("**/*.parquet")
    _, samples = synthetic.task_record("mini-neox", "topic", documents=2)
    assert pq.read_schema(path).equals(pq.read_schema(io.BytesIO(parquet.to_parquet(samples))))
