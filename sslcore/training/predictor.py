"""A trained network with all it needs to read raw items.

The same object predicts the set at the end of a run and new items after an export.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sslcore.models.network import Network
from sslcore.shapes import FloatArray, IntArray
from sslcore.training.preprocess import Preprocess


class Predictor:
    """Raw items in, probabilities per task out; of numeric tasks the number.

    Args:
        network: The trained network.
        preprocess: What is done to an item first.
        tasks: Names of the tasks, in the order of the heads.
        precision: What convolutions are computed in.
        classes: Class names of each task, where they are known.
    """

    def __init__(
        self,
        network: Network,
        preprocess: Preprocess,
        tasks: Sequence[str],
        *,
        precision: torch.dtype = torch.float32,
        classes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self.network, self.preprocess, self.precision = network, preprocess, precision
        self.tasks = list(tasks)
        self.classes = {name: list(names) for name, names in (classes or {}).items()}
        self.device = next(network.parameters()).device
        self._views = preprocess.views(self.device)

    def predict_proba(self, items: IntArray | FloatArray | Sequence[str]) -> dict[str, FloatArray]:
        """Probabilities ``NC`` (float32) of each task for raw items; of numeric ones float64 ``N1``.

        Args:
            items: uint8 images (N x H x W, N x X x H x W or N x H x W x X, of any size), texts, or features:
                what the model was trained on.

        Raises:
            DataError: Items of another kind.
        """
        return self.predict(self.preprocess.prepare(items))[0]

    def predict(
        self, prepared: IntArray | FloatArray, *, batch: int | None = None
    ) -> tuple[dict[str, FloatArray], FloatArray]:
        """Probabilities of each task and features ``ND`` (float16) for prepared items."""
        batch = batch or self.preprocess.at_once
        proba: dict[str, list[FloatArray]] = {task: [] for task in self.tasks}
        features: list[FloatArray] = []
        for start in range(0, len(prepared), batch):
            part = torch.from_numpy(np.array(prepared[start : start + batch])).to(self.device)
            logits, feature_BD = self.forward(part)
            for task, logits_BC in zip(self.tasks, logits, strict=True):
                proba[task].append(self.answer(task, logits_BC).cpu().numpy())
            features.append(feature_BD.half().cpu().numpy())
        width = self.network.backbone.width
        joined: dict[str, FloatArray] = {}
        for task, head in zip(self.tasks, self.network.heads, strict=True):
            none = np.zeros((0, int(head.out_features)), dtype=np.float32)  # type: ignore[arg-type]
            joined[task] = np.concatenate([none, *proba[task]])
        return joined, np.concatenate(features) if features else np.zeros((0, width), dtype=np.float16)

    def answer(self, task: str, logits_BC: Tensor) -> Tensor:
        """What a head's outputs say: one class, each class by itself, or a float64 number in its own unit."""
        place = self.tasks.index(task)
        made_by = self.network.made_by
        kind = made_by["kinds"][place] if "kinds" in made_by else "single"
        if kind == "multiple":
            return logits_BC.sigmoid()
        if kind == "numeric":
            mean, spread = made_by["scales"][place]
            return logits_BC.cpu().double() * spread + mean  # not every device has float64
        return logits_BC.softmax(1)

    @torch.no_grad()
    def forward(self, prepared_B: Tensor) -> tuple[list[Tensor], Tensor]:
        """Logits of each task and features of a prepared batch on the device."""
        view_B = self._views.plain(prepared_B.long() if self.preprocess.source == "text" else prepared_B)
        with torch.autocast(self.device.type, self.precision, enabled=self.precision != torch.float32):
            feature_BD = self.network.features(view_B)
            return self.network.classify(feature_BD), feature_BD.float()
