import copy

import pytest
import torch

from sslcore.transfer.lora import targets

from .bench import backbone_of, images, mode, network, obstacle, step


def prepared(backbone="wrn_16_2", **settings):
    made, net = mode("lora", rank=2, **settings), network(backbone)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made.prepare(net)
    return made, net


def test_at_the_start_the_network_says_what_it_said():
    plain = network().eval()
    _, net = prepared()
    with torch.no_grad():
        assert torch.equal(plain(images())[0], net.eval()(images())[0])


def test_merged_is_a_plain_network_with_the_same_outputs():
    made, net = prepared()
    plain = network()
    for _ in range(3):
        step(made, net, images(), torch.tensor([0, 1, 2, 0]), rate=1.0)
    net.eval()
    with torch.no_grad():
        before_BC = net(images())[0]
        made.finish(net)
        after_BC = net(images())[0]
    assert torch.allclose(before_BC, after_BC, atol=1e-5)
    assert list(net.state_dict()) == list(plain.state_dict())
    moved = net.backbone.state_dict()
    changed = {name for name, was in backbone_of(plain).items() if not torch.equal(was, moved[name])}
    assert {f"{name}.weight" for name in targets(plain.backbone)} <= changed


def test_a_step_is_the_low_rank_product_by_hand():
    made, net = prepared("feature_mlp", alpha=4.0)
    name = "into"
    layer = net.backbone.get_submodule(name)
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_(generator=torch.Generator().manual_seed(2))
    base, down, up = (
        layer.get_base_layer().weight.detach().clone(),
        layer.lora_A["default"].weight.detach(),
        layer.lora_B["default"].weight.detach(),
    )
    by_hand = torch.zeros_like(base)
    for row in range(base.shape[0]):
        for column in range(base.shape[1]):
            step_size = sum(up[row, rank] * down[rank, column] for rank in range(2))
            by_hand[row, column] = base[row, column] + 4.0 / 2 * step_size
    made.finish(net)
    assert torch.allclose(net.backbone.get_submodule(name).weight, by_hand, atol=1e-5)


def test_only_steps_and_heads_learn():
    _, net = prepared()
    open_ = [name for name, weight in net.named_parameters() if weight.requires_grad]
    assert open_
    assert all("lora_" in name or name.startswith("heads.") for name in open_)


def test_parts_from_the_output_alone():
    net = network()
    few, all_ = targets(net.backbone, parts=2), targets(net.backbone)
    assert set(few) < set(all_)


def test_the_averaged_copy_is_merged_too():
    made, net = prepared()
    twin = copy.deepcopy(net)
    made.finish(twin)
    assert "base_layer" not in "".join(twin.state_dict())
    assert "base_layer" in "".join(net.state_dict())


@pytest.mark.parametrize(
    ("net", "reason"),
    [
        (network(warm=False), "starts from random weights"),
        (network("feature_mlp", warm=False), "starts from random weights"),
        (network("small_cnn"), "linear layers and 1x1 convolutions, and SmallCNN has none. Choose"),
    ],
)
def test_nonsense_is_refused(net, reason):
    assert reason in obstacle("lora", net)


def test_parts_without_a_layer_are_refused_and_all_are_offered():
    net = network()  # the last part of a wide residual network is a mean
    assert obstacle("lora", net, parts=2) == ""
    assert "none among its last 1 parts" in obstacle("lora", net, parts=1)
