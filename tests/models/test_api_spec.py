"""The specs of API models: what they refuse, what they promise, and that they cost no import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.config import ConfigError, construct
from harness.models.api import echo
from harness.models.api.spec import ApiSpec
from harness.models.api.tokens import Tokens

FOLDER = Path(__file__).parents[2] / "conf" / "model"
FILES = [path for path in sorted(FOLDER.glob("*.yaml")) if "ApiSpec" in path.read_text(encoding="utf-8")]
GPT3 = {"davinci-002", "babbage-002", "gpt-3.5-turbo-instruct"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_config_says_what_is_needed(path):
    """Context, tokenizer, prices with date and source, and the endpoint of its line."""
    spec = construct(yaml.safe_load(path.read_text(encoding="utf-8")), where=path.stem)
    assert spec.name == path.stem
    assert spec.about
    if spec.base_url.startswith("http://127.0.0.1"):
        return
    assert spec.context >= 4096
    assert spec.tokenizer in ("cl100k_base", "o200k_base")
    assert spec.prices.source.startswith("https://")
    assert "unverified" in spec.prices.source  # until somebody has seen that page
    assert 0 < spec.prices.input <= spec.prices.output
    assert (spec.endpoint == "completions") == (spec.name in GPT3)
    assert spec.rules.prefix == ("<|endoftext|>" if spec.endpoint == "completions" else "")


def test_the_promised_models_are_there():
    """The GPT-3 line, the GPT-4 line, its successors, and any server."""
    names = {path.stem for path in FILES}
    assert names >= {*GPT3, "gpt-3.5-turbo", "gpt-4", "gpt-4-turbo", "gpt-4o", "gpt-4o-mini", "local_server"}
    assert names >= {"gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5"}


def test_names_do_not_decide_what_a_payload_holds():
    """A 5 in a model's name, of all things, once took away its stops and its temperature elsewhere."""
    from harness.generation.options import Options
    from harness.models.api.payload import generation

    for name in ("gpt-3.5-turbo", "gpt-4o-2024-05-13", "gpt-4"):
        body = generation(ApiSpec(name="x", model=name), "Hi", Options(until=("\n",), new=3))
        assert (body["stop"], body["temperature"], body["max_tokens"]) == (["\n"], 0.0, 3)


SECRET = "sk-abcdefghijklmnop"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"endpoint": "responses"}, "endpoint='responses' is not a valid value"),
        ({"base_url": "127.0.0.1:8000"}, "must be an address such as"),
        ({"base_url": f"http://user:{SECRET}@host/v1"}, "without user, password or query"),
        ({"base_url": f"http://host/v1?key={SECRET}"}, "without user, password or query"),
        ({"key": SECRET}, "must be the name of an environment variable"),
        ({"rules": {"extra": {"token": SECRET}}}, "looks like a key"),
        ({"rules": {"stop": 3}}, "rules: unknown key 'stop': did you mean 'stops'"),
        ({"rules": {"temperature": 1}}, "rules.temperature=1 must be true or false"),
        ({"pacing": {"concurrency": 0}}, "pacing.concurrency=0 must be a whole number"),
        ({"prices": {"input": 1, "output": 2}}, "needs the day it was looked up"),
        ({"budget_usd": 0}, "budget_usd=0 leaves nothing to spend"),
        ({"budget_usd": 5}, "budget_usd needs prices"),
        ({"budget_tokens": 0}, "budget_tokens=0 must be"),
    ],
)
def test_bad_fields_are_one_line_without_a_key(fields, said):
    """What is wrong and what would be right; what may be a key is not repeated."""
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")) as error:
        construct({"_target_": "harness.models.api.spec.ApiSpec", "name": "n", "model": "m", **fields}, where="model")
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)


def test_a_spec_costs_no_heavy_import():
    """Neither the client nor torch: a plan must cost well under a second. Connecting imports no torch either."""
    code = (
        "import sys, harness.models.api.spec as s; s.ApiSpec(name='a', model='b')\n"
        "assert not {'openai', 'torch', 'transformers', 'tiktoken'} & set(sys.modules), 'spec'\n"
    )
    more = "import harness.models.api.subject\nassert not {'torch', 'transformers', 'lm_eval'} & set(sys.modules)\n"
    pytest.importorskip("openai", reason="needs the extra [api]")
    done = subprocess.run([sys.executable, "-c", code + more], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def choice(tokens, text, offsets=None):
    """A choice with values -1, -2, … after the first, and as many offsets."""
    values = [None, *(-float(n) for n in range(1, len(tokens)))]
    logprobs = {"tokens": tokens, "token_logprobs": values, "top_logprobs": [None, *({"x": v} for v in values[1:])]}
    return {"text": text, "logprobs": {**logprobs, **({"text_offset": offsets} if offsets else {})}}


@pytest.mark.parametrize(
    ("tokens", "text", "cut", "wanted"),
    [
        (["The", " cat", " sat", "."], "The cat sat.", 4, (-2.0, 1, False)),
        (["<s>", "The", " cat", " sat", "."], "The cat sat.", 4, (-3.0, 1, False)),
        (["The", " cat", " sat", "</s>"], "The cat sat", 4, (-2.0, 1, False)),
        (["The", " cat", " sat"], "The cat sat", 4, (-2.0, 1, False)),
        (["The", " cats", "at", "."], "The catsat.", 3, (-3.0, 2, True)),
    ],
)
def test_the_boundary_is_found_from_the_end(tokens, text, cut, wanted):
    """With and without a token that begins the text, one that ends it, and in the middle of a token."""
    prompt = text.removesuffix(".")
    span = echo.read(choice(tokens, text), prompt=prompt, cut=cut)
    assert (span.logprob, span.tokens, span.straddles) == wanted


def test_characters_of_several_tokens_are_aligned_by_offsets_or_not_at_all():
    """A token that is part of a character has no text; an answer that cannot be placed is none."""
    tokens, text = ["A", "bytes:\\xc3", "bytes:\\xa9", "t", "."], "Aét."
    assert echo.read(choice(tokens, text, [0, 1, 1, 2, 3]), prompt="Aét", cut=2).tokens == 3
    with pytest.raises(ValueError, match="cannot be aligned"):
        echo.read(choice(tokens, text), prompt="Aét", cut=2)


def test_tokens_are_counted_or_said_to_be_estimated():
    """By a tokenizer at hand; nothing is fetched for one that is not."""
    counted, estimated = Tokens("zoo:mini-gpt2-s"), Tokens("")
    text = "Anna went to the market and bought two apples. " * 20
    assert (counted.exact, estimated.exact) == (True, False)
    assert "estimate" in estimated.how
    assert counted.count(text) > 100
    tail, lost = counted.tail(text, 30)
    assert lost
    assert text.endswith(tail)
    assert counted.count(tail) <= 30
    pieces = counted.pieces(text, 40)
    assert "".join(text[start:end] for _, start, end in pieces) == text
    assert all(counted.count(text[start:end]) <= 40 for _, start, end in pieces)
