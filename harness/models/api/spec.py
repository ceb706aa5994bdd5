"""The spec of a model behind an API: what its endpoint accepts, costs and allows (`conf/model/*.yaml`).

Layer: models, light. What differs between models is data here, never a pattern on their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, final
from urllib.parse import urlsplit

from harness.config import ConfigError, nearest, one_of
from harness.devices import Device, slug
from harness.models.api.rules import Pacing, Prices, Rules, number, whole

ENDPOINTS = ("chat", "completions")

OPENAI = "https://api.openai.com/v1"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEMES = ("http", "https")


@final
@dataclass(frozen=True, kw_only=True)
class ApiSpec:
    """A model behind an OpenAI-compatible endpoint.

    Attributes:
        name: label in tables, unique in its study.
        model: its name on the wire; `auto` takes the only one that the server lists.
        endpoint: `chat`, or `completions` for models that continue a text.
        base_url: address of the API up to its version, as in `http://127.0.0.1:8000/v1`. Never with a key in it.
        key: name of the environment variable that holds the key; empty for a server that asks for none.
        about: one line for `harness list models`.
        api_version: of Azure's older addresses; empty for everything else, Azure's `/openai/v1` included.
        context: tokens of prompt and answer together; None where unknown.
        max_output: most new tokens in one answer; None where unknown.
        tokenizer: encoding of tiktoken (`o200k_base`), or a local source with a `tokenizer.json`; empty for none. It
            counts and cuts; what is scored is cut where the server says.
        rules: what a body may hold (`Rules`, or a mapping of its fields).
        prices: None where nothing is charged or known.
        pacing: how fast and how patiently.
        budget_usd: money that the study may spend on APIs, all runs together; None for no limit.
        budget_tokens: tokens, likewise.
    """

    name: str
    model: str
    endpoint: str = "chat"
    base_url: str = OPENAI
    key: str = "OPENAI_API_KEY"
    about: str = ""
    api_version: str = ""
    context: int | None = None
    max_output: int | None = None
    tokenizer: str = ""
    rules: Rules | Any = field(default_factory=Rules)
    prices: Prices | Any = None
    pacing: Pacing | Any = field(default_factory=Pacing)
    budget_usd: float | None = None
    budget_tokens: int | None = None

    ASIDE: ClassVar[tuple[str, ...]] = ("key", "prices", "pacing", "budget_usd", "budget_tokens")
    """Fields that change no answer: raising a budget must find the same cells."""

    # What the rest of the project asks of every model.
    family: ClassVar[str] = "api"
    dtype: ClassVar[str] = "unknown"
    device_map: ClassVar[str] = "none"
    quantisation: ClassVar[str] = "none"
    weights: ClassVar[str] = "remote"
    parameters: ClassVar[int | None] = None
    architecture: ClassVar[Mapping[str, Any]] = {}
    trust_remote_code: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for key in ("name", "model"):
            if not isinstance(getattr(self, key), str) or not getattr(self, key):
                raise ValueError(f"{key}={getattr(self, key)!r} must be a text that is not empty")
        one_of(self.endpoint, ENDPOINTS, field="endpoint")
        _check_address(self.base_url)
        if self.key and not _VARIABLE.fullmatch(self.key):
            # The value is not shown: it may be the key itself.
            raise ValueError("key must be the name of an environment variable, such as OPENAI_API_KEY, never a key")
        for name, kind in (("rules", Rules), ("prices", Prices), ("pacing", Pacing)):
            object.__setattr__(self, name, _part(getattr(self, name), kind, name))
        for name in ("context", "max_output", "budget_tokens"):
            if getattr(self, name) is not None:
                whole(getattr(self, name), least=1, field=name)
        self._check_budget()

    @property
    def host(self) -> str:
        """Host of the endpoint, for people."""
        return urlsplit(self.base_url).netloc

    @property
    def path(self) -> str:
        """Path of the endpoint below `base_url`."""
        return "/chat/completions" if self.endpoint == "chat" else "/completions"

    @property
    def elsewhere(self) -> Device:
        """The device of its cells: the endpoint's host, so that another machine does not measure, and pay, again."""
        return Device(kind="api", slug=f"api-{slug(self.host)}", name=self.host, threads=1, batch=1)

    def check(self) -> None:
        """Looks at what can be known without the network: whether the client is installed, and the tokenizer there.

        Whether the key's variable is set shows when the model is asked: a plan and its forecast need no key.

        Raises:
            ConfigError: one line: what is missing and how to get it.
        """
        from importlib.util import find_spec

        from harness.models.api import tokens

        if find_spec("openai") is None:
            raise ConfigError(f"model {self.name}: API models need the package openai: pip install 'harness[api]'")
        try:
            tokens.check(self.tokenizer)
        except ValueError as error:
            raise ConfigError(f"model {self.name}: {error}") from None

    def secret(self) -> str:
        """The key, from the environment; a stand-in where the server asks for none.

        Raises:
            ConfigError: the variable is not set.
        """
        if not self.key:
            return "none"
        if not (found := os.environ.get(self.key, "").strip()):
            raise ConfigError(
                f"model {self.name}: its key is expected in the environment variable {self.key}, which is not set; "
                "a server without keys takes model.key=''"
            )
        if not found.isascii() or not found.isprintable():
            raise ConfigError(f"model {self.name}: the environment variable {self.key} holds what cannot be a key")
        return found

    def _check_budget(self) -> None:
        if self.budget_usd is not None and (not number(self.budget_usd, least=0) or self.budget_usd == 0):
            raise ValueError(
                f"budget_usd={self.budget_usd!r} leaves nothing to spend: a number above 0, or null for no limit; "
                "`harness run --dry-run` shows what a study would cost"
            )
        if self.budget_usd is not None and self.prices is None:
            raise ValueError("budget_usd needs prices: give model.prices, or limit tokens with budget_tokens")


def _part(value: Any, kind: Any, where: str) -> Any:
    if value is None and kind is Prices:
        return None
    if isinstance(value, kind):
        return value
    if not isinstance(value, Mapping):
        raise TypeError(f"{where}={value!r} must be a mapping")
    known = [f.name for f in fields(kind)]
    for key in value:
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}: {nearest(str(key), known)}")
    return kind(**value)


def _check_address(address: str) -> None:
    parts = urlsplit(address if isinstance(address, str) else "")
    if parts.username or parts.password or parts.query or parts.fragment:
        # The value is not shown: it may hold a key.
        raise ValueError("base_url must be an address without user, password or query: keys come from the environment")
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError(f"base_url={address!r} must be an address such as http://127.0.0.1:8000/v1")
