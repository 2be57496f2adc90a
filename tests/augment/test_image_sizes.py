"""Views do the same to an image whatever its size: what they move and cover is a share of the side."""

import pytest
import torch

from sslcore.augment import geometry
from sslcore.augment.dice import Dice
from sslcore.augment.image import ImageViews

SIZES = (28, 64, 224)


def views(channels=1, **settings):
    return ImageViews(torch.zeros(channels), torch.ones(channels), flips=False, **settings)


@pytest.mark.parametrize("size", SIZES)
def test_the_covered_square_is_half_the_side(size):
    """Nothing but the square is applied, to white images: what is black is covered."""
    white = torch.full((100, 1, size, size), 255, dtype=torch.uint8)
    covered_B = (views(rounds=0).strong(white, Dice(0)) == 0).float().mean((1, 2, 3))
    assert covered_B.max() <= 0.26
    # a centre anywhere in the image: 7/16 of each side lie within on average
    assert covered_B.mean() == pytest.approx((7 / 16) ** 2, abs=0.015)


@pytest.mark.parametrize("size", SIZES)
def test_a_weak_view_moves_by_an_eighth_of_the_side_at_most(size):
    image = torch.zeros(300, 1, size, size, dtype=torch.uint8)
    image[:, :, size // 2, size // 2] = 255
    view = views().weak(image, Dice(1))
    place_B2 = torch.stack([torch.nonzero(one[0])[0] for one in view]).float() - size // 2
    assert place_B2.abs().max() == size // 8
    assert place_B2.mean().abs() < size / 60
    assert (place_B2 / size).std() == pytest.approx(0.07, abs=0.015)


@pytest.mark.parametrize("channels", [1, 3])
def test_moves_of_a_large_image_are_those_of_a_small_one(channels):
    """Sampling an enlarged image and enlarging the sampled one come to the same."""
    rng = torch.Generator().manual_seed(0)
    small = torch.rand(4, channels, 8, 8, generator=rng)
    small = torch.nn.functional.interpolate(small, size=32, mode="bilinear")
    large = torch.nn.functional.interpolate(small, size=224, mode="bilinear")
    matrix = geometry.rotation(torch.tensor([0.4, -0.3, 0.0, 0.2])) @ geometry.shift(
        torch.tensor([0.1, 0.0, -0.2, 0.05]), torch.zeros(4)
    )
    moved = torch.nn.functional.interpolate(geometry.warp(small, matrix), size=224, mode="bilinear")
    inner = slice(40, -40)  # the border is repeated by other widths
    difference = (moved - geometry.warp(large, matrix))[:, :, inner, inner].abs()
    assert difference.mean() < 0.01


@pytest.mark.parametrize("channels", [1, 3])
def test_large_views_are_whole_and_in_range(channels):
    image = torch.randint(0, 256, (13, channels, 224, 224), dtype=torch.uint8)
    strong = views(channels).strong(image, Dice(2))
    assert strong.shape == image.shape
    assert torch.isfinite(strong).all()
    assert strong.min() >= 0
    assert strong.max() <= 1 + 1e-6
