"""An endpoint that fails: what is retried, what is missing, what ends the run, what is paid for, and what is said."""

from __future__ import annotations

import json
import logging
import runpy
import shutil
import ssl
import subprocess
import threading
import time
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("openai", reason="needs the extra [api]")

from harness.config import ConfigError
from harness.devices import Device
from harness.models.api.answers import Missing, Replied, Stopped
from harness.models.api.spec import ApiSpec
from harness.models.api.subject import connect

API = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("api_server.py"))))
CPU = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=4, memory=2**33)
QUICK = {"backoff": 0.01, "longest": 0.05, "timeout": 20, "concurrency": 16}
PRICES = {"input": 1000.0, "output": 1000.0, "date": "2025-01-01"}


def silent(*_):
    """No progress."""


def connected(base_url, folder=None, **fields):
    """An API model at an address, without waits, and ready to be asked."""
    given = {"name": "tiny", "model": "tiny", "key": "", "endpoint": "chat", "base_url": base_url, **fields}
    given["pacing"] = {**QUICK, **fields.get("pacing", {})}
    lm = connect(ApiSpec(**given), CPU, silent, folder=folder).lm
    lm.configure(None)
    return lm


def items(count):
    """Requests that are all different."""
    return [(f"question number {n}?", {"max_gen_toks": 8, "until": ["\n"]}) for n in range(count)]


FAULTS = ("limited", "broken", "dropped", "malformed", "null", "cut", "filtered", "trickling", "renamed")
HARMLESS = ("", "trickling", "renamed")


