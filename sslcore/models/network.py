"""A backbone with one linear head per task.

A head reads the features of its task: all of them where the tasks share the backbone whole, its own slice
where they share it in part (:mod:`sslcore.multitask`). Logits leave in float32 whatever precision the layers
ran in, because softmax thresholds near 1 do not survive bfloat16.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from sslcore.models import BACKBONES, InputSpec, TaskShape
from sslcore.models.batch_norm import act_normalised, group_normalised
from sslcore.shapes import FloatArray, IntArray

Norm = Literal["batch", "act", "group"]
Trunk = Callable[[Callable[[], "Backbone"], Sequence[TaskShape]], "tuple[Backbone, list[slice]]"]
"""Makes what tasks share: from a maker of fresh backbones, a backbone and each task's slice of features."""


class Backbone(nn.Module):
    """Base of the networks that turn a batch into features.

    Args:
        spec: What comes in.

    Attributes:
        width: Length D of the features ``BD`` that ``forward`` gives.
        pretrained: Whether it comes with weights that were learned elsewhere.
        learning_rate: The highest rate that suits it, where a recipe names none.
        rising: Share of a run over which the rate rises to it first; a high rate from the first step on
            would set early mistakes.
    """

    width: int
    pretrained: ClassVar[bool] = False
    learning_rate: ClassVar[float] = 0.03
    rising: ClassVar[float] = 0.0

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.spec = spec

    def begin(self, prepared_N: IntArray | FloatArray, *, seed: int) -> None:
        """What a run has the network learn of its set before the first step; nothing, for most.

        It goes into what stands before the parts, or into buffers of the parts, where copies find it.

        Args:
            prepared_N: The prepared items, one a row.
            seed: Of whatever is drawn.
        """

    def embed(self, view_B: Tensor) -> Tensor:
        """The view as numbers that can be mixed and nudged: itself, where it does not consist of words."""
        return view_B

    def encode(self, embedded_B: Tensor) -> Tensor:
        """Features ``BD`` of what :meth:`embed` gave."""
        raise NotImplementedError

    def parts(self) -> list[nn.Module]:
        """The network in pieces from input to output: their composition on what :meth:`embed` gave is
        :meth:`encode`. One piece, where it cannot be cut."""
        return [_Encode(self)]

    def shared_parts(self) -> list[nn.Module]:
        """Those of :meth:`parts` that every task reads: all, where tasks do not stop at different depths."""
        return self.parts()

    def new_weights(self) -> list[nn.Parameter]:
        """Weights that know nothing whatever the backbone knows, as the heads do: what a sharing brings."""
        return []

    def forward(self, view_B: Tensor) -> Tensor:
        """Features ``BD`` of a batch of views."""
        return self.encode(self.embed(view_B))


class _Encode(nn.Module):
    """A backbone's ``encode`` as a module."""

    def __init__(self, whole: Backbone) -> None:
        super().__init__()
        self.whole = whole

    def forward(self, embedded_B: Tensor) -> Tensor:
        return self.whole.encode(embedded_B)


class MeanOverPositions(nn.Module):
    """``BDHW`` to ``BD``: the last part of a convolutional network."""

    def forward(self, map_BDHW: Tensor) -> Tensor:
        """The mean over positions."""
        return map_BDHW.mean((2, 3))


class Network(nn.Module):
    """Features and one row of outputs per task.

    Args:
        backbone: Where the features come from.
        outputs: Outputs of each task: its classes, 1 for a number.
        slices: Which of the features each task reads; all, where not given.

    Attributes:
        made_by: How the tasks share it, as data, for whoever has to build it again.
        warm: Whether a warm start has taught the backbone.

    >>> import torch
    >>> from sslcore.models import InputSpec
    >>> network = build_network("feature_mlp", InputSpec("feature", dim=4), [3, 2])
    >>> [tuple(logits_BC.shape) for logits_BC in network(torch.zeros(5, 4))]
    [(5, 3), (5, 2)]
    """

    def __init__(
        self, backbone: Backbone, outputs: Sequence[int], slices: Sequence[slice] | None = None
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.slices = list(slices) if slices is not None else [slice(0, backbone.width)] * len(outputs)
        self.made_by: dict[str, Any] = {}
        self.warm = False
        widths = [part.stop - part.start for part in self.slices]
        self.heads = nn.ModuleList(
            [nn.Linear(width, count) for width, count in zip(widths, outputs, strict=True)]
        )
        for head in self.heads:  # small first logits: the first pseudo-labels should not be sure of anything
            nn.init.normal_(head.weight, std=0.01)  # type: ignore[arg-type]
            nn.init.zeros_(head.bias)  # type: ignore[arg-type]

    def features(self, view_B: Tensor) -> Tensor:
        """Features ``BD`` of a batch."""
        feature_BD: Tensor = self.backbone(view_B)
        return feature_BD

    def classify(self, feature_BD: Tensor) -> list[Tensor]:
        """Logits ``BC`` of each task, in the order of the tasks, float32."""
        return self.classify_by(self.heads, feature_BD)

    def classify_by(self, heads: nn.ModuleList, feature_BD: Tensor) -> list[Tensor]:
        """Logits of other heads of the same shapes, each on the features of its task."""
        return [head(feature_BD[:, part]).float() for head, part in zip(heads, self.slices, strict=True)]

    def of_first(self, tasks: int) -> Network:
        """The same network, all weights shared, as if it had the first tasks' heads alone."""
        if tasks == len(self.heads):
            return self
        part = copy.copy(self)
        part._modules = dict(self._modules)
        part.heads = nn.ModuleList(list(self.heads)[:tasks])
        part.slices = self.slices[:tasks]
        return part

    def forward(self, view_B: Tensor) -> list[Tensor]:
        """Logits ``BC`` of each task for a batch of views."""
        return self.classify(self.features(view_B))


def build_network(
    backbone: str,
    spec: InputSpec,
    tasks: Sequence[TaskShape | int],
    *,
    trunk: Trunk | None = None,
    norm: Norm = "batch",
) -> Network:
    """Makes a network by the name of its backbone; weights come from torch's global generator.

    Args:
        backbone: A name of the backbone registry.
        spec: What comes in.
        tasks: The tasks, or their numbers of classes.
        trunk: How the tasks share the backbone; whole, where not given.
        norm: ``"act"`` normalises images inside the network by the statistics of its first batch, ``"group"``
            each by itself; weights that come with it keep the batch norm that they were learned with.

    Raises:
        UnknownNameError: No backbone has this name.
    """
    entry = BACKBONES[backbone]

    def fresh() -> Backbone:
        made: Backbone = entry.value(spec)
        if norm != "batch" and not made.pretrained:
            (act_normalised if norm == "act" else group_normalised)(made)
        return made

    shapes = [
        task if isinstance(task, TaskShape) else TaskShape(str(index), task)
        for index, task in enumerate(tasks)
    ]
    if trunk is None:
        return Network(fresh(), [shape.outputs for shape in shapes])
    whole, slices = trunk(fresh, shapes)
    return Network(whole, [shape.outputs for shape in shapes], slices)
