"""Views of images: every image its own draw, what is asked for and nothing else."""

import math

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from sslcore.augment import colour, geometry
from sslcore.augment.dice import Dice
from sslcore.augment.image import ImageViews, _deal


@pytest.fixture
def image_BXHW():
    return torch.randint(
        0, 256, (6, 3, 20, 20), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )


def views(channels, **settings):
    return ImageViews(
        torch.full((channels,), 0.4), torch.full((channels,), 0.3), **{"flips": False} | settings
    )


def test_colour_operations_agree_with_torchvision(image_BXHW):
    float_BXHW = image_BXHW.float() / 255
    amount_B = torch.full((6,), 0.4)
    close = {"atol": 2e-2, "rtol": 0}
    for mine, theirs in (
        (colour.brightness(float_BXHW, amount_B), reference.adjust_brightness(float_BXHW, 0.4)),
        (colour.contrast(float_BXHW, amount_B), reference.adjust_contrast(float_BXHW, 0.4)),
        (colour.saturation(float_BXHW, amount_B), reference.adjust_saturation(float_BXHW, 0.4)),
        (colour.autocontrast(float_BXHW), reference.autocontrast(float_BXHW)),
        (colour.solarize(float_BXHW, amount_B), reference.solarize(float_BXHW, 0.4)),
        (
            colour.posterize(float_BXHW, torch.full((6,), 3.0)),
            reference.posterize(image_BXHW, 3).float() / 255,
        ),
        (
            colour.sharpness(float_BXHW, amount_B)[..., 1:-1, 1:-1],
            reference.adjust_sharpness(float_BXHW, 0.4)[..., 1:-1, 1:-1],
        ),
    ):
        torch.testing.assert_close(mine, theirs, **close)