def every_fifth(body, attempt):
    """A fault in a fifth of the calls, every kind of it; a filter strikes a request once, as one does that draws."""
    draw = zlib.crc32(json.dumps([body.get("messages") or body.get("prompt"), attempt]).encode())
    fault = FAULTS[draw // 5 % len(FAULTS)] if draw % 5 == 0 else ""
    return "limited" if fault == "filtered" and attempt > 1 else fault


@pytest.fixture(scope="module")
def zoo():
    """The smallest model of the zoo, loaded here."""
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    return load(ModelSpec(name="mini", family="gpt2", source="zoo:mini-gpt2-s"), CPU, silent)


@pytest.mark.parametrize(("stream", "count"), [(True, 300), (False, 60)])
def test_a_study_under_faults_gives_the_same_answers_and_pays_once(zoo, tmp_path, stream, count):
    """A model of the zoo, a fault in a fifth of the calls: no answer is lost or changed, none is paid for twice."""
    asks = [(f"Anna saw {n} dogs near", {"max_gen_toks": 3, "until": ["."]}) for n in range(count)]
    wanted = [one.text for one in zoo.lm.generate(asks, silent)]
    with API.Server(zoo) as server, API.Proxy(server.base_url, every_fifth) as proxy:
        lm = connected(proxy.base_url, tmp_path, endpoint="completions", rules={"stream": stream, "echo": "no"})
        server.answered.clear()
        proxy.planted.clear()
        found = lm.generate(asks, silent)
    assert [one.text for one in found] == wanted
    assert len(set(wanted)) > 5
    assert len(set(FAULTS) & set(proxy.planted)) >= (len(FAULTS) if stream else 6)
    assert sum(times for fault, times in proxy.planted.items() if fault) >= 0.15 * count
    assert (len(server.answered), set(server.answered.values())) == (count, {1})
    facts = lm.facts()["api"]
    assert (facts["requests"]["asked"], facts["requests"]["missing"]) == (count, {})
    assert facts["requests"]["retries"] == sum(n for fault, n in proxy.planted.items() if fault not in HARMLESS)
    assert facts["requests"]["sent"] == count + facts["requests"]["retries"]
    assert facts["models"] == {"tiny": count - proxy.planted["renamed"], "another": proxy.planted["renamed"]}
    assert any("the endpoint changed meanwhile: model names" in line for line in lm.cautions())


def test_an_interrupted_study_asks_nothing_twice(tmp_path):
    """What was answered before the endpoint went away is kept, and only the rest is asked for."""
    with API.Server() as server:
        left = iter(range(40))
        gone = lambda *_: "" if next(left, None) is not None else "broken"  # noqa: E731
        with API.Proxy(server.base_url, gone) as proxy:
            lm = connected(proxy.base_url, tmp_path, pacing={"attempts": 2, "breaker": 3})
            with pytest.raises(Stopped, match=r"tiny: 3 requests in a row failed .* of 100 requests are answered"):
                lm.generate(items(100), silent)
            paid = len(server.answered) - 1  # the preflight's
            proxy.schedule = lambda *_: ""
            again = connected(proxy.base_url, tmp_path)
            found = again.generate(items(100), silent)
    assert paid == 39
    assert all(isinstance(one, Replied) for one in found)
    assert set(list(server.answered.values())[1:]) == {1}
    assert again.facts()["api"]["requests"]["kept"] == paid


def test_a_server_that_restarts_is_waited_for():
    """The connection is refused for a while; the study goes on by itself."""
    server = API.Server()
    lm = connected(server.base_url, pacing={"concurrency": 2, "longest": 0.5, "attempts": 14})
    found = []
    asking = threading.Thread(target=lambda: found.extend(lm.generate(items(150), silent)))
    asking.start()
    while len(server.bodies) < 20:
        time.sleep(0.001)
    server.close()
    time.sleep(0.1)
    with API.Server(port=server.port):
        asking.join(timeout=20)
    assert [type(one) for one in found] == [Replied] * 150
    assert lm.facts()["api"]["requests"]["retries"] > 0


def test_no_answer_in_time_is_a_missing_answer_and_never_a_wrong_one():
    """A request that is slow every time is missing, counted and said; the others are answered."""
    slow = lambda body, _: "slow" if "number 3?" in str(body) else ""  # noqa: E731
    with API.Server() as server, API.Proxy(server.base_url, slow, slow=0.5) as proxy:
        lm = connected(proxy.base_url, pacing={"timeout": 0.25, "attempts": 2})
        found = lm.generate(items(6), silent)
    assert [isinstance(one, Missing) for one in found] == [n == 3 for n in range(6)]
    assert not hasattr(found[3], "text")
    assert (found[3].kind, found[3].reason) == ("failed", "no answer within 0.25 s")
    assert any("1 of 6 requests have no answer" in line for line in lm.cautions())
    assert lm.facts()["api"]["charged_unknown"] == 2


def test_a_filter_that_stays_is_a_category_of_its_own():
    """Asked twice, and then a missing answer of the kind `filtered`."""
    always = lambda body, _: "filtered" if "number 0?" in str(body) else ""  # noqa: E731
    with API.Server() as server, API.Proxy(server.base_url, always) as proxy:
        lm = connected(proxy.base_url)
        found = lm.generate(items(3), silent)
    assert [getattr(one, "kind", "") for one in found] == ["filtered", "", ""]
    assert proxy.planted["filtered"] == 2
    assert lm.facts()["api"]["requests"]["missing"] == {"filtered": 1}


def test_retry_after_is_obeyed_by_all():
    """Nothing is sent while the endpoint asks for time, and more than the limit of patience ends the run."""
    arrived = []

    def limited(_body, _attempt):
        arrived.append(time.monotonic())
        return "limited" if len(arrived) == 2 else ""

    with API.Server() as server, API.Proxy(server.base_url, limited) as proxy:
        lm = connected(proxy.base_url, pacing={"concurrency": 1})
        lm.generate(items(3), silent)
    assert arrived[2] - arrived[1] >= 0.02
    late = API.Server(refuse=lambda b: (429, "slow down", "") if "number" in str(b) else None)
    with late as server:
        lm = connected(server.base_url, pacing={"attempts": 2, "breaker": 1})
        with pytest.raises(Stopped, match="status 429: slow down"):
            lm.generate(items(3), silent)


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        ((400, "unknown field", ""), "status 400: unknown field"),
        ((429, "You exceeded your quota", "insufficient_quota"), "no credit left"),
        ((503, "overloaded", ""), "status 503: overloaded"),
    ],
)
def test_refusals_of_everything_end_the_run(refuse, said):
    """After a few in a row, with the endpoint's reason; what can never succeed is not asked again."""
    with API.Server(refuse=lambda body: refuse if "number" in str(body) else None) as server:
        lm = connected(server.base_url, pacing={"attempts": 2, "breaker": 2, "concurrency": 1})
        with pytest.raises(Stopped, match=said):
            lm.generate(items(50), silent)
    assert lm.facts()["api"]["requests"]["sent"] <= 4


