"""VAT: stay with your answer under the small change that would shake it most.

Miyato et al. 2018, arXiv:1704.03976. ``mean_u KL(p(x) || p(x + r)) + w_e H(p(x))``; ``r`` of length
``epsilon`` along the gradient of the KL at ``x + xi d``, ``d`` random: one power iteration. Batch norm keeps
its statistics from clean passes. What differs: ``epsilon`` is for 3 x 32 x 32 numbers and grows with the
root of their count, so that one value suits all sizes; ``xi`` is 1e-3, as at the paper's 1e-6 the gradient
drowns in float32; of a text its mean word vector is nudged; all tasks share one nudge.

When: nothing is known that changes an item without changing its class (features, sounds, odd images): it
finds its own small change. Each step costs two more passes, so fewer fit the budget.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Method, Moment, RampedConfig, Seen, UnlabelledTerm

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.network import Network

NUMBERS = 3 * 32 * 32  # of a CIFAR image, for which the paper's epsilon is meant


@dataclass(frozen=True)
class VATConfig(RampedConfig):
    """Settings of VAT."""

    unlabelled_weight: float = param(0.3, low=0, high=1000, help="Weight of the adversarial loss.")
    epsilon: float = param(6.0, low=0, high=100, help="Length of the change, for 32-pixel colour images.")
    xi: float = param(1e-3, low=1e-7, high=10, help="Length of the random step where the gradient is taken.")
    entropy_weight: float = param(
        0.2, low=0, high=100, help="Weight of the answers' entropy beside the divergence."
    )


@METHODS.register(
    "vat",
    title="VAT",
    family="deep",
    paper="Miyato et al. 2018, arXiv:1704.03976",
    config=VATConfig,
)
class VAT(Method):
    """Answers that hold under the worst small change."""

    learn_views = ("weak",)

    def look(self, model: Network, batch: Batch, at: Moment, rng: torch.Generator) -> list[Seen]:
        """Labelled items, clean views, and views nudged against the clean answers."""
        features: dict[str, Tensor] = {}
        logits: dict[str, list[Tensor]] = {}
        # apart, so that the clean and the nudged views are normalised by the same company
        self._send(model, {"labelled": batch.labelled_B}, features, logits)
        self._send(model, {"weak": batch.views["weak"]}, features, logits)
        target_T = [logits_UC.detach().softmax(1) for logits_UC in logits["weak"]]
        logits["adversarial"] = self._nudged(model, batch.views["weak"], target_T, rng)
        return [
            Seen({name: per_task[task] for name, per_task in logits.items()}, features)
            for task in range(len(self.tasks))
        ]

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """The divergence of the nudged answers from the clean ones, and the entropy of the clean ones."""
        from sslcore.losses.adversarial import divergence, entropy

        target_UC = seen.logits["weak"].detach().softmax(1)
        loss = divergence(seen.logits["adversarial"], target_UC)
        if self.config.entropy_weight > 0:
            loss = loss + self.config.entropy_weight * entropy(seen.logits["weak"])
        return UnlabelledTerm(loss, self.accept(task, target_UC), target_UC.argmax(1))

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """Every answer counts in full."""
        return proba_UC.new_ones(len(proba_UC))

    def _nudged(
        self, model: Network, view_U: Tensor, target_T: Sequence[Tensor], rng: torch.Generator
    ) -> list[Tensor]:
        """Logits of the views with the change that shakes their answers most."""
        import torch

        from sslcore.losses.adversarial import divergence, unit
        from sslcore.models.batch_norm import still_statistics

        # neither step survives bfloat16: the differences are smaller than its rounding
        with still_statistics(model), torch.autocast(view_U.device.type, enabled=False):
            clean_U = model.backbone.embed(view_U).float()
            random_U = torch.randn(clean_U.shape, generator=rng, device=clean_U.device)
            step_U = (self.config.xi * unit(random_U)).requires_grad_()
            answer_T = model.classify(model.backbone.encode(clean_U.detach() + step_U))
            parts = [divergence(*pair) for pair in zip(answer_T, target_T, strict=True)]
            total = torch.stack(parts).sum()
            (gradient_U,) = torch.autograd.grad(total, step_U)
            length = self.config.epsilon * math.sqrt(clean_U[0].numel() / NUMBERS)
            return model.classify(model.backbone.encode(clean_U + length * unit(gradient_U)))
