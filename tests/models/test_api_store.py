"""Replies that were paid for outlive everything: kills in the middle of a line, cells, limits, studies cut short."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.journal import Journal
from harness.models.api.reply import Reply, Usage
from harness.models.api.spec import ApiSpec
from harness.models.api.store import RequestStore, spent

API = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("api_server.py"))))


def reply(text="yes", usd=0.25):
    """One that cost something."""
    return Reply(text=text, usage=Usage(prompt=3, new=2), usd=usd).to_json()


def test_what_is_added_is_there_for_the_next_process(tmp_path):
    """Bit by bit, odd characters included, and its cost with it."""
    path = tmp_path / "requests" / "model.jsonl"
    odd = reply("naïve\n\u2028 \U0001f600 \x00")
    RequestStore(path).add_text("a", odd, 5)
    RequestStore(path).add_text("b", reply(), 5)
    again = RequestStore(path)
    assert (again.text("a"), again.text("c")) == ((odd, 5), None)
    assert Reply.from_json(odd).text == "naïve\n\u2028 \U0001f600 \x00"
    assert spent(tmp_path) == (0.5, 10)


@pytest.mark.parametrize("lost", [2, 20, 100])
def test_a_kill_in_the_middle_of_a_line_costs_that_line(tmp_path, lost):
    """Lines before are read, lines after are not damaged by it."""
    path = tmp_path / "model.jsonl"
    store = RequestStore(path)
    for key in "abc":
        store.add_text(key, reply(key), 5)
    path.write_bytes(path.read_bytes()[:-lost])
    RequestStore(path).add_text("d", reply("d"), 5)
    again = RequestStore(path)
    assert [again.text(key) is not None for key in "abcd"] == [True, True, False, True]


def asked(store, server, **arguments):
    """Sends a request through a model that keeps replies in `store`; the texts."""
    pytest.importorskip("openai", reason="needs the extra [api]")
    from harness.devices import Device
    from harness.models.api.subject import connect

    cpu = Device(kind="cpu", slug="cpu", name="cpu", threads=1, batch=1)
    lm = connect(ApiSpec(name="t", model="tiny", key="", base_url=server.base_url), cpu, lambda *_: None).lm
    lm.configure(None, journal=store)
    return [one.text for one in lm.generate([("Hi", arguments)] * 2, lambda *_: None)]


def test_the_key_of_a_reply_is_the_whole_payload_and_the_draw(tmp_path):
    """Another limit, temperature or seed is another request; the same draw is found again, in store and journal."""
    with API.Server() as server:
        for store in (RequestStore(tmp_path / "a.jsonl"), Journal(tmp_path / "b.wal", subject="s").__enter__()):
            server.answered.clear()
            first = asked(store, server, max_gen_toks=9, temperature=0.5)
            assert asked(store, server, max_gen_toks=9, temperature=0.5) == first
            generated = [body for body in server.answered if '"stream": true' in body]
            assert len(generated) == 2
            asked(store, server, max_gen_toks=8, temperature=0.5)
            asked(store, server, max_gen_toks=9, temperature=0.6)
            asked(store, server, max_gen_toks=9, temperature=0.5, seed=5)
            assert len([body for body in server.answered if '"stream": true' in body]) == 8
