"""One call through the official client: a body goes out, plain data come back, streamed or not.

Layer: models; imports openai. Nothing is retried here, and nothing of the client's own is let out.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import openai

from harness.models.api.faults import malformed, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from harness.models.api.spec import ApiSpec


@final
@dataclass(frozen=True, kw_only=True)
class Heard:
    """What came back.

    Attributes:
        data: in the form of a reply that is not streamed.
        seconds: from sending to the end.
        first: from sending to the first token; None where it was not streamed.
    """

    data: Mapping[str, Any]
    seconds: float
    first: float | None = None


@final
class Wire:
    """An open connection to the endpoint of `spec`, for one event loop."""

    def __init__(self, spec: ApiSpec, client: openai.AsyncOpenAI) -> None:
        self._spec, self._client = spec, client

    async def call(self, body: Mapping[str, Any]) -> Heard:
        """The reply to `body`.

        Raises:
            CallError: there is none, saying why and whether to try again.
        """
        try:
            async with asyncio.timeout(self._spec.pacing.timeout):
                return await (self._streamed(body) if body.get("stream") else self._whole(body))
        except (openai.OpenAIError, ValueError, TimeoutError) as error:
            # From None: the client's exceptions hold the request, and with it the key.
            raise told(error, self._spec) from None

    async def models(self) -> list[str]:
        """Names of the models that the server lists.

        Raises:
            CallError: it does not say.
        """
        try:
            async with asyncio.timeout(min(30.0, self._spec.pacing.timeout)):
                found: Any = await self._client.get("/models", cast_to=object)
        except (openai.OpenAIError, ValueError, TimeoutError) as error:
            raise told(error, self._spec) from None
        listed = found.get("data") if isinstance(found, dict) else None
        return [str(one["id"]) for one in listed or [] if isinstance(one, dict) and "id" in one]

    async def _whole(self, body: Mapping[str, Any]) -> Heard:
        began = time.perf_counter()
        data: Any = await self._client.post(self._spec.path, body=dict(body), cast_to=object)
        if not isinstance(data, dict):
            raise malformed("not a JSON object")
        return Heard(data=data, seconds=time.perf_counter() - began)

    async def _streamed(self, body: Mapping[str, Any]) -> Heard:
        began = time.perf_counter()
        kind: type[openai.AsyncStream[object]] = openai.AsyncStream[object]
        stream = await self._client.post(self._spec.path, body=dict(body), cast_to=object, stream=True, stream_cls=kind)
        parts = _Parts()
        async with stream:
            async for chunk in stream:
                if parts.add(chunk) and parts.first is None:
                    parts.first = time.perf_counter() - began
        return Heard(data=parts.whole(), seconds=time.perf_counter() - began, first=parts.first)


@final
class _Parts:
    """The chunks of a stream, put together."""

    def __init__(self) -> None:
        self.first: float | None = None
        self._said: dict[str, Any] = {}
        self._content: list[str] = []
        self._refusal: list[str] = []
        self._finish = ""

    def add(self, chunk: Any) -> bool:
        """Whether the chunk brought text."""
        if not isinstance(chunk, dict):
            raise malformed("a chunk is not a JSON object")
        for key in ("model", "system_fingerprint", "usage"):
            if chunk.get(key):
                self._said[key] = chunk[key]
        choices = chunk.get("choices") or []
        if not choices:
            return False
        choice = choices[0]
        delta = choice.get("delta") or {}
        text = choice.get("text") or delta.get("content") or ""
        self._content.append(text)
        self._refusal.append(delta.get("refusal") or "")
        self._finish = choice.get("finish_reason") or self._finish
        return bool(text)

    def whole(self) -> dict[str, Any]:
        """The reply.

        Raises:
            CallError: the stream ended before the answer did.
        """
        if not self._finish:
            raise malformed("the stream was cut off")
        text, refusal = "".join(self._content), "".join(self._refusal)
        message = {"content": text, "refusal": refusal or None}
        return {**self._said, "choices": [{"message": message, "finish_reason": self._finish}]}


@asynccontextmanager
async def connected(spec: ApiSpec) -> AsyncIterator[Wire]:
    """A connection to the endpoint of `spec`."""
    options: dict[str, Any] = {"api_key": spec.secret(), "max_retries": 0, "timeout": spec.pacing.timeout}
    if spec.base_url.startswith("http://"):
        # Reading the certificates of the world takes longer than a local server's answer; nobody is followed elsewhere.
        options["http_client"] = openai.DefaultAsyncHttpxClient(verify=False, follow_redirects=False)
    if spec.api_version:
        client = openai.AsyncAzureOpenAI(azure_endpoint=spec.base_url, api_version=spec.api_version, **options)
    else:
        client = openai.AsyncOpenAI(base_url=spec.base_url, **options)
    async with client:
        yield Wire(spec, client)
