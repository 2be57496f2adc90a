"""Trunks that stand before the heads of several tasks, put together from the parts of backbones.

The parts of a backbone, from input to output, are the places where tasks can part. A trunk owns one whole
backbone, ``first``, which also embeds the input for all, and the parts of others beside it. Like any
backbone a trunk is the composition of its own parts, each a floor of the house: what passes between floors is
a list with one tensor a task, and the last floor lays the tasks' features side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sslcore.models import InputSpec
from sslcore.models.batch_norm import stand_still
from sslcore.models.network import Backbone
from sslcore.shapes import FloatArray, IntArray

Make = Callable[[], Backbone]


class Trunk(Backbone):
    """Base of the trunks: as the first backbone embeds, its floors encode.

    A trunk makes its floors once, at last, and keeps them in a plain list: as modules of its own they would
    bring every weight into its state once more.

    Args:
        first: The backbone whose embedding all tasks read.
        width: Length of all tasks' features side by side.
    """

    _floors: list[nn.Module]

    def __init__(self, first: Backbone, width: int) -> None:
        super().__init__(first.spec)
        self.first, self.width = first, width

    @property
    def pretrained(self) -> bool:  # type: ignore[override]
        """Whether the first backbone came with weights learned elsewhere."""
        return self.first.pretrained

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """The rate that suits the first backbone."""
        return self.first.learning_rate

    @property
    def rising(self) -> float:  # type: ignore[override]
        """How long the first backbone's rate rises."""
        return self.first.rising

    def begin(self, prepared_N: IntArray | FloatArray, *, seed: int) -> None:
        """The first backbone's; copies of its parts take over what their own parts hold then."""
        self.first.begin(prepared_N, seed=seed)
        for part, copied in self.copies():
            for mine, theirs in zip(part.buffers(), copied.buffers(), strict=True):
                theirs.copy_(mine)

    def copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """Parts of the first backbone, each beside one that stands in the same place; none, for most."""
        return []

    def train(self, mode: bool = True) -> Trunk:
        """Training mode; batch norms of copies of a pretrained backbone stay put as its own do."""
        super().train(mode)
        if mode and self.pretrained:
            stand_still(self)
        return self

    def embed(self, view_B: Tensor) -> Tensor:
        """What the first backbone makes of a view."""
        return self.first.embed(view_B)

    def encode(self, embedded_B: Tensor) -> Tensor:
        """Features ``BD`` of all tasks side by side."""
        for floor in self._floors:
            embedded_B = floor(embedded_B)
        return embedded_B

    def floors(self) -> list[nn.Module]:
        """One for each part of the backbone, or for several."""
        raise NotImplementedError

    def parts(self) -> list[nn.Module]:
        """The floors."""
        return list(self._floors)


# -- towers ------------------------------------------------------------------------------------------------


class Towers(Trunk):
    """A tower for each task, with or without stitches between the floors.

    Args:
        make: Makes a backbone; all towers start from the weights of the first, so that their features mean
            the same and drift apart only where the tasks differ.
        tasks: How many there are.
        own: Share of a tower's own features at each stitch, the rest from the others; None: no stitches.
    """

    def __init__(self, make: Make, tasks: int, own: float | None = None) -> None:
        first = make()
        super().__init__(first, tasks * first.width)
        others = [make() for _ in range(tasks - 1)]
        for other in others:
            other.load_state_dict(first.state_dict())
        self.others = nn.ModuleList([nn.ModuleList(other.parts()) for other in others])
        self.stitches = nn.ParameterList()
        if own is not None:
            share = torch.full((tasks, tasks), (1 - own) / max(tasks - 1, 1)).fill_diagonal_(own)
            self.stitches.extend([nn.Parameter(share.clone()) for _ in first.parts()])
        self._floors = self.floors()

    def columns(self) -> list[list[nn.Module]]:
        """The parts of each tower."""
        return [self.first.parts(), *map(_listed, self.others)]

    def floors(self) -> list[nn.Module]:
        """One floor for each part of the backbone."""
        floors = list(zip(*self.columns(), strict=True))
        stitches = list(self.stitches) or [None] * len(floors)
        return [
            _TowerFloor(floor, stitch, last=place == len(floors) - 1)
            for place, (floor, stitch) in enumerate(zip(floors, stitches, strict=True))
        ]

    def copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """The parts of the first tower, each beside that of every other."""
        first, *others = self.columns()
        return [pair for other in others for pair in zip(first, other, strict=True)]

    def new_weights(self) -> list[nn.Parameter]:
        """The stitches."""
        return list(self.stitches)

    def tied_weights(self) -> list[list[Tensor]]:
        """Trained weights that stand at the same place in each tower, place by place."""
        towers = [[weight for part in parts for weight in part.parameters()] for parts in self.columns()]
        return [list(held) for held in zip(*towers, strict=True) if held[0].requires_grad]


