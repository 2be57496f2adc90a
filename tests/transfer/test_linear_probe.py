import torch

from .bench import backbone_of, images, mode, network, obstacle, step


def test_the_backbone_opens_after_its_share_and_not_before():
    made, net = mode("linear_probe", share=0.5), network()
    made.prepare(net)
    label_B = torch.tensor([0, 1, 2, 0])
    made.at(net, 0.49)
    before = backbone_of(net)
    step(made, net, images(), label_B)
    assert all(torch.equal(before[name], now) for name, now in net.backbone.state_dict().items())
    made.at(net, 0.5)
    step(made, net, images(), label_B)
    moved = [
        name for name, weight in net.backbone.named_parameters() if not torch.equal(before[name], weight)
    ]
    assert moved == [name for name, _ in net.backbone.named_parameters()]


def test_rates_fall_part_by_part_below_the_heads():
    made, net = mode("linear_probe", scale=0.3, fall=0.5), network()
    made.prepare(net)
    scales = [group["scale"] for group in made.groups(net, 0.1, 0.0)]
    assert scales[0] == 1.0
    assert max(scales[2:]) <= 0.3
    assert scales[2:] == sorted(scales[2:], reverse=True)


def test_what_was_closed_before_stays_closed():
    made, net = mode("linear_probe"), network()
    first = next(net.backbone.parameters())
    first.requires_grad_(False)
    made.prepare(net)
    made.at(net, 1.0)
    assert not first.requires_grad


def test_a_random_backbone_is_refused():
    assert "A linear probe keeps" in obstacle("linear_probe", network(warm=False))
    assert obstacle("linear_probe", network()) == ""
