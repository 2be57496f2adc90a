import numpy as np
import pytest
import torch

from sslcore.transfer.contrastive import draw_pairs, pair_loss

from .bench import LABEL_N, ground, mode, moment, network, source


def made_for(net, **settings):
    made = mode("contrastive", **settings)
    made.meet(source())
    made.prepare(net)
    return made


def test_the_loss_pair_by_pair():
    rng = torch.Generator().manual_seed(0)
    one_BD, other_BD = torch.randn(5, 4, generator=rng), torch.randn(5, 4, generator=rng)
    same_B = torch.tensor([True, False, True, False, False])
    by_hand = 0.0
    for one_D, other_D, same in zip(one_BD.tolist(), other_BD.tolist(), same_B.tolist(), strict=True):
        dot = sum(a * b for a, b in zip(one_D, other_D, strict=True))
        cosine = dot / (sum(a * a for a in one_D) ** 0.5 * sum(b * b for b in other_D) ** 0.5)
        by_hand += (cosine - float(same)) ** 2 / 5
    assert float(pair_loss(one_BD, other_BD, same_B)) == pytest.approx(by_hand, rel=1e-5)


def test_half_of_the_pairs_are_of_one_class_and_never_of_one_item_where_there_are_two():
    first_B, second_B, same_B = draw_pairs(LABEL_N, 200, np.random.default_rng(0))
    assert same_B.sum() == 100
    assert ((LABEL_N[first_B] == LABEL_N[second_B]) == same_B).all()
    assert (LABEL_N[first_B] >= 0).all()
    alone_B = LABEL_N[first_B] == 2  # the class with one label: another view of the same item
    assert (first_B[same_B & ~alone_B] != second_B[same_B & ~alone_B]).all()
    assert (first_B[same_B & alone_B] == second_B[same_B & alone_B]).all()
    assert set(LABEL_N[first_B]) == {0, 1, 2}


def test_pairs_bring_classes_together_in_the_backbone_alone():
    net = network("feature_mlp", warm=False)
    made = made_for(net, share=0.5, pairs=24)
    heads = [weight.detach().clone() for weight in net.heads.parameters()]
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for step in range(200):
        made.at(net, 0.0)
        loss = made.loss(net, moment(step, 0.0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert all(torch.equal(was, now) for was, now in zip(heads, net.heads.parameters(), strict=True))


def test_after_its_share_it_is_silent_and_the_backbone_closed():
    net = network("feature_mlp", warm=False)
    made = made_for(net, share=0.3)
    made.at(net, 0.29)
    assert made.alone(0.29)
    assert made.loss(net, moment(3, 0.29)) is not None
    made.at(net, 0.3)
    assert made.loss(net, moment(4, 0.3)) is None
    assert not any(weight.requires_grad for weight in net.backbone.parameters())
    everything = made_for(network("feature_mlp", warm=False), share=0.3, then="all")
    everything.at(net, 0.9)
    assert not everything.alone(0.9)


def test_a_step_draws_the_same_pairs_again():
    net = network("feature_mlp")
    made = made_for(net)
    assert made.loss(net, moment(7)).item() == made.loss(net, moment(7)).item()
    assert made.loss(net, moment(7)).item() != made.loss(net, moment(8)).item()


def test_labels_of_one_class_are_refused():
    held, made = network("feature_mlp"), mode("contrastive")
    assert "all labels are of one class" in made.obstacle(made.config, ground(held, labelled=1))
    assert "one class an item" in made.obstacle(made.config, ground(held, kind="numeric"))
    assert made.obstacle(made.config, ground(held, labelled=2)) == ""