def test_bad_input_is_one_line(monkeypatch):
    """Wrong key, unknown model, nobody there, no key: what is wrong, where, and what would be right."""
    monkeypatch.setenv("TEST_API_KEY", "sk-wrong-0123456789abcdef")
    with API.Server(key=API.KEY, names=["tiny", "large"]) as server:
        with pytest.raises(ConfigError, match=r"^model tiny: 127.* refuses the key in TEST_API_KEY \(status 401\)$"):
            connected(server.base_url, key="TEST_API_KEY")
        monkeypatch.setenv("TEST_API_KEY", API.KEY)
        with pytest.raises(ConfigError, match=r"no model 'tinny' .* did you mean 'tiny'\? \(choices: large, tiny\)"):
            connected(server.base_url, key="TEST_API_KEY", model="tinny")
        with pytest.raises(ConfigError, match=r"lists 2 models \(tiny, large\): name one"):
            connected(server.base_url, key="TEST_API_KEY", model="auto")
    for model in ("tiny", "auto"):
        with pytest.raises(ConfigError, match=r"cannot be reached: .*; is the server running"):
            connected(server.base_url, model=model)
    monkeypatch.delenv("TEST_API_KEY")
    with pytest.raises(ConfigError, match="environment variable TEST_API_KEY, which is not set"):
        connected(server.base_url, key="TEST_API_KEY")


def test_a_server_with_one_model_needs_no_name():
    """`model: auto` takes what is there."""
    with API.Server() as server:
        lm = connected(server.base_url, model="auto")
        assert lm.generate(items(1), silent)[0].text.startswith("answer")
    assert server.bodies[-1]["model"] == "tiny"


def test_the_key_is_nowhere(tmp_path, monkeypatch, caplog):
    """Not in errors, facts, cautions, kept replies or logs of the client, even where the endpoint repeats it."""
    monkeypatch.setenv("TEST_API_KEY", API.KEY)
    caplog.set_level(logging.DEBUG)
    repeating = lambda body: (400, f"bad key {API.KEY}", "") if "number 1?" in str(body) else None  # noqa: E731
    with API.Server(key=API.KEY, refuse=repeating) as server:
        lm = connected(server.base_url, tmp_path, key="TEST_API_KEY", pacing={"breaker": 1})
        with pytest.raises(Stopped) as stopped:
            lm.generate(items(4), silent)
    with pytest.raises(ConfigError) as gone:
        connected(server.base_url, key="TEST_API_KEY")
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    told = f"{stopped.getrepr(style='long')}{gone.getrepr()}{lm.facts()}{lm.cautions()}{caplog.text}"
    assert len(files) > 100
    assert "[secret]" in str(stopped.value)
    assert API.KEY.encode() not in files
    assert API.KEY not in told


def test_a_budget_ends_the_run_before_it_is_exceeded_and_loses_nothing(tmp_path):
    """Across runs: the next one with the same budget asks nothing, one with more money goes on."""
    with API.Server() as server:
        fields = {"prices": PRICES, "budget_usd": 0.5}
        with pytest.raises(Stopped, match=r"the budget of 0\.5 USD is used up .* raise model.budget_usd; \d+ of 100"):
            connected(server.base_url, tmp_path, **fields).generate(items(100), silent)
        first = len(server.bodies)
        tokens = sum(len(body["messages"][-1]["content"].split()) + 4 for body in server.bodies)
        assert 0.4 < tokens * PRICES["input"] / 1e6 <= 0.5
        with pytest.raises((Stopped, ConfigError), match=r"the budget of 0\.5 USD is used up"):
            connected(server.base_url, tmp_path, **fields).generate(items(100), silent)
        assert len(server.bodies) <= first + 2
        more = connected(server.base_url, tmp_path, prices=PRICES, budget_usd=5.0)
        assert len(more.generate(items(100), silent)) == 100
        assert more.facts()["api"]["usd"] == pytest.approx(100 * 7 * 1000 / 1e6)
    with API.Server() as server, pytest.raises(Stopped, match="the budget of 300 tokens is used up"):
        connected(server.base_url, budget_tokens=300).generate(items(100), silent)


