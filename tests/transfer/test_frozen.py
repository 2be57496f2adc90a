import torch

from .bench import backbone_of, images, mode, network, obstacle, step


def test_only_the_heads_move_and_batch_norms_stand_still():
    made, net = mode("frozen"), network()
    made.prepare(net)
    before, head = backbone_of(net), net.heads[0].weight.detach().clone()
    step(made, net, images(), torch.tensor([0, 1, 2, 0]))
    assert all(torch.equal(before[name], now) for name, now in net.backbone.state_dict().items())
    assert not torch.equal(head, net.heads[0].weight)


def test_a_random_backbone_is_refused_with_the_reason():
    assert "starts from random weights" in obstacle("frozen", network(warm=False))
    assert obstacle("frozen", network()) == ""


def test_frozen_features_are_knowledge_enough():
    net = network("feature_mlp", warm=False)
    mode("frozen").prepare(net)
    assert not any(weight.requires_grad for weight in net.backbone.parameters())