class _TowerFloor(nn.Module):
    def __init__(self, parts: Sequence[nn.Module], stitch: Tensor | None, *, last: bool) -> None:
        super().__init__()
        self.columns, self.last = nn.ModuleList(parts), last
        self.stitch = stitch

    def forward(self, seen: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        seen_T = [seen] * len(self.columns) if isinstance(seen, Tensor) else seen
        out_T = [part(one) for part, one in zip(self.columns, seen_T, strict=True)]
        if self.stitch is not None:
            out_T = stitched(out_T, self.stitch)
        return torch.cat(out_T, dim=1) if self.last else out_T


def stitched(out_T: Sequence[Tensor], share_TT: Tensor) -> list[Tensor]:
    """Each task gets ``sum_j share_ij x_j``.

    >>> seen_T = [torch.tensor([[1.0]]), torch.tensor([[3.0]])]
    >>> mixed = stitched(seen_T, torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
    >>> [one.item() for one in mixed]
    [2.0, 3.0]
    """
    stacked = torch.stack(list(out_T))
    mixed = torch.tensordot(share_TT.to(stacked.dtype), stacked, dims=1)
    return list(mixed.unbind())


# -- depths ------------------------------------------------------------------------------------------------


class Hierarchy(Trunk):
    """One column of parts; tasks read it at different depths.

    Args:
        first: The backbone.
        upper: Parts of further backbones stacked on it, where it cannot be cut itself.
        exits: Parts after which a task reads, ascending; the last is the end.
    """

    def __init__(self, first: Backbone, upper: Sequence[nn.Module], exits: Sequence[int]) -> None:
        super().__init__(first, 0)
        self.upper = nn.ModuleList(upper)
        self.exits = list(exits)
        sizes = widths([*first.parts(), *upper], first)
        self.widths = [sizes[place] for place in self.exits]
        self.width = sum(self.widths)
        self._floors = self.floors()

    def floors(self) -> list[nn.Module]:
        """One floor for each exit."""
        column, starts = [*self.first.parts(), *self.upper], [0, *(place + 1 for place in self.exits)]
        floors = [column[start : place + 1] for start, place in zip(starts, self.exits, strict=False)]
        return [_ExitFloor(floor, last=place == len(floors) - 1) for place, floor in enumerate(floors)]

    def shared_parts(self) -> list[nn.Module]:
        """The floor of the first exit."""
        return self._floors[:1]


class _ExitFloor(nn.Module):
    def __init__(self, parts: Sequence[nn.Module], *, last: bool) -> None:
        super().__init__()
        self.column, self.last = nn.ModuleList(parts), last

    def forward(self, seen: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        held, exits = (seen, []) if isinstance(seen, Tensor) else (seen[0], seen[1:])
        for part in self.column:
            held = part(held)
        exits = [*exits, pooled(held)]
        return torch.cat(exits, dim=1) if self.last else [held, *exits]


# -- attention ---------------------------------------------------------------------------------------------


class Attention(Trunk):
    """One column for all; each task has masks that choose from what every floor gives.

    Args:
        first: The backbone.
        tasks: How many there are.
        squeeze: How many times narrower a mask's hidden layer is than the floor.
    """

    def __init__(self, first: Backbone, tasks: int, squeeze: int) -> None:
        super().__init__(first, tasks * first.width)
        shapes = stage_shapes(first.parts(), first)
        channels = [shape[_channel_axis(shape)] for shape in shapes]
        self.masks = nn.ModuleList(
            [
                nn.ModuleList([_Mask(here, before, squeeze) for _ in range(tasks)])
                for here, before in zip(channels, [0, *channels[:-1]], strict=True)
            ]
        )
        self._floors = self.floors()

    def new_weights(self) -> list[nn.Parameter]:
        """Those of the masks."""
        return list(self.masks.parameters())

    def floors(self) -> list[nn.Module]:
        """One floor for each part of the backbone, with its masks."""
        column = self.first.parts()
        return [
            _MaskFloor(part, masks, last=place == len(column) - 1)
            for place, (part, masks) in enumerate(zip(column, self.masks, strict=True))
        ]


class _Mask(nn.Module):
    """``sigmoid(W2 relu(W1 [floor, chosen on the floor below]))``, at every position alike."""

    def __init__(self, here: int, before: int, squeeze: int) -> None:
        super().__init__()
        hidden = max(4, here // squeeze)
        self.into, self.out = nn.Linear(here + before, hidden), nn.Linear(hidden, here)
        nn.init.constant_(self.out.bias, 2.0)  # a mask starts near 1: hard sharing, from which tasks part

    def forward(self, floor: Tensor, below: Tensor | None) -> Tensor:
        last = _channels_last(floor)
        seen = last if below is None else torch.cat([last, _channels_last(below)], dim=-1)
        mask = torch.sigmoid(self.out(torch.relu(self.into(seen))))
        return mask.movedim(-1, 1) if floor.ndim == 4 else mask


class _MaskFloor(nn.Module):
    def __init__(self, part: nn.Module, masks: nn.Module, *, last: bool) -> None:
        super().__init__()
        self.part, self.masks, self.last = part, masks, last

    def forward(self, seen: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        held, below_T = (seen, None) if isinstance(seen, Tensor) else (seen[0], seen[1:])
        floor = self.part(held)
        chosen_T = []
        for task, mask in enumerate(_listed(self.masks)):
            below = None if below_T is None else _like(below_T[task], floor)
            chosen_T.append(mask(floor, below) * floor)
        return torch.cat(chosen_T, dim=1) if self.last else [floor, *chosen_T]


# -- experts -----------------------------------------------------------------------------------------------


class Experts(Trunk):
    """A stem for all, then levels of experts that gates mix, one gate a task.

    Args:
        first: The backbone that gives the stem, and the first expert of every level.
        stem: How many of its parts are the stem.
        levels: The experts of each level but those of ``first``: lists of chains of parts.
        sizes: How many parts of ``first`` are an expert of each level; 0 where it has none left.
        groups: For each task, and at last for the shared stream between levels, the experts its gate mixes.
    """

    def __init__(
        self,
        first: Backbone,
        stem: int,
        levels: Sequence[Sequence[Sequence[nn.Module]]],
        *,
        sizes: Sequence[int],
        groups: Sequence[Sequence[int]],
    ) -> None:
        tasks = len(groups) - 1
        super().__init__(first, tasks * first.width)
        self.stem, self.sizes, self.groups = stem, list(sizes), [list(group) for group in groups]
        self.levels = nn.ModuleList(
            [nn.ModuleList([nn.ModuleList(chain) for chain in level]) for level in levels]
        )
        column = first.parts()
        before = stem
        inputs = []
        for size in self.sizes:  # what stands before each level is what its gates read
            inputs.append(widths(column[:before], first)[-1] if before else embedded_width(first))
            before += size
        self.gates = nn.ModuleList()
        for place, width in enumerate(inputs):
            last = place == len(inputs) - 1
            streams = self.groups[:-1] if last else self.groups
            self.gates.append(nn.ModuleList([nn.Linear(width, len(group)) for group in streams]))
        self._floors = self.floors()

    def experts(self) -> list[list[list[nn.Module]]]:
        """The experts of each level, chains of parts: first that of ``first``, where it has one."""
        column, start, found = self.first.parts(), self.stem, []
        for size, level in zip(self.sizes, self.levels, strict=True):
            own = [column[start : start + size]] if size else []
            found.append([*own, *(_listed(chain) for chain in _listed(level))])
            start += size
        return found

    def copies(self) -> list[tuple[nn.Module, nn.Module]]:
        """The parts of the experts of ``first``, each beside those of the others."""
        cut = [level for size, level in zip(self.sizes, self.experts(), strict=True) if size]
        return [pair for first, *others in cut for other in others for pair in zip(first, other, strict=True)]

    def new_weights(self) -> list[nn.Parameter]:
        """Those of the gates."""
        return list(self.gates.parameters())

    def floors(self) -> list[nn.Module]:
        """The stem's parts, and the levels."""
        levels = list(zip(self.experts(), self.gates, strict=True))
        mixed = [
            _ExpertFloor(chains, gates, self.groups, last=place == len(levels) - 1)
            for place, (chains, gates) in enumerate(levels)
        ]
        return [*self.first.parts()[: self.stem], *mixed]


class _ExpertFloor(nn.Module):
    def __init__(
        self,
        chains: Sequence[Sequence[nn.Module]],
        gates: nn.Module,
        groups: Sequence[Sequence[int]],
        *,
        last: bool,
    ) -> None:
        super().__init__()
        self.chains = nn.ModuleList([nn.Sequential(*chain) for chain in chains])
        self.gates, self.groups, self.last = gates, groups, last

    def forward(self, seen: Tensor | list[Tensor]) -> Tensor | list[Tensor]:
        streams = [seen] * len(self.groups) if isinstance(seen, Tensor) else seen
        # an expert that one task alone asks reads that task's stream, the others read the shared one
        out_E = [chain(streams[self._reads(place)]) for place, chain in enumerate(self.chains)]
        mixed = []
        for gate, group, stream in zip(_listed(self.gates), self.groups, streams, strict=False):
            share_BE = gate(pooled(stream)).float().softmax(1)
            mixed.append(gated([out_E[place] for place in group], share_BE))
        return torch.cat(mixed, dim=1) if self.last else mixed

    def _reads(self, expert: int) -> int:
        asking = [task for task, group in enumerate(self.groups[:-1]) if expert in group]
        return asking[0] if len(asking) == 1 and len(self.groups) > 2 else len(self.groups) - 1


def gated(out_E: Sequence[Tensor], share_BE: Tensor) -> Tensor:
    """``sum_e share_be x_e`` for each row b of a batch.

    >>> gated([torch.tensor([[1.0], [1.0]]), torch.tensor([[3.0], [3.0]])], torch.eye(2)).tolist()
    [[1.0], [3.0]]
    """
    stacked = torch.stack(list(out_E), dim=1)
    share = share_BE.to(stacked.dtype).reshape(*share_BE.shape, *([1] * (stacked.ndim - 2)))
    return (share * stacked).sum(1)


# -- shapes ------------------------------------------------------------------------------------------------


def pooled(stage: Tensor) -> Tensor:
    """One row ``BD`` an item of whatever passes between parts.

    Maps ``BDHW`` are averaged over positions. Rows of tokens ``BSD`` are summed and brought to mean 0 and
    spread 1, so that padding, which is zero, does not count.
    """
    if stage.ndim == 4:
        return stage.mean((2, 3))
    if stage.ndim == 3:
        return nn.functional.layer_norm(stage.sum(1), stage.shape[2:])
    return stage


def probe(spec: InputSpec) -> Tensor:
    """Two plain items of a kind of input, to read shapes from."""
    if spec.kind == "image":
        return torch.zeros(2, spec.channels, spec.size, spec.size)
    if spec.kind in ("text", "tokens"):
        return torch.ones(2, max(spec.size, 1), dtype=torch.int64)
    return torch.zeros(2, spec.dim)


@torch.no_grad()
def stage_shapes(parts: Sequence[nn.Module], first: Backbone) -> list[torch.Size]:
    """The shape of what each part gives for two items."""
    modes = [(module, module.training) for part in [first, *parts] for module in part.modules()]
    for module, _ in modes:
        module.training = False
    shapes, held = [], first.embed(probe(first.spec))
    for part in parts:
        held = part(held)
        shapes.append(held.shape)
    for module, training in modes:
        module.training = training
    return shapes


def widths(parts: Sequence[nn.Module], first: Backbone) -> list[int]:
    """Length of the pooled row that each part gives."""
    return [shape[_channel_axis(shape)] for shape in stage_shapes(parts, first)]


@torch.no_grad()
def embedded_width(first: Backbone) -> int:
    """Length of the pooled row of what the backbone embeds."""
    shape = first.embed(probe(first.spec)).shape
    return int(shape[_channel_axis(shape)])


def weighty(parts: Sequence[nn.Module]) -> list[int]:
    """Places of the parts that have weights: the ones worth parting at."""
    return [place for place, part in enumerate(parts) if any(True for _ in part.parameters())]


def stackable(backbone: Backbone) -> bool:
    """Whether one part is all there is, and another can stand on it."""
    return len(backbone.parts()) == 1 and embedded_width(backbone) == backbone.width


def _listed(modules: nn.Module) -> list[nn.Module]:
    """The members of a module list, for the type checker's sake."""
    return list(cast("Iterable[nn.Module]", modules))


def _channel_axis(shape: torch.Size) -> int:
    return 2 if len(shape) == 3 else 1


def _channels_last(stage: Tensor) -> Tensor:
    return stage.movedim(1, -1) if stage.ndim == 4 else stage


def _like(below: Tensor, floor: Tensor) -> Tensor:
    """What was chosen below, at as many positions as this floor has."""
    if floor.ndim == 4 and below.ndim == 4:
        return nn.functional.adaptive_avg_pool2d(below, (floor.shape[2], floor.shape[3]))
    return below if floor.ndim == below.ndim else pooled(below)


def side_by_side(lengths: Sequence[int]) -> list[slice]:
    """Slices of features that lie side by side.

    >>> side_by_side([2, 3])
    [slice(0, 2, None), slice(2, 5, None)]
    """
    ends = [sum(lengths[: place + 1]) for place in range(len(lengths))]
    return [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
