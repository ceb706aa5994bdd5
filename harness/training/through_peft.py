"""Fittings that the library PEFT makes: LoRA, AdaLoRA and IA3, which merge, and soft prompts, which do not.

Layer: training; torch and peft, which takes seconds to import: only processes that fine-tune do.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, final

import torch
from peft import get_peft_model

from harness.training.fitting import Fitting, Names
from harness.training.soft import Soft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from peft import PeftConfig
    from torch import Tensor


@final
class Mergeable(Fitting):
    """A method whose result is added to, or multiplied into, the weights of some linear layers.

    Args:
        base: as `Fitting`.
        config: of PEFT.
        ends: names of the layers that it changes.
        reversible: as `Fitting`.
    """

    def __init__(self, base: Any, config: PeftConfig, *, ends: tuple[str, ...], reversible: bool) -> None:
        self._changed = [p for module in Names(base, ends).found.values() for p in module.parameters(recurse=False)]
        super().__init__(base, reversible=reversible)
        self.model = _wrapped(base, config)
        if hasattr(base, "score"):
            base.score.requires_grad_(True)
        self._adaptive = hasattr(self.model.base_model, "rankallocator")
        self._merged = False

    def merged(self) -> Any:
        """The base with changed weights: layers of the usual kinds, nothing around them."""
        self.keep(self._changed)
        self._merged = True
        self.base = self.model.merge_and_unload()
        self.base.requires_grad_(False)
        return self.base.eval()

    def detach(self) -> None:
        """Takes the layers out that were not merged."""
        if not self._merged:
            self.model.unload()

    def penalty(self) -> Tensor | None:
        """AdaLoRA's pull towards orthogonal directions, as PEFT has it.

        Source: Zhang et al. 2023 (ICLR), equation 4.
        """
        if not self._adaptive:
            return None
        weight = self.model.peft_config["default"].orth_reg_weight
        parts = []
        for name, parameter in self.model.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                gram = parameter @ parameter.T if "lora_A" in name else parameter.T @ parameter
                parts.append(torch.linalg.matrix_norm(gram - torch.eye(len(gram), device=gram.device)))
        return weight * torch.stack(parts).mean()

    def stepped(self, step: int) -> None:
        """AdaLoRA gives its ranks away."""
        if self._adaptive:
            self.model.base_model.update_and_allocate(step)

    def extra(self) -> dict[str, Any]:
        """AdaLoRA's importances and ranks."""
        if not self._adaptive:
            return {}
        ranks = self.model.base_model.rankallocator
        kept = {name: getattr(ranks, name) for name in ("ipt", "exp_avg_ipt", "exp_avg_unc")}
        return {**kept, "pattern": self.model.peft_config["default"].rank_pattern}

    def restore(self, extra: Mapping[str, Any]) -> None:
        """Continues with them."""
        if not extra:
            return
        ranks = self.model.base_model.rankallocator
        for name in ("ipt", "exp_avg_ipt", "exp_avg_unc"):
            setattr(ranks, name, dict(extra[name]))
        self.model.peft_config["default"].rank_pattern = extra["pattern"]


@final
class SoftPrompt(Fitting):
    """A method that puts trained vectors before every text: it stays around the base.

    Args:
        base: as `Fitting`.
        config: of PEFT.
        reversible: as `Fitting`.
    """

    def __init__(self, base: Any, config: PeftConfig, *, reversible: bool) -> None:
        super().__init__(base, reversible=reversible)
        self.model = _wrapped(base, config)
        self.length = int(self.model.peft_config["default"].num_virtual_tokens)

    def merged(self) -> Any:
        """The base with its vectors, as the engines see it: they compute it one text at a time."""
        self.model.requires_grad_(False)
        return Soft(self.model.eval(), length=self.length)

    def detach(self) -> None:
        """Nothing: the vectors lie beside the base, not in it."""


def _wrapped(base: Any, config: PeftConfig) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of settings that fit most models, not this one
        return get_peft_model(base, config)
