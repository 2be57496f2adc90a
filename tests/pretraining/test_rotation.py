import math

import pytest
import torch

from sslcore.pretraining.rotation import turned

from .bench import items, loss, network, warm


def test_the_loss_image_by_image():
    net = network()
    made = warm("rotation", net)
    net.eval()
    made.own.eval()
    image_BXHW = items(count=6)
    value = loss(made, net, given={"weak": image_BXHW}, seed=3).item()
    turn_B = torch.randperm(6, generator=torch.Generator().manual_seed(3)) % 4
    total = 0.0
    for image_XHW, turn in zip(image_BXHW, turn_B.tolist(), strict=True):
        seen = image_XHW
        for _ in range(turn):
            seen = seen.transpose(1, 2).flip(1)  # a quarter turn against the clock
        score = made.own["head"](net.backbone(seen[None]))[0].tolist()
        total -= score[turn] - math.log(sum(math.exp(s) for s in score))
    assert value == pytest.approx(total / 6, rel=1e-4)


def test_four_turns_are_none_and_each_is_given_as_often():
    image_BXHW = items(count=8)
    once = torch.full((8,), 1)
    four = image_BXHW
    for _ in range(4):
        four = turned(four, once)
    assert torch.equal(four, image_BXHW)
    counts = torch.bincount(torch.randperm(10, generator=torch.Generator().manual_seed(0)) % 4)
    assert int(counts.max() - counts.min()) <= 1
