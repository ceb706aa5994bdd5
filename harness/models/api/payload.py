"""Requests of tasks -> bodies on the wire, by the rules of the model's spec.

Layer: models, light.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.generation.options import Options
    from harness.models.api.spec import ApiSpec

Prompt: TypeAlias = "str | Sequence[Mapping[str, str]]"
"""A text, or the messages of a conversation: `role` (`system`, `user`, `assistant`) and `content`."""

MESSAGE_TOKENS = 4
"""Tokens around a message, and about as many around the whole. Source: OpenAI cookbook, counting tokens."""


@final
@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        address: `base_url` and path.
        body: what is sent, whole.
        repeat: which draw it is, where replies are drawn.
        cut: characters at the prompt's end that are scored; 0 for none.
        prompt: the prompt's text.
        prompt_tokens: of the prompt, counted or estimated here.
        new: most new tokens, thinking included.
    """

    address: str
    body: Mapping[str, Any]
    repeat: int = 0
    cut: int = 0
    prompt: str = ""
    prompt_tokens: int = 0
    new: int = 1

    @cached_property
    def key(self) -> str:
        """Digest of everything that the reply depends on."""
        content = [self.address, self.body, self.repeat, self.cut]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def text_of(prompt: Prompt) -> str:
    """All words of a prompt."""
    return prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)


def opened(spec: ApiSpec, text: str) -> str:
    """A text as /completions gets it: an empty one is the beginning of a document; `rules.opening` begins each."""
    text = text or spec.rules.prefix
    return text if text.startswith(spec.rules.opening) else spec.rules.opening + text


def generation(spec: ApiSpec, prompt: Prompt, options: Options, *, repeat: int = 0) -> dict[str, Any]:
    """The body that asks for a continuation.

    Raises:
        ValueError: `top_k`, which these APIs do not have, or a conversation for a model that continues texts.
    """
    rules = spec.rules
    if options.top_k:
        raise ValueError(f"generation: top_k={options.top_k} is not part of this API; leave it out, or use top_p")
    body: dict[str, Any] = {"model": spec.model, **_prompt(spec, prompt), rules.limit: options.new + rules.headroom}
    if rules.temperature:
        body["temperature"] = options.temperature
        if options.top_p < 1:
            body["top_p"] = options.top_p
    if rules.seed:
        body["seed"] = options.seed + repeat
    if options.until and rules.stops:
        body["stop"] = list(options.until[: rules.stops])
    if rules.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body | dict(rules.extra)


def first_token(spec: ApiSpec, prompt: Prompt) -> dict[str, Any]:
    """The body that asks for the likeliest first tokens of an answer."""
    rules = spec.rules
    body: dict[str, Any] = {"model": spec.model, **_prompt(spec, prompt), rules.limit: 1 + rules.headroom}
    if rules.temperature:
        body["temperature"] = 0.0
    if rules.seed:
        body["seed"] = 0
    if rules.top_logprobs and spec.endpoint == "chat":
        body |= {"logprobs": True, "top_logprobs": rules.top_logprobs}
    elif rules.top_logprobs:
        body["logprobs"] = rules.top_logprobs
    return body | dict(rules.extra)


def echo(spec: ApiSpec, text: str) -> dict[str, Any]:
    """The body that asks for the log-probability of every token of `text`.

    One token is generated: some servers take a limit of 0 for none.
    """
    body = {"model": spec.model, "prompt": opened(spec, text), spec.rules.limit: 1, "echo": True, "logprobs": 1}
    return body | ({"temperature": 0.0} if spec.rules.temperature else {}) | dict(spec.rules.extra)


def _prompt(spec: ApiSpec, prompt: Prompt) -> dict[str, Any]:
    if spec.endpoint == "completions":
        if not isinstance(prompt, str):
            raise ValueError("a model at /completions continues texts and takes no conversation: chat=off")
        return {"prompt": opened(spec, prompt)}
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [dict(m) for m in prompt]
    return {"messages": _with_roles(messages, spec.rules.system)}


def _with_roles(messages: list[dict[str, str]], system: str) -> list[dict[str, str]]:
    """The messages with instructions in the role that the model has for them."""
    if system != "none":
        return [{**m, "role": system} if m["role"] == "system" else m for m in messages]
    instructions = [m["content"] for m in messages if m["role"] == "system"]
    others = [m for m in messages if m["role"] != "system"]
    if not instructions:
        return others
    if not others or others[0]["role"] != "user":
        return [{"role": "user", "content": "\n\n".join(instructions)}, *others]
    return [{**others[0], "content": "\n\n".join([*instructions, others[0]["content"]])}, *others[1:]]
