"""Spec -> subject: an API model that was asked once and is ready to be measured.

Layer: models; imports openai, and no torch. It takes the place of `harness.models.subject.Subject`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from harness.models.api import store
from harness.models.api.ledger import Ledger
from harness.models.api.lm import ApiLM
from harness.models.api.pacing import Pacer
from harness.models.api.preflight import Abilities, preflight
from harness.models.api.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.devices import Device
    from harness.models.api.spec import ApiSpec
    from harness.records import Progress


@final
@dataclass(frozen=True, kw_only=True)
class ApiSubject:
    """An API model that is ready to be measured.

    Attributes:
        spec: what was asked for.
        device: of this machine, which computes nothing of the answers.
        lm: scores and generates.
        facts: class, family, source, dtype, context, endpoint, abilities. Nothing that a second run would find
            changed: what the endpoint says of itself stands in the facts of each cell.
        model: None; the weights are elsewhere.
        tokenizer: None.
    """

    spec: ApiSpec
    device: Device
    lm: ApiLM
    facts: Mapping[str, Any]
    model: None = None
    tokenizer: None = None


def connect(spec: ApiSpec, device: Device, progress: Progress, *, folder: Path | None = None) -> ApiSubject:
    """Asks the endpoint of `spec` what it can do.

    Args:
        spec: the model's.
        device: of this machine.
        progress: told the phase `loading`.
        folder: of the study, where replies are kept; None leaves them to the journal of each cell.

    Raises:
        ConfigError: one line: key, model name, address, certificate or budget.
    """
    progress("loading", 0, 1)
    spec.check()
    spec.secret()
    tokens = Tokens(spec.tokenizer)
    before = (0.0, 0) if folder is None else store.spent(folder)
    ledger, pacer = Ledger(spec, before=before, exact=tokens.exact), Pacer(spec.pacing)
    cleared = preflight(spec, tokens=tokens, ledger=ledger, pacer=pacer)
    named, abilities = cleared.spec, cleared.abilities
    lm = ApiLM(named, abilities, tokens=tokens, ledger=ledger, pacer=pacer)
    if folder is not None:
        lm.store = store.RequestStore.of(folder, named)
        for reply in cleared.paid:
            lm.store.add_spent(reply.to_json(), reply.usage.prompt + reply.usage.new)
    progress(f"loading: {abilities.sentence}", 1, 1)
    return ApiSubject(spec=spec, device=device, lm=lm, facts=_facts(named, abilities))


def rehearse(spec: ApiSpec, device: Device, *, folder: Path | None = None) -> ApiSubject:
    """A subject that sends nothing and needs no key: its answers are missing, and `lm.forecast` says what they cost.

    Args:
        spec: the model's.
        device: of this machine.
        folder: of the study, whose kept replies cost nothing; None where there is none.
    """
    tokens = Tokens(spec.tokenizer)
    rules = spec.rules
    echoes = spec.endpoint == "completions" and rules.echo != "no"
    abilities = Abilities(echo=echoes, top=rules.top_logprobs, why="by its configuration", model="", fingerprint="")
    lm = ApiLM(
        spec,
        abilities,
        tokens=tokens,
        ledger=Ledger(spec, exact=tokens.exact),
        pacer=Pacer(spec.pacing),
        rehearse=True,
    )
    lm.store = None if folder is None else store.RequestStore.of(folder, spec)
    lm.configure(None)
    return ApiSubject(spec=spec, device=device, lm=lm, facts=_facts(spec, abilities))


def _facts(spec: ApiSpec, abilities: Abilities) -> dict[str, Any]:
    return {
        "class": "ApiLM",
        "family": spec.family,
        "source": f"{spec.model} at {spec.base_url}",
        "dtype": spec.dtype,
        "weights": spec.weights,
        "context": spec.context,
        "endpoint": spec.endpoint,
        "protocols": list(abilities.protocols),
        "abilities": abilities.sentence,
        "trust_remote_code": False,
    }
