"""What a report says of API models and of protocols: planted costs, gaps and preferences come out again."""

# What stands in a frame has no static type:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false
# pyright: reportGeneralTypeIssues=false, reportIndexIssue=false, reportOperatorIssue=false, reportReturnType=false
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from harness.analysis import api, api_figure, api_page, api_tables, derive, frame, render
from harness.analysis.current import current
from harness.analysis.page import Page, Section
from harness.records import Cell, Measurement, Record, Sample, Status
from harness.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    import pyarrow as pa

N = 200
OPTIONS = ("red", "green", "blue", "grey")
PRICES = {"input": 2.0, "output": 8.0, "cached": None, "date": "2026-01-01", "source": "a price list"}


class Read(NamedTuple):
    """A study as the reading half sees it."""

    study: frame.Study
    documents: pa.Table
    comparison: derive.Comparison
    found: api.Apis


def read(folder: Path) -> Read:
    """The study in a folder."""
    study, documents = current(frame.read(folder)), frame.documents(folder, texts=False)
    comparison = derive.compare(study)
    found = api.measure(study, documents, comparison)
    assert found is not None
    return Read(study, documents, comparison, found)


def samples(right: Callable[[int], bool | None], *, places: bool, count: int = N) -> list[Sample]:
    """Documents whose right option is in place i mod 4; else the answer is the first place, or none for None."""
    made = []
    for i in range(count):
        place = i % 4 if right(i) else 0 if right(i) is False else None
        if place == i % 4 and not right(i):
            place = 1
        metrics = {"acc": float(place == i % 4)}
        if places:
            metrics |= {"unparsed": float(place is None), "refusal": 0.0, "gold_position": float(i % 4)}
            metrics |= {} if place is None else {"pred_position": float(place)}
        made.append(
            Sample(item_id=f"{i:016x}", index=i, gold=OPTIONS[i % 4], options=OPTIONS, metrics=metrics,
                   pred="(unparsed)" if place is None else OPTIONS[place])
        )  # fmt: skip
    return made


def told(*, usd: float, names: dict[str, int], lost: int = 0) -> dict[str, Any]:
    """What an API model's cell says of its requests."""
    requests = {"asked": N, "kept": 20, "sent": N - 20 + 7, "retries": 7, "missing": {"failed": lost} if lost else {}}
    return {
        "endpoint": "https://api.example.com/v1/chat/completions", "model": "asked-for", "tokens": "o200k_base",
        "prices": PRICES, "requests": requests, "models": names, "fingerprints": {"fp_1": N}, "usd": usd,
        "usage": {"prompt_tokens": 20_000, "new_tokens": 400, "estimated": 0},
        "seconds": {"p50": 0.4, "p90": 0.9, "p99": 2.0, "n": N},
        "first_token_seconds": {"p50": 0.2, "p90": 0.3, "p99": 0.5, "n": N},
        "tokens_per_second": {"p50": 55.0, "p90": 70.0, "p99": 80.0, "n": N}, "requests_per_minute": 300.0,
    }  # fmt: skip


def written(synthetic: ModuleType, store: Store, model: str, protocol: str, made: list[Sample], **fields: Any) -> None:
    """A record with its samples; an API model's where `fields` hold what it was told."""
    remote, lost = "told" in fields, fields.get("lost", 0)
    base = synthetic.cell(model, "story_ending")
    workload = {**base.spec["workload"], "metrics": ["acc"], "limit": N}
    workload |= {} if protocol == "likelihood" else {"protocol": protocol}
    spec = {**base.spec, "workload": workload}
    facts = {**synthetic.provenance(model), "task": {"documents": len(made) + lost, "available": N, "chat": "off"}}
    if remote:
        spec["device"] = {"kind": "api", "slug": "api-example", "name": "api.example.com", "threads": 1, "batch": 1}
        spec["model"] = {"name": model, "model": "asked-for", "base_url": "https://api.example.com/v1"}
        facts["task"] |= {"scoring": {"api": fields["told"]}, "chat": "on (by the endpoint)"}
        facts["subject"] = {"family": "api", "weights": "remote", "dtype": "unknown", "class": "ApiLM"}
    right = sum(one.metrics["acc"] for one in made)
    numbers = [Measurement(metric="acc", value=right / len(made), n=len(made), higher_is_better=True)]
    if lost:
        whole = len(made) + lost
        numbers += [Measurement(metric="missing", value=lost, n=whole),
                    Measurement(metric="acc_least", value=right / whole, n=whole),
                    Measurement(metric="acc_most", value=(right + lost) / whole, n=whole)]  # fmt: skip
    cell = Cell(model=model, method="none", workload="story_ending", kind="task", spec=spec)
    store.write(Record(cell=cell, status=Status.OK, measurements=tuple(numbers), provenance=facts), made)


