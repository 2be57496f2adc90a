"""Virtual samples: what the set teaches a generator, the generator teaches the classifier.

Training with virtual labelled examples, after Kingma et al. 2014, arXiv:1406.5298, whose class-conditional
decoder is the generator here (a GAN's takes its place in Li et al. 2017, arXiv:1703.02291). It learns
``L(x, y)`` on labelled items and, with their answer as the class, on unlabelled items that the averaged
classifier is sure of. After a warm-up it draws ``y`` evenly and ``z ~ N(0, 1)``, and the classifier learns
``w mean 1[argmax p_teacher = y] CE(p(x'), y)``: samples that the averaged classifier takes for another
class are dropped.

When: small sets of plain images or features with few labels a class, where drawn examples add something to
see. Look at the pictures in the run: samples that are poor teach nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sslcore.config import param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, MethodConfig, Moment, Seen, UnlabelledTerm
from sslcore.methods.generative import AutoencoderMethod

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from sslcore.models.conditional_vae import ConditionalVAE
    from sslcore.models.network import Network


@dataclass(frozen=True)
class VirtualSamplesConfig(MethodConfig):
    """Settings of training with virtual samples."""

    unlabelled_weight: float = param(1.0, low=0, high=1000, help="Weight of the virtual samples' loss.")
    latent: int = param(32, low=1, high=1024, help="Length of a code.")
    ratio: float = param(4.0, low=0.1, high=64, help="Virtual samples in a step per labelled item.")
    warm_up: float = param(0.2, low=0, high=1, help="Share of the run before the first virtual sample.")
    threshold: float = param(
        0.8, low=0, high=1, help="Confidence from which the generator learns an unlabelled item's answer."
    )


@METHODS.register(
    "virtual_samples",
    title="Virtual samples",
    family="generative",
    paper="after Kingma et al. 2014, arXiv:1406.5298; Li et al. 2017, arXiv:1703.02291",
    config=VirtualSamplesConfig,
)
class VirtualSamples(AutoencoderMethod):
    """A class-conditional generator beside the network draws more labelled items."""

    teacher_views = ("weak",)

    def look(self, model: Network, batch: Batch, at: Moment, rng: torch.Generator) -> list[Seen]:
        """Labelled items, the averaged network's answers, and virtual samples with theirs."""
        import torch

        from sslcore.models.batch_norm import still_statistics

        seen_T = super().look(model, batch, at, rng)
        self.watch(batch.views["weak"])
        told: list[Seen] = []
        for task, seen in enumerate(seen_T):
            vae = self.vae(task)
            targets: dict[str, Tensor] = {}
            logits = dict(seen.logits)
            if vae is not None:
                items = len(batch.labelled_B) + len(batch.views["weak"])
                targets["noise_B"] = torch.randn(items, vae.latent, generator=rng, device=rng.device)
                if at.done >= self.config.warm_up:
                    drawn_B, targets["drawn"] = self.draw(vae, self._count(batch), rng)
                    with still_statistics(model):
                        logits["drawn"] = model(drawn_B)[task]
                    with torch.no_grad():
                        logits["teacher_drawn"] = at.teacher(drawn_B)[task]
            told.append(replace(seen, logits=logits, targets=targets))
        return told

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm | None:
        """Cross-entropy of the virtual samples that the averaged classifier takes for what they are."""
        from sslcore.losses.pseudo_label import weighted_pseudo_label

        if self.vae(task) is None:
            return None
        proba_UC = seen.logits["teacher_weak"].softmax(1)
        loss = seen.logits["labelled"].new_zeros(())
        if "drawn" in seen.logits:
            label_B = seen.targets["drawn"]
            kept_B = (seen.logits["teacher_drawn"].argmax(1) == label_B).float()
            loss = weighted_pseudo_label(seen.logits["drawn"], label_B, kept_B)
        return UnlabelledTerm(loss, self.accept(task, proba_UC), proba_UC.argmax(1))

    def beside(
        self, model: Network, seen_T: Sequence[Seen], batch: Batch, at: Moment, rng: torch.Generator
    ) -> Tensor:
        """What the generators pay, in nats per number; the network is not moved by it."""
        total = batch.labelled_B.new_zeros((), dtype=seen_T[0].logits["labelled"].dtype)
        for task, seen in enumerate(seen_T):
            vae = self.vae(task)
            if vae is not None:
                total = total + self._generator_loss(vae, task, seen, batch)
        return total

    def accept(self, task: int, proba_UC: Tensor) -> Tensor:
        """1 from the confidence up at which the generator learns from an answer."""
        from sslcore.losses.adaptive import above

        return above(proba_UC, self.config.threshold)

    def draw(self, vae: ConditionalVAE, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Items as the network is fed them, and their classes, as even as the count allows."""
        import torch

        with torch.no_grad():
            first = torch.randint(0, vae.classes, (1,), generator=rng, device=rng.device)
            label_B = (torch.arange(count, device=rng.device) + first) % vae.classes
            code_BD = torch.randn(count, vae.latent, generator=rng, device=rng.device)
            return self.view(vae.draw(code_BD, label_B)), label_B

    def _count(self, batch: Batch) -> int:
        return max(1, round(self.config.ratio * len(batch.labelled_B)))

    def _generator_loss(self, vae: ConditionalVAE, task: int, seen: Seen, batch: Batch) -> Tensor:
        """``L(x, y)`` of labelled items and of those whose answer is trusted."""
        import torch
        from torch.nn.functional import one_hot

        part = self.slices[task]
        proba_UC = seen.logits["teacher_weak"].softmax(1)
        label_L = batch.label_TB[task].long()
        label_B = torch.cat([label_L.clamp(min=0), proba_UC.argmax(1)])
        weight_B = torch.cat([(label_L >= 0).float(), self.accept(task, proba_UC).float()])
        view_B = torch.cat([batch.labelled_B, batch.views["weak"]]).float()
        feature_BD = torch.cat(
            [seen.features["labelled"][:, part], seen.features["teacher_weak"][:, part]]
        ).detach()
        value_B, share_BC = self.values(view_B), one_hot(label_B, vae.classes).float()
        read_BH = vae.read(feature_BD, view_B)
        bound_B = vae.bound(read_BH, share_BC, value_B, seen.targets["noise_B"])
        self.show(vae, task, read_BH[len(label_L) :], value_B[len(label_L) :], proba_UC)
        return (weight_B * bound_B).sum() / weight_B.sum().clamp(min=1) / value_B[0].numel()
