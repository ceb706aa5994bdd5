"""Tiny subjects of six families, every trained method at toy size, and a few examples with one rule behind them."""

from __future__ import annotations

import copy
import importlib
import runpy
from pathlib import Path

from harness.devices import Device
from harness.models.spec import ModelSpec
from harness.models.subject import Subject
from harness.scoring.lm import HarnessLM
from harness.training.examples import Data, Example
from harness.training.settings import Training

tiny = runpy.run_path(str(Path(__file__).parents[1] / "scoring" / "tiny.py"))
FAMILIES = tiny["FAMILIES"]
CONTEXT = tiny["CONTEXT"]
quiet = tiny["quiet"]
METHODS = {
    "full": "Full",
    "head": "Head",
    "bitfit": "BitFit",
    "adapter": "Adapter",
    "lora": "Lora",
    "adalora": "AdaLora",
    "ia3": "Ia3",
    "prefix": "Prefix",
    "prompt": "Prompt",
}
LABELS = (" good", " it is")
_OWN = {"prefix": {"length": 3}, "prompt": {"length": 3}, "adapter": {"size": 4}, "lora": {"rank": 2, "layers": "all"}}
_PLACES = ("mat", "dog", "cat ran home", "mat and the dog", "home, naïve", "é: what is it")
DEVICE = Device(kind="cpu", slug="cpu-test", name="test", threads=1, batch=4)


def subject(family):
    """A tiny model of `family` with weights of its own."""
    model = copy.deepcopy(tiny["model"](family))
    tokenizer = copy.deepcopy(tiny["tokenizer"]())
    tokenizer.pad_token = tokenizer.eos_token
    return Subject(
        spec=ModelSpec(name=family, family=family, source="./none"),
        model=model,
        tokenizer=tokenizer,
        device=DEVICE,
        lm=HarnessLM(model, tokenizer, batch=4, context=CONTEXT),
        facts={"context": CONTEXT, "quantisation": "none", "class": type(model).__name__},
    )


def method(name, **training):
    """The method of that name with toy settings, of which `training` replaces some."""
    settings = {"epochs": 2, "batch": 4, "learning_rate": 1e-2, "schedule": "constant", "warmup": 0.0, **training}
    cls = getattr(importlib.import_module(f"harness.methods.{name}"), METHODS.get(name, "Article"))
    return cls(training=Training(**settings), **_OWN.get(name, {}))


def examples():
    """Twelve texts of different lengths; who sits decides the answer."""
    return tuple(
        Example(prompt=f"the {who} sat on the {place}:", answer=answer, text=f"the {who} sat on the {place}")
        for place in _PLACES
        for who, answer in zip(("cat", "dog"), LABELS, strict=True)
    )


def data(*, train=8, dev=4):
    """The first `train` of them to learn, the `dev` after them to watch."""
    every = examples()
    return Data(name="toy", train=every[:train], dev=every[train : train + dev], labels=LABELS)


def pairs(some=None):
    """What a task asks about examples: every prompt with every answer."""
    return [(one.prompt, label) for one in some or examples()[:4] for label in LABELS]


def logprobs(lm, some=None):
    """The log-likelihoods of `pairs`."""
    return [one.logprob for one in lm.score(pairs(some), quiet)]


def values(model):
    """Every tensor of a model by its name, copied."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