def test_the_client_adds_little_to_the_servers_time():
    """With 16 requests in flight, all of them are: 64 answers of 50 ms each take about four times 50 ms."""
    with API.Server() as server:
        rest = API.Proxy.forward

        class Resting(API.Proxy):
            """Answers as long as a model would."""

            def forward(self, handler, method, raw):
                time.sleep(0.05)
                rest(self, handler, method, raw)

        with Resting(server.base_url, lambda *_: "") as proxy:
            lm = connected(proxy.base_url)
            began = time.monotonic()
            lm.generate(items(64), silent)
            alone = 64 * 0.05
            assert time.monotonic() - began < alone / 2


def test_an_end_is_not_waited_for():
    """A request that was told to wait long does not hold up a run that has ended."""
    waiting = lambda body: (429, "wait", "", [("Retry-After", "100")]) if "number 0?" in str(body) else None  # noqa: E731
    with API.Server(refuse=waiting) as server:
        lm = connected(server.base_url, pacing={"attempts": 3, "breaker": 1, "patience": 200})
        began = time.monotonic()
        server.refuse = lambda body: waiting(body) or ((400, "no", "") if "number 1?" in str(body) else None)
        with pytest.raises(Stopped, match="status 400: no"):
            lm.generate(items(2), silent)
    assert time.monotonic() - began < 50


def test_what_the_preflight_took_counts_as_spent(tmp_path):
    """A study that is begun again and again does not spend more than its budget on asking who is there."""
    fields = {"prices": PRICES, "budget_usd": 0.05}
    with API.Server() as server:
        for _ in range(10):
            try:
                connected(server.base_url, tmp_path, **fields)
            except (Stopped, ConfigError) as error:
                assert "budget of 0.05 USD is used up" in str(error)  # noqa: PT017 - most of them raise
        tokens = sum(len(body["messages"][-1]["content"].split()) + 4 for body in server.bodies)
    assert 0 < len(server.bodies) < 10
    assert tokens * PRICES["input"] / 1e6 <= 0.05


def test_what_the_server_says_is_passed_on_in_every_form():
    """OpenAI's error, FastAPI's detail, a bare text."""
    for content in ({"error": {"message": "it is so"}}, {"detail": "it is so"}, {"error": "it is so"}, b"it is so"):
        with API.Server() as server:
            server.post = lambda handler, _, content=content: handler.reply(400, content)
            with pytest.raises(ConfigError, match=r"^model tiny: status 400: .*it is so"):
                connected(server.base_url)


def test_an_address_without_its_version_is_asked_about():
    """A 404 of a server that lists no models is more likely a wrong address than a wrong name."""
    with API.Server(refuse=lambda _: (404, "Not Found", "")) as server:
        server.get = lambda handler: handler.error(404, "Not Found")
        with pytest.raises(ConfigError, match=r"status 404\); is model.base_url=http://127.* right\? Most end in /v1"):
            connected(server.base_url)


def test_a_certificate_that_nobody_signed_is_told(tmp_path, monkeypatch):
    """One line that names the variable for an authority of one's own; with it, the server is asked."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", tmp_path / "key", "-out", tmp_path / "crt"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    with API.Server() as server:
        server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
        address = server.base_url.replace("http", "https")
        with pytest.raises(ConfigError, match=r"certificate of 127.* cannot be verified; SSL_CERT_FILE names the file"):
            connected(address)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "crt"))
        assert connected(address).generate(items(1), silent)[0].text.startswith("answer")
