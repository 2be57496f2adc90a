import copy

import torch
from torch import nn

from sslcore.models.batch_norm import ActNorm2d, act_normalised


def network() -> nn.Module:
    torch.manual_seed(0)
    return act_normalised(nn.Sequential(nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 4, 3)))


def test_it_starts_as_batch_norm_does():
    batch_B = torch.randn(16, 6, 5, 5) * 3 + 1
    peer = nn.BatchNorm2d(6)(batch_B)
    torch.testing.assert_close(ActNorm2d(6)(batch_B), peer, atol=1e-4, rtol=1e-4)


def test_the_first_batch_that_is_learned_from_sets_it_and_no_other():
    norm = ActNorm2d(3)
    with torch.no_grad():
        norm(torch.randn(4, 3, 2, 2) + 9)  # a teacher's pass
    norm.eval()(torch.randn(4, 3, 2, 2) + 9)
    assert not norm.met
    norm.train()(torch.randn(64, 3, 2, 2) + 5)
    assert norm.met
    held = norm.mean.clone()
    assert (held - 5).abs().max() < 0.5
    norm(torch.randn(4, 3, 2, 2) - 5)
    assert torch.equal(norm.mean, held)


def test_an_item_is_said_the_same_of_alone_and_among_others():
    net = network()
    batch_B = torch.randn(8, 2, 9, 9)
    net(batch_B)
    torch.testing.assert_close(net(batch_B[:1]), net(batch_B)[:1])
    torch.testing.assert_close(net.eval()(batch_B), net.train()(batch_B))


def test_a_checkpoint_keeps_the_first_batch():
    net, fresh = network(), network()
    net(torch.randn(8, 2, 9, 9) + 3)
    fresh.load_state_dict(copy.deepcopy(net.state_dict()))
    other_B = torch.randn(8, 2, 9, 9) - 3
    torch.testing.assert_close(fresh(other_B), net(other_B))
    assert torch.equal(fresh[1].mean, net[1].mean)