@pytest.fixture(scope="module")
def whole(synthetic: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Read:
    """A local model in three protocols and two API models in one or two, one of which lost ten documents."""
    store = Store(tmp_path_factory.mktemp("results") / "apis")
    tenth = lambda most: lambda i: i // 4 % 10 < most  # noqa: E731
    read_or_not = lambda i: True if i // 4 % 10 < 4 else None if i // 4 % 10 >= 8 else False  # noqa: E731
    written(synthetic, store, "mini-gpt2-m", "likelihood", samples(tenth(7), places=False))
    written(synthetic, store, "mini-gpt2-m", "letter", samples(tenth(5), places=True))
    written(synthetic, store, "mini-gpt2-m", "generate", samples(read_or_not, places=True))
    written(synthetic, store, "gpt-a", "letter", samples(tenth(9), places=True), told=told(usd=0.5, names={"a-1": N}))
    written(synthetic, store, "gpt-a", "generate", samples(tenth(9), places=True),
            told=told(usd=0.7, names={"a-2": N}))  # fmt: skip
    written(synthetic, store, "gpt-b", "letter", samples(tenth(6), places=True, count=N - 10), lost=10,
            told=told(usd=0.05, names={"b": N}, lost=10))  # fmt: skip
    return read(store.folder)


def test_costs_are_those_of_answered_documents_and_right_answers(whole: Read) -> None:
    """0.5 dollars for 200 documents of which 180 were answered rightly."""
    rows = whole.found.costs.set_index(["entry", "protocol"])
    dear, cheap = rows.loc[("gpt-a", "letter")], rows.loc[("gpt-b", "letter")]
    assert dear["usd_per_1000"] == pytest.approx(2.5)
    assert dear["usd_per_right"] == pytest.approx(0.5 / 180)
    assert cheap["usd_per_1000"] == pytest.approx(1000 * 0.05 / 190)
    assert (dear["p50"], dear["p99"], dear["first_p50"], dear["requests_per_minute"]) == (0.4, 2.0, 0.2, 300.0)
    assert (cheap["documents"], cheap["answered"]) == (200, 190)
    assert cheap["most"] - cheap["least"] == pytest.approx(10 / 200)
    assert "mini-gpt2-m" not in set(whole.found.costs["entry"])


def test_gaps_between_protocols_are_paired_by_document(whole: Read) -> None:
    """0.7, 0.5 and 0.4 of the same documents, nested, so that every difference has one sign."""
    rows = whole.found.gaps.set_index(["entry", "first", "second"])
    one = rows.loc[("mini-gpt2-m", "likelihood", "letter")]
    assert (one["first_acc"], one["second_acc"], one["gap"]) == pytest.approx((0.7, 0.5, -0.2))
    assert (one["n"], one["only_first"], one["only_second"]) == (N, 40, 0)
    assert one["lo"] < -0.2 < one["hi"] < 0
    assert one["p_holm"] < 1e-6
    assert rows.loc[("mini-gpt2-m", "letter", "generate"), "unread"] == pytest.approx(0.2)
    none = rows.loc[("gpt-a", "letter", "generate")]
    assert (none["gap"], none["same"], none["p"]) == (0.0, 1.0, 1.0)
    assert {entry for entry, *_ in rows.index} == {"mini-gpt2-m", "gpt-a"}


def test_a_place_that_is_preferred_shows_and_one_that_is_not_does_not(whole: Read) -> None:
    """Whoever does not know says A, or B where A is right."""
    rows = whole.found.positions.set_index(["entry", "protocol", "place"])
    first, last = rows.loc[("mini-gpt2-m", "letter", "A")], rows.loc[("mini-gpt2-m", "letter", "D")]
    assert (first["n"], first["shown"], first["found"]) == (50, 0.25, pytest.approx(0.5))
    assert first["chosen"] == pytest.approx(0.25 / 2 + 0.75 / 2)
    assert first["excess"] == pytest.approx(0.25)
    assert first["lo"] > 0.1
    assert first["p_holm"] < 0.001
    assert last["excess"] == pytest.approx(-0.125)
    few = rows.loc[("gpt-a", "letter", "B")]
    assert few["lo"] < 0 < few["hi"]


def test_the_page_says_how_models_were_asked_and_what_changed(whole: Read) -> None:
    """Names, dates, prices and missing answers in the methods; what a reader must know first stands first."""
    method = Section(name="method", title="Method", lead="How it was done.")
    plain = Page(title="A study", about="", facts=(), cautions=(), verdict=(), sections=(method,), commands=())
    drawings = api_figure.draw(whole.found, whole.comparison)
    text = render.markdown(api_page.joined(plain, whole.found, drawings=drawings))
    for said in (
        "API models and protocols", "a-1 (200), a-2 (200)", "2 / 8", "2026-01-01; a price list", "What API models cost",
        "gpt-a: the endpoint gave 2 names within this study (a-1 and a-2)", "gpt-b: 10 of 200 requests have no answer",
        "likelihood → letter", "https://api.example.com/v1/chat/completions", "2026-01-02",
    ):  # fmt: skip
        assert said in text, said
    assert "asked-for" in text
    assert [one.name for one in drawings] == ["api-costs"]
    assert set(drawings[0].data["entry"]) == {"gpt-a", "gpt-b"}
    gaps = api_tables.gaps(whole.found.gaps).frame()
    assert len(gaps) == 4
    assert gaps["gap_lo"].notna().all()


def test_a_study_without_apis_and_letters_has_nothing_of_it(study: Path) -> None:
    """Nor do its tables or figures change."""
    found = current(frame.read(study))
    documents = frame.documents(study, texts=False)
    assert api.measure(found, documents, derive.compare(found)) is None


def test_an_api_model_without_prices_costs_nothing_that_is_known(synthetic: ModuleType, tmp_path: Path) -> None:
    """A dash and no figure, never 0."""
    store = Store(tmp_path / "free")
    facts = {**told(usd=0.0, names={"a": N}), "usd": None, "prices": None}
    for model in ("one", "two"):
        written(synthetic, store, model, "letter", samples(lambda i: i % 3 == 0, places=True), told=facts)
    free = read(store.folder)
    assert free.found.costs["usd_per_1000"].isna().all()
    assert api_figure.draw(free.found, free.comparison) == ()
    table = api_tables.costs(free.found.costs)
    texts = {column.key: table.rows[0][place].text for place, column in enumerate(table.columns)}
    assert texts["usd_per_1000"] == "—"


def test_an_api_model_that_could_not_be_asked_leaves_empty_frames(synthetic: ModuleType, tmp_path: Path) -> None:
    """As where the key is not set: no table, no figure, no section, and nothing breaks."""
    store = Store(tmp_path / "failed")
    base = synthetic.cell("gpt-a", "story_ending")
    device = {"kind": "api", "slug": "api-example", "name": "api.example.com", "threads": 1, "batch": 1}
    cell = replace(base, spec={**base.spec, "device": device})
    facts = {key: value for key, value in synthetic.provenance("gpt-a").items() if key != "subject"}
    store.write(Record(cell=cell, status=Status.FAILED, error="no key", provenance=facts))
    failed = read(store.folder)
    assert all(getattr(failed.found, name).empty for name in ("models", "costs", "gaps", "positions"))
    assert api_figure.draw(failed.found, failed.comparison) == ()
    plain = Page(title="A study", about="", facts=(), cautions=(), verdict=(), sections=(), commands=())
    assert api_page.joined(plain, failed.found) == plain
