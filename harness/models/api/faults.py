"""What can go wrong with a call, in one line without any key, and whether trying again may help.

Layer: models; imports openai.
"""

from __future__ import annotations

import email.utils
import time
from typing import TYPE_CHECKING, Any, final

import openai

from harness.provenance import scrub

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.models.api.spec import ApiSpec

_RETRIED = frozenset({408, 409, 425, 429})
_SERVER = 500
_LONG = ("context length", "context window", "maximum context", "context size", "too many tokens", "too long")
_SAID = ("message", "detail", "error")
_NO_CREDIT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


@final
class CallError(Exception):
    """A call without an answer.

    Attributes:
        kind: `failed`, `filtered` or `too_long`, as in `answers.Missing`.
        retry: whether the same call may succeed later.
        fatal: whether no other call can succeed either: a wrong key, an unknown model.
        wait: seconds that the server asks to wait; None where it says nothing.
        billed: whether it may have been charged for all the same: the request went out whole.
        status: the HTTP status, 0 where there is none.
    """

    def __init__(
        self,
        text: str,
        *,
        kind: str = "failed",
        retry: bool = False,
        fatal: bool = False,
        wait: float | None = None,
    ) -> None:
        super().__init__(text)
        self.kind, self.retry, self.fatal, self.wait = kind, retry, fatal, wait
        self.billed = False
        self.status = 0


def told(error: Exception, spec: ApiSpec) -> CallError:
    """`error` of the client as a `CallError`.

    Raises:
        Exception: `error` itself, where it is none of the client's.
    """
    if isinstance(error, openai.APIStatusError):
        found = _status(error, spec)
        found.status = error.status_code
        return found
    if isinstance(error, (openai.APITimeoutError, TimeoutError)):
        found = CallError(f"no answer within {spec.pacing.timeout:g} s", retry=True)
        found.billed = True
        return found
    if isinstance(error, openai.APIConnectionError):
        return _connection(error, spec)
    if isinstance(error, (openai.APIResponseValidationError, ValueError)):  # not JSON, or no UTF-8
        return malformed("not JSON")
    if isinstance(error, openai.APIError):  # told within a stream
        found = CallError(f"the endpoint broke off: {_clean(error.message, spec)}", retry=True)
        found.billed = True
        return found
    raise error


def malformed(what: str) -> CallError:
    """An answer that came but cannot be read."""
    found = CallError(f"the answer is malformed: {what}", retry=True)
    found.billed = True
    return found


def _status(error: openai.APIStatusError, spec: ApiSpec) -> CallError:
    status, code, message = error.status_code, str(error.code or ""), _message(error, spec)
    if status in (401, 403):
        named = f"the key in {spec.key}" if spec.key else "a request without a key"
        # The endpoint's own words often repeat a part of the key.
        return CallError(f"{spec.host} refuses {named} (status {status})", fatal=True)
    if status == 404:  # noqa: PLR2004 - HTTP
        return CallError(f"{spec.base_url}{spec.path} has no model {spec.model!r} (status 404)", fatal=True)
    if code in _NO_CREDIT or str(error.type or "") in _NO_CREDIT:
        return CallError(f"{spec.host} says that the account has no credit left", fatal=True)
    if "content_filter" in (code, str(error.type or "")):
        return CallError("the endpoint's content filter refuses the prompt", kind="filtered")
    if code == "context_length_exceeded" or (status in (400, 413, 422) and any(w in message.lower() for w in _LONG)):
        return CallError(f"longer than the model's context: {message}", kind="too_long")
    retry = status in _RETRIED or status >= _SERVER
    return CallError(f"status {status}: {message}", retry=retry, wait=_wait(error.response.headers) if retry else None)


def _connection(error: openai.APIConnectionError, spec: ApiSpec) -> CallError:
    chain = _chain(error)
    said = " ".join(str(link) for link in chain)
    if "CERTIFICATE" in said.upper():
        return CallError(
            f"the certificate of {spec.host} cannot be verified; SSL_CERT_FILE names the file of your own authority",
            fatal=True,
        )
    found = CallError(f"{spec.host} cannot be reached: {_clean(str(chain[-1]) or str(error), spec)}", retry=True)
    found.billed = not any(
        "Connect" in type(link).__name__ and "Connection" not in type(link).__name__ for link in chain
    )
    return found


def _chain(error: BaseException) -> list[BaseException]:
    links: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in links:
        links.append(link)
        link = link.__cause__ or link.__context__
    return links


def _message(error: openai.APIStatusError, spec: ApiSpec) -> str:
    """What the endpoint says: OpenAI's own form, or `detail` of servers made with FastAPI."""
    body: Any = error.body
    said = next((body[name] for name in _SAID if body.get(name)), "") if isinstance(body, dict) else body
    return _clean(str(said or error.message), spec)


def _clean(text: str, spec: ApiSpec) -> str:
    """One line of what somebody else said, without the key."""
    key = spec.secret()
    return scrub(text.replace(key, "[secret]") if spec.key else text)[:200]


def _wait(headers: Mapping[str, str]) -> float | None:
    """Seconds of Retry-After: a number, or a date; None where it is missing or makes no sense."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            parsed = email.utils.parsedate_tz(value)
            seconds = email.utils.mktime_tz(parsed) - time.time() if parsed else -1.0
        if seconds >= 0:
            return seconds
    return None
