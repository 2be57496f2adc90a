"""CoMatch: pseudo-labels and embeddings teach each other.

Li et al. 2021, arXiv:2011.11183. ``q = a p_w + (1 - a) sum_m softmax(z . z_m / t) p_m`` over a memory of
embeddings and answers; ``mean_u 1[max q >= tau] CE(p_s, q) + l_c H(graph of q, graph of z)``, the second
between two strong views: an edge is ``q . q'`` where that reaches 0.8. ``p_w`` is aligned to equal shares.
What differs: one memory of 2,560 rows for labelled and unlabelled items alike, filled as they come.

When: many classes with few labels each, where single answers err and neighbours in the embedding put them
right. Slower than ``fixmatch`` by its memory and second strong view; classes about even.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sslcore.config import Config, param
from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Moment, Seen, UnlabelledTerm
from sslcore.methods.embedding import EmbeddingConfig, EmbeddingMethod
from sslcore.models import TaskShape

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class CoMatchConfig(EmbeddingConfig):
    """Settings of CoMatch."""

    edge: float = param(0.8, low=0, high=1, help="Likeness of two answers from which they are joined.")
    contrast_weight: float = param(1.0, low=0, high=100, help="Weight of the loss between the graphs.")


@METHODS.register(
    "comatch",
    title="CoMatch",
    family="deep",
    paper="Li et al. 2021, arXiv:2011.11183",
    config=CoMatchConfig,
)
class CoMatch(EmbeddingMethod):
    """Pseudo-labels smoothed by neighbours, and a graph of embeddings like that of the answers."""

    learn_views = ("strong", "strong_2")

    def __init__(self, config: Config, tasks: Sequence[TaskShape], items: int) -> None:
        super().__init__(config, tasks, items)
        import torch

        for index, task in enumerate(tasks):
            self.state[f"{index}.memory_MC"] = torch.zeros(self.config.memory, task.classes)

    def unlabelled(self, task: int, seen: Seen, batch: Batch, at: Moment) -> UnlabelledTerm:
        """The smoothed pseudo-labels on the first strong view, and the contrast of both."""
        import torch
        import torch.nn.functional as F

        from sslcore.losses.adaptive import above
        from sslcore.losses.pseudo_label import weighted_soft_label
        from sslcore.losses.similarity import graph_contrast, product, smooth

        label_B, temperature = batch.label_TB[task], self.config.temperature
        with torch.no_grad():
            proba_UC = self.answers(task, seen.logits["weak"], label_B)
            weak_UD, labelled_BD = self.embed(seen.features["weak"]), self.embed(seen.features["labelled"])
            target_UC = smooth(
                proba_UC,
                product(weak_UD, self.state[f"{task}.memory_MD"].T),
                self.state[f"{task}.memory_MC"],
                temperature=temperature,
                share=self.config.smoothing,
            )
            known_BC = F.one_hot(label_B.clamp(min=0), target_UC.shape[1]) * (label_B >= 0)[:, None]
            self.push(task, "memory_MD", torch.cat([labelled_BD, weak_UD]))
            self.push(task, "memory_MC", torch.cat([known_BC.to(proba_UC.dtype), proba_UC]))
        weight_U = above(target_UC, self.config.threshold)
        loss = weighted_soft_label(seen.logits["strong"], target_UC, weight_U)
        first_UD, second_UD = self.embed(seen.features["strong"]), self.embed(seen.features["strong_2"])
        contrast = graph_contrast(
            first_UD, second_UD, target_UC, temperature=temperature, edge=self.config.edge
        )
        return UnlabelledTerm(loss + self.config.contrast_weight * contrast, weight_U, target_UC.argmax(1))
