import copy

import torch

from sslcore.training.optimiser import PartlyAdaptive


def weights(seed=0):
    torch.manual_seed(seed)
    return [torch.nn.Parameter(torch.randn(3, 2)), torch.nn.Parameter(torch.randn(4))]


def walk(optimiser, held, steps, first=0):
    for step in range(first, first + steps):
        torch.manual_seed(100 + step)
        for weight in held:
            weight.grad = torch.randn_like(weight)
        optimiser.step()
    return [weight.detach().clone() for weight in held]


def test_a_group_moves_as_adamw_does_and_the_others_as_sgd_does():
    mine, sgd, adam = weights(), weights(), weights()
    optimiser = PartlyAdaptive(
        [{"params": mine[:1]}, {"params": mine[1:], "adaptive": 0.5, "weight_decay": 0.1}],
        lr=0.01,
        momentum=0.9,
        nesterov=True,
    )
    got = walk(optimiser, mine, 5)
    plain = walk(torch.optim.SGD(sgd, lr=0.01, momentum=0.9, nesterov=True), sgd, 5)
    wanted = walk(torch.optim.AdamW(adam, lr=0.01, betas=(0.5, 0.999), weight_decay=0.1), adam, 5)
    assert torch.equal(got[0], plain[0])
    torch.testing.assert_close(got[1], wanted[1])


def test_it_goes_on_bit_for_bit_from_its_state():
    held = weights()

    def made(of):
        return PartlyAdaptive([{"params": of[:1]}, {"params": of[1:], "adaptive": 0.9}], lr=0.1, momentum=0.9)

    optimiser = made(held)
    walk(optimiser, held, 3)
    twin = copy.deepcopy(held)
    other = made(twin)
    other.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    first, second = walk(optimiser, held, 3, first=3), walk(other, twin, 3, first=3)
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_a_weight_without_a_gradient_stays():
    held = weights()
    before = held[0].detach().clone()
    optimiser = PartlyAdaptive([{"params": held, "adaptive": 0.9}], lr=0.1)
    held[1].grad = torch.ones_like(held[1])
    optimiser.step()
    assert torch.equal(held[0], before)
    assert (held[1].grad != 0).all()
