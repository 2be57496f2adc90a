import math

import pytest
import torch

from sslcore.pretraining.bigan import judge_loss

from .bench import items, loss, network, warm


def test_the_judges_loss_pair_by_pair():
    true_B, false_B = torch.tensor([1.5, -0.5]), torch.tensor([0.3, 2.0])

    def log_sure(logit):
        return -math.log(1 + math.exp(-logit))

    total = 0.0
    for logit in true_B.tolist():
        total -= (0.9 * log_sure(logit) + 0.1 * log_sure(-logit)) / 2
    for logit in false_B.tolist():
        total -= (0.1 * log_sure(logit) + 0.9 * log_sure(-logit)) / 2
    assert judge_loss(true_B, false_B, sure=0.9).item() == pytest.approx(total, rel=1e-5)


def gradients(part):
    return torch.cat([weight.grad.flatten() for weight in part.parameters()])


def test_the_judge_learns_from_its_own_terms_alone():
    net = network()
    made = warm("bigan", net, cycle=0.0)
    loss(made, net).backward()
    both = gradients(made.own["judge"])
    twin = network()
    other = warm("bigan", twin, cycle=0.0)
    image_BXHW = items()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        drawn_BD = torch.randn(8, 64, generator=rng)
        codes = torch.cat([other.own["code"](twin.backbone(image_BXHW)), drawn_BD])
        images = torch.cat([image_BXHW, other.own["generator"](drawn_BD)])
    judge_loss(*other.own["judge"](images, codes).chunk(2), sure=0.9).backward()
    assert torch.allclose(both, gradients(other.own["judge"]), atol=1e-6)


def test_encoder_and_generator_push_against_the_judge():
    net = network()
    made = warm("bigan", net, cycle=0.0)
    loss(made, net).backward()
    mine = gradients(made.own["generator"])
    twin = network()
    other = warm("bigan", twin, cycle=0.0)
    image_BXHW, rng = items(), torch.Generator().manual_seed(0)
    drawn_BD = torch.randn(8, 64, generator=rng)
    codes = torch.cat([other.own["code"](twin.backbone(image_BXHW)), drawn_BD])
    images = torch.cat([image_BXHW, other.own["generator"](drawn_BD)])
    true_B, false_B = other.own["judge"](images, codes).chunk(2)
    judge_loss(false_B, true_B, sure=0.9).backward()
    assert torch.allclose(mine, gradients(other.own["generator"]), atol=1e-6)
    assert float(mine.abs().max()) > 0


def test_the_cycle_is_the_squared_error_beside_the_judge():
    def at(cycle):
        net = network()
        return loss(warm("bigan", net, cycle=cycle), net).item()

    net = network()
    made = warm("bigan", net)
    image_BXHW = items()
    made.own["generator"](torch.randn(8, 64, generator=torch.Generator().manual_seed(0)))
    rebuilt_BXHW = made.own["generator"](made.own["code"](net.backbone(image_BXHW)))
    error = (rebuilt_BXHW - image_BXHW).square().mean().item()
    assert at(2.0) - at(0.0) == pytest.approx(2 * error, rel=1e-3)
