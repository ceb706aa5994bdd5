"""Whether prompts become conversations, and by whose template: said for every cell, never guessed from a name.

Layer: tasks; talks to lm-eval requests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.records import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lm_eval.api.instance import Instance

    from harness.tasks.spec import Task


def settle(spec: Task, subject: Any) -> str:
    """What happens to the prompts, in words: `off`, or `on` and by whom.

    Raises:
        Unsupported: one line: what was asked for cannot be had from this model, or under this protocol.
    """
    endpoint = subject.facts.get("endpoint")
    if endpoint == "chat":
        if spec.chat == "off":
            raise Unsupported(
                f"task {spec.name}: chat=off, but a chat endpoint puts every prompt into its template; use chat=auto, "
                "or model.endpoint=completions where the server has it"
            )
        return "on (by the endpoint)"
    if spec.chat != "on":
        return "off"
    if endpoint is not None:
        raise Unsupported(f"task {spec.name}: chat=on, but a model at /completions continues texts; use chat=auto")
    if not getattr(subject.tokenizer, "chat_template", None):
        raise Unsupported(f"task {spec.name}: chat=on, but the model's tokenizer has no chat template; use chat=auto")
    if spec.protocol == "likelihood" and spec.kind != "generation":
        raise Unsupported(
            f"task {spec.name}: chat=on, but likelihood scores continuations of a text; use protocol=letter or generate"
        )
    return "on (by the tokenizer's template)"


def templated(requests: Iterable[Instance], tokenizer: Any) -> None:
    """Puts the prompt of each request into the template, as one message of the user; answers begin right behind it."""
    for instance in requests:
        arguments: Any = instance.args
        prompt, rest = arguments
        messages = [{"role": "user", "content": prompt}]
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))
        instance.arguments = (text, rest.lstrip() if isinstance(rest, str) else rest)
