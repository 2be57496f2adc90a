"""Weak and strong views of whole uint8 image batches (RandAugment: Cubuk et al. 2020, arXiv:1909.13719).

Weak: a shift of up to an eighth of the side, and a mirror where that keeps the meaning. Strong: the weak
view, then two operations per image out of thirteen, each with a random amount, then a covered square of half
the side, as FixMatch does. What differs: operations are dealt out evenly over the batch (a shuffled deck, not
independent dice), so each runs on its own slice only; all turns and shears of an image are one resampling.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sslcore.augment import colour, geometry
from sslcore.augment.dice import Dice

_Operation = Callable[[Tensor, Dice], Tensor]


def _colour_operations(channels: int) -> list[_Operation]:
    def amount(image_BXHW: Tensor, dice: Dice, low: float, high: float) -> Tensor:
        return dice.uniform(len(image_BXHW), low, high)

    operations: list[_Operation] = [
        lambda image, dice: image,  # RandAugment's deck holds "leave it" too
        lambda image, dice: colour.autocontrast(image),
        lambda image, dice: colour.equalize(image),
        lambda image, dice: colour.brightness(image, amount(image, dice, 0.1, 1.9)),
        lambda image, dice: colour.contrast(image, amount(image, dice, 0.1, 1.9)),
        lambda image, dice: colour.sharpness(image, amount(image, dice, 0.1, 1.9)),
        lambda image, dice: colour.posterize(image, amount(image, dice, 3.5, 8.5)),
        lambda image, dice: colour.solarize(image, amount(image, dice, 0.0, 1.0)),
    ]
    if channels == 3:
        operations.append(lambda image, dice: colour.saturation(image, amount(image, dice, 0.1, 1.9)))
    return operations


def _moves() -> list[Callable[[int, Dice], Tensor]]:
    def zero(count: int, dice: Dice) -> Tensor:
        return torch.zeros(count, device=dice.rng.device)

    return [
        lambda count, dice: geometry.rotation(dice.uniform(count, -math.pi / 6, math.pi / 6)),
        lambda count, dice: geometry.shear(dice.uniform(count, -0.3, 0.3), zero(count, dice)),
        lambda count, dice: geometry.shear(zero(count, dice), dice.uniform(count, -0.3, 0.3)),
        lambda count, dice: geometry.shift(dice.uniform(count, -0.3, 0.3), zero(count, dice)),
        lambda count, dice: geometry.shift(zero(count, dice), dice.uniform(count, -0.3, 0.3)),
    ]


class ImageViews:
    """Makes the views of image batches.

    Args:
        mean_X: Mean of each channel, pixels from 0 to 1.
        std_X: Standard deviation of each channel.
        flips: Whether a mirror image means the same (not so for digits and letters).
        rounds: Operations per strong view.

    >>> dice = Dice(seed=0)
    >>> views = ImageViews(torch.tensor([0.5]), torch.tensor([0.25]), flips=False)
    >>> image_BXHW = torch.randint(0, 256, (4, 1, 16, 16), generator=dice.rng, dtype=torch.uint8)
    >>> views.strong(image_BXHW, dice).shape, views.plain(image_BXHW).dtype
    (torch.Size([4, 1, 16, 16]), torch.float32)
    """

    def __init__(self, mean_X: Tensor, std_X: Tensor, *, flips: bool, rounds: int = 2) -> None:
        self.mean_X, self.std_X, self.flips, self.rounds = mean_X, std_X, flips, rounds
        self._colours = _colour_operations(len(mean_X))
        self._moves = _moves()

    def plain(self, image_BXHW: Tensor) -> Tensor:
        """Normalised floats, nothing moved."""
        return self._normalise(image_BXHW.float() / 255)

    def weak(self, image_BXHW: Tensor, dice: Dice) -> Tensor:
        """Shifted by up to an eighth, mirrored half of the time where mirrors are allowed."""
        return self._normalise(self._weak(image_BXHW, dice).float() / 255)

    def strong(self, image_BXHW: Tensor, dice: Dice) -> Tensor:
        """The weak view, ``rounds`` operations per image, and a covered square."""
        image_BXHW = self._weak(image_BXHW, dice).float() / 255
        batch, _, height, width = image_BXHW.shape
        deck = len(self._colours) + len(self._moves)
        matrix_B33 = geometry.identity(batch, image_BXHW.device)
        for _ in range(self.rounds):
            order_B = torch.randperm(batch, generator=dice.rng, device=image_BXHW.device)
            bounds = _deal(batch, deck, dice)
            for operation, (start, stop) in enumerate(bounds):
                if start == stop:
                    continue
                item_S = order_B[start:stop]
                if operation < len(self._colours):
                    image_BXHW[item_S] = self._colours[operation](image_BXHW[item_S], dice)
                else:
                    move_S33 = self._moves[operation - len(self._colours)](stop - start, dice)
                    matrix_B33[item_S] = matrix_B33[item_S] @ move_S33
        image_BXHW = geometry.warp(image_BXHW, matrix_B33)
        centre_B2 = torch.stack([dice.uniform(batch, 0, height), dice.uniform(batch, 0, width)], 1).floor()
        half = max(1, round(min(height, width) / 4))
        return self._normalise(geometry.cut_out(image_BXHW, centre_B2, half, self.mean_X))

    def _weak(self, image_BXHW: Tensor, dice: Dice) -> Tensor:
        batch, _, height, width = image_BXHW.shape
        device, rng = image_BXHW.device, dice.rng
        reach_y, reach_x = max(1, height // 8), max(1, width // 8)
        down_B = torch.randint(-reach_y, reach_y + 1, (batch,), generator=rng, device=device)
        right_B = torch.randint(-reach_x, reach_x + 1, (batch,), generator=rng, device=device)
        image_BXHW = geometry.shift_pixels(image_BXHW, down_B, right_B)
        if self.flips:
            image_BXHW = geometry.flip(image_BXHW, dice.sign(batch) > 0)
        return image_BXHW

    def _normalise(self, image_BXHW: Tensor) -> Tensor:
        # With one channel both orders are the same memory, and `contiguous` would leave the strides of the
        # slower one: convolutions and pooling go by those.
        out_BXHW = torch.empty_like(image_BXHW, memory_format=torch.channels_last)
        torch.sub(image_BXHW, self.mean_X[None, :, None, None], out=out_BXHW)
        return out_BXHW.div_(self.std_X[None, :, None, None])


def _deal(batch: int, deck: int, dice: Dice) -> list[tuple[int, int]]:
    """Slices of 0 … batch, one per operation, sizes equal to within one; which are larger is drawn."""
    size = [batch // deck] * deck
    for operation in dice.host.permutation(deck)[: batch % deck]:
        size[int(operation)] += 1
    bounds, start = [], 0
    for count in size:
        bounds.append((start, start + count))
        start += count
    return bounds
