"""The two streams of a run: labelled items and unlabelled ones, with their views.

A stream deals its rows in shuffled rounds; what it deals at a step follows from the seed and the step alone,
so a resumed run needs no saved position. With several tasks each gets its share of the labelled batch, or a
task with 20 labels would hardly be seen beside one with 5,000; the rows' other labels are used all the same.
Audit rows of any task and excluded rows are in neither stream.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sslcore.augment.dice import Dice
from sslcore.errors import TrainingError
from sslcore.methods.base import Batch
from sslcore.shapes import UNLABELLED, FloatArray, IntArray
from sslcore.training.balanced import BalancedStream
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.fleet import Fleet
from sslcore.training.preprocess import Preprocess

ON_DEVICE_BYTES = 4 * 2**30  # a set up to this size lives on the GPU


class Stream:
    """Deals rows in shuffled rounds.

    >>> stream = Stream(np.arange(5), size=3, seed=0)
    >>> sorted(np.concatenate([stream.deal(0), stream.deal(1)])[:5].tolist())
    [0, 1, 2, 3, 4]
    >>> np.array_equal(stream.deal(1), Stream(np.arange(5), size=3, seed=0).deal(1))
    True
    """

    def __init__(self, row_N: IntArray, size: int, seed: int) -> None:
        self.row_N, self.size, self.seed = row_N, size, seed
        self._rounds: dict[int, IntArray] = {}

    def deal(self, step: int) -> IntArray:
        """The rows of a step."""
        place_B = np.arange(step * self.size, (step + 1) * self.size)
        round_B, inside_B = place_B // len(self.row_N), place_B % len(self.row_N)
        first, last = int(round_B[0]), int(round_B[-1])
        self._rounds = {index: self._round(index) for index in range(first, last + 1)}
        order = np.stack([self._rounds[index] for index in range(first, last + 1)])
        dealt: IntArray = self.row_N[order[round_B - first, inside_B]]
        return dealt

    def _round(self, index: int) -> IntArray:
        if index not in self._rounds:
            self._rounds[index] = np.random.default_rng([self.seed, index]).permutation(len(self.row_N))
        return self._rounds[index]


class Pool:
    """Makes the batches of a run.

    Args:
        data: The set.
        tasks: The tasks that are trained.
        preprocess: What is done to an item before the network.
        sizes: Labelled and unlabelled items in a step.
        seed: Of the streams.
        device: Where batches go.
        fleet: The processes that share each batch; this one alone, where not given.
        balanced: Whether labelled items are dealt evenly over the classes.

    Raises:
        TrainingError: Nothing is left to train on.
    """

    def __init__(
        self,
        data: TrainingData,
        tasks: Sequence[TaskLabels],
        preprocess: Preprocess,
        *,
        sizes: tuple[int, int],
        seed: int,
        device: torch.device,
        fleet: Fleet | None = None,
        balanced: bool = False,
    ) -> None:
        self.device = device
        self.preprocess = preprocess
        raw = {"image": data.image_NXHW, "text": data.text_N, "feature": data.feature_ND}[preprocess.source]
        assert raw is not None
        self.prepared: IntArray | FloatArray = preprocess.prepare(raw)
        self._on_device = (
            torch.from_numpy(np.array(self.prepared)).to(device)
            if device.type != "cpu" and self.prepared.nbytes <= ON_DEVICE_BYTES
            else None
        )
        words = self.prepared[self.prepared > 0] if preprocess.source == "text" else None
        self.views = preprocess.views(
            device, None if words is None else torch.from_numpy(words.astype(np.int64)).to(device)
        )

        free_N = data.free_N
        self.free_row_U: IntArray = np.flatnonzero(free_N)
        label_TN = np.stack([np.asarray(task.label_N, dtype=np.int64) for task in tasks])
        label_TN[:, ~free_N] = UNLABELLED
        self.label_TN = torch.from_numpy(label_TN)
        self._labelled: list[Stream | BalancedStream] = []
        for index, task in enumerate(tasks):
            row_L = np.flatnonzero(task.known_N & free_N)
            if not len(row_L):
                raise TrainingError(
                    f"Task {task.name!r} has no label outside the audit split. Label a few items of it first."
                )
            own = seed * 1009 + 1 + index
            stream = (
                BalancedStream(row_L, label_TN[index, row_L], 1, own) if balanced else Stream(row_L, 1, own)
            )
            self._labelled.append(stream)
        self._unlabelled = Stream(self.free_row_U, 1, seed * 1009)
        self.fleet = fleet or Fleet()
        self.sizes = sizes
        self.resize(sizes)

    def resize(self, sizes: tuple[int, int]) -> None:
        """Sets how many labelled and unlabelled items a step has; each task gets its share of the first."""
        self.sizes = sizes
        tasks = len(self._labelled)
        for index, stream in enumerate(self._labelled):
            share = sizes[0] // tasks + (index < sizes[0] % tasks)
            stream.size = self.fleet.whole(max(1, share))
        self._unlabelled.size = self.fleet.whole(max(1, sizes[1]))

    def rows(self, step: int, *, unlabelled: bool) -> tuple[IntArray, IntArray]:
        """Rows of a step's labelled and unlabelled items: this process's share of them."""
        row_B = np.concatenate([self.fleet.share(stream.deal(step)) for stream in self._labelled])
        row_U = self._unlabelled.deal(step) if unlabelled else np.zeros(0, dtype=np.int64)
        return row_B, self.fleet.share(row_U)

    def batch(self, step: int, names: Sequence[str], dice: Dice) -> Batch:
        """The batch of a step, with the views asked for.

        Args:
            step: The step; ``dice`` must have been turned to it.
            names: "weak" or "strong", with "_2" for a second one of the kind.
            dice: Randomness of the views.
        """
        row_B, row_U = self.rows(step, unlabelled=bool(names))
        labelled_B = self.views.weak(self.fetch(row_B), dice)
        label_TB = self.label_TN[:, row_B].to(self.device, non_blocking=True)
        views: dict[str, Tensor] = {}
        if names:
            item_U = self.fetch(row_U)
            views = {name: self.view(name, item_U, dice) for name in names}
        return Batch(labelled_B, label_TB, views, torch.from_numpy(row_U).to(self.device, non_blocking=True))

    def view(self, name: str, item_B: Tensor, dice: Dice) -> Tensor:
        """One view of prepared items.

        Args:
            name: "plain", "weak" or "strong", with "_2" for a second one of the kind.
            item_B: What :meth:`fetch` gave.
            dice: Randomness of the view.
        """
        kind = name.partition("_")[0]
        if kind == "plain":
            return self.views.plain(item_B)
        return (self.views.weak if kind == "weak" else self.views.strong)(item_B, dice)

    def from_host(self) -> bool:
        """Whether items come from the host's memory or disk while the network computes on a device."""
        return self.device.type != "cpu" and self._on_device is None

    def fetch(self, row_B: IntArray) -> Tensor:
        """Prepared items on the device."""
        if self._on_device is not None:
            item_B = self._on_device[torch.from_numpy(row_B).to(self.device, non_blocking=True)]
        else:
            held_B = torch.from_numpy(np.asarray(self.prepared[row_B]))
            if self.device.type == "cuda":
                held_B = held_B.pin_memory()  # or the copy would wait for the device
            item_B = held_B.to(self.device, non_blocking=True)
        return item_B.long() if self.preprocess.source == "text" else item_B
