"""What the steps since the last evaluation told, summed on the device: read in a step it would stall it."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from sslcore.methods.base import Diagnostics
from sslcore.models import TaskShape

MOST_CLASSES = 30  # classes that get a figure of their own


class Tally:
    """Sums what steps tell.

    Args:
        shapes: The tasks.
        key_TN: Known answers of each task, None where there are none; for figures alone.
        device: Where it is summed.
    """

    def __init__(
        self, shapes: Sequence[TaskShape], key_TN: Sequence[Tensor | None], device: torch.device
    ) -> None:
        self.shapes, self.key_TN, self.device = list(shapes), list(key_TN), device
        self.clear()

    def clear(self) -> None:
        """Begins again."""

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(shape, device=self.device)

        self.steps, self.since = 0, time.monotonic()
        self.labelled, self.unlabelled, self.beside, self.total = zeros(), zeros(), zeros(), zeros()
        self.weight_C = [zeros(shape.outputs) for shape in self.shapes]
        self.answered_C = [zeros(shape.outputs) for shape in self.shapes]
        self.hits = [zeros() for _ in self.shapes]
        self.known = [zeros() for _ in self.shapes]

    def add(self, told: Diagnostics, total: Tensor, row_U: Tensor) -> None:
        """Adds one step.

        Args:
            told: What the method told.
            total: The loss that was stepped on.
            row_U: Rows of the unlabelled items.
        """
        self.steps += 1
        self.labelled += told.loss_labelled
        self.unlabelled += told.loss_unlabelled
        self.beside += told.loss_beside
        self.total += total
        for index, (weight_U, label_U) in enumerate(zip(told.weight_TU, told.label_TU, strict=True)):
            weight_U = weight_U.float()
            self.weight_C[index].index_add_(0, label_U, weight_U)
            self.answered_C[index].index_add_(0, label_U, torch.ones_like(weight_U))
            key_N = self.key_TN[index]
            if key_N is not None:
                key_U = key_N[row_U]
                self.hits[index] += (weight_U * (key_U == label_U)).sum()
                self.known[index] += (weight_U * (key_U >= 0)).sum()

    def losses(self) -> list[tuple[str, float]]:
        """Mean losses of a step, and steps a second."""
        if not self.steps:
            return []
        return [
            ("loss", (self.total / self.steps).item()),
            ("loss_labelled", (self.labelled / self.steps).item()),
            ("loss_unlabelled", (self.unlabelled / self.steps).item()),
            ("steps_per_second", self.steps / max(time.monotonic() - self.since, 1e-9)),
        ]

    def of_task(self, index: int) -> list[tuple[str, float]]:
        """How much of the answers was used, in all and by class, and how much of that the key calls right."""
        weight_C, answered_C = self.weight_C[index].cpu(), self.answered_C[index].cpu()
        if answered_C.sum() == 0:
            return []
        figures = [("utilisation", float(weight_C.sum() / answered_C.sum()))]
        asked_C = answered_C > 0
        share_C = weight_C / answered_C.clamp(min=1)
        figures += [("acceptance_low", float(share_C[asked_C].min()))]
        figures += [("acceptance_high", float(share_C[asked_C].max()))]
        figures += [
            (f"acceptance/{label}", float(share_C[label]))
            for label in range(min(len(weight_C), MOST_CLASSES))
            if asked_C[label]
        ]
        known = float(self.known[index])
        if known > 0:
            figures.append(("pseudo_precision_key", float(self.hits[index]) / known))
        return figures