def test_equalising_agrees_with_torchvision_where_its_whole_steps_do_no_harm():
    # PIL's steps are whole pixels, coarse below 64 x 64; ours are not
    image_BXHW = torch.randint(0, 100, (2, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    image_BXHW = image_BXHW.to(torch.uint8)
    mine = colour.equalize(image_BXHW.float() / 255)
    torch.testing.assert_close(mine, reference.equalize(image_BXHW).float() / 255, atol=2e-2, rtol=0)


def test_amounts_are_per_image(image_BXHW):
    float_BXHW = image_BXHW.float() / 255
    amount_B = torch.tensor([0.0, 1.0, 0.5, 1.0, 1.0, 1.0])
    out_BXHW = colour.brightness(float_BXHW, amount_B)
    assert out_BXHW[0].abs().sum() == 0
    torch.testing.assert_close(out_BXHW[1], float_BXHW[1])
    torch.testing.assert_close(out_BXHW[2], float_BXHW[2] / 2)


def test_flat_images_survive_stretching_and_equalising():
    flat_BXHW = torch.full((2, 1, 4, 4), 0.3)
    assert torch.equal(colour.autocontrast(flat_BXHW), flat_BXHW)
    assert torch.equal(colour.equalize(flat_BXHW), flat_BXHW)


def test_a_quarter_turn_turns_each_image_by_its_own_angle():
    image_BXHW = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    turned_BXHW = geometry.warp(image_BXHW, geometry.rotation(torch.tensor([0.0, math.pi / 2])))
    torch.testing.assert_close(turned_BXHW[0], image_BXHW[0], atol=1e-5, rtol=0)
    # a turn by +90 degrees of the sampling grid shows the image turned counter-clockwise
    torch.testing.assert_close(turned_BXHW[1], image_BXHW[1].rot90(1, (1, 2)), atol=1e-4, rtol=0)


def test_a_shift_of_the_grid_moves_by_that_share():
    image_BXHW = torch.zeros(1, 1, 8, 8)
    image_BXHW[0, 0, 4, 4] = 1
    moved_BXHW = geometry.warp(image_BXHW, geometry.shift(torch.tensor([0.25]), torch.tensor([0.0])))
    assert moved_BXHW[0, 0, 4, 2] == pytest.approx(1, abs=1e-5)


def test_whole_pixel_shifts_are_exact(image_BXHW):
    moved_BXHW = geometry.shift_pixels(image_BXHW, torch.tensor([2] * 6), torch.tensor([-1] * 6))
    assert torch.equal(moved_BXHW[:, :, 2:, :-1], image_BXHW[:, :, :-2, 1:])
    assert moved_BXHW.dtype == torch.uint8


def test_flips_only_the_marked(image_BXHW):
    which_B = torch.tensor([True, False] * 3)
    out_BXHW = geometry.flip(image_BXHW, which_B)
    assert torch.equal(out_BXHW[0], image_BXHW[0].flip(2))
    assert torch.equal(out_BXHW[1], image_BXHW[1])


def test_cut_out_covers_a_square_of_the_size_asked_for():
    out_BXHW = geometry.cut_out(torch.ones(1, 1, 12, 12), torch.tensor([[6.0, 5.0]]), 3, torch.tensor([0.0]))
    assert (out_BXHW == 0).sum() == 6 * 6
    assert (out_BXHW[0, 0, 3:9, 2:8] == 0).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [8, 28, 33])
def test_views_have_the_right_shape_and_differ_between_images(channels, size):
    same_BXHW = torch.randint(0, 256, (1, channels, size, size), dtype=torch.uint8).repeat(16, 1, 1, 1)
    dice = Dice(3)
    for view_BXHW in (views(channels).weak(same_BXHW, dice), views(channels).strong(same_BXHW, dice)):
        assert view_BXHW.shape == same_BXHW.shape
        assert view_BXHW.dtype == torch.float32
        assert torch.isfinite(view_BXHW).all()
        assert len({image.numpy().tobytes() for image in view_BXHW}) > 8
    assert torch.equal(same_BXHW[0], same_BXHW[1]), "the input must not change"


def test_the_same_dice_give_the_same_views(image_BXHW):
    first, second = Dice(1), Dice(1)
    first.turn(5)
    second.turn(4)
    second.turn(5)
    assert torch.equal(views(3).strong(image_BXHW, first), views(3).strong(image_BXHW, second))
    second.turn(6)
    assert not torch.equal(views(3).strong(image_BXHW, first), views(3).strong(image_BXHW, second))


def test_without_flips_no_weak_view_is_a_mirror_image():
    ramp_HW = torch.arange(16, dtype=torch.uint8).repeat(16, 1) * 10
    batch_BXHW = ramp_HW.expand(64, 1, 16, 16)
    falling = {}
    for flips in (False, True):
        view_BXHW = views(1, flips=flips).weak(batch_BXHW, Dice(0))
        falling[flips] = int((view_BXHW[:, 0, 0, 0] > view_BXHW[:, 0, 0, -1]).sum())
    assert falling[False] == 0
    assert 16 < falling[True] < 48


def test_every_operation_gets_its_share_of_the_batch():
    for batch in (1, 5, 13, 112):
        bounds = _deal(batch, 13, Dice(0))
        sizes = [stop - start for start, stop in bounds]
        assert sum(sizes) == batch
        assert max(sizes) - min(sizes) <= 1
    drawn = np.zeros(13)
    dice = Dice(0)
    for step in range(200):
        dice.turn(step)
        drawn += [stop - start for start, stop in _deal(5, 13, dice)]
    assert drawn.min() > 40, "no operation may be left out where the batch is small"


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("view", ["plain", "weak", "strong"])
def test_views_have_their_channels_last_also_where_there_is_one(channels, view):
    image_BXHW = torch.from_numpy(np.zeros((5, channels, 20, 20), dtype=np.uint8))
    dice = [] if view == "plain" else [Dice(0)]
    seen_BXHW = getattr(views(channels), view)(image_BXHW, *dice)
    assert seen_BXHW.stride() == (400 * channels, 1, 20 * channels, channels)
