import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sslcore.errors import RecipeError
from sslcore.models import BACKBONES, InputSpec
from sslcore.models.image_trunk import MOST_PARTS, cut
from sslcore.models.network import build_network


class Straight(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(9)))
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, image):
        return self.pool(self.blocks(image)).flatten(1)


class Skipping(Straight):
    def forward(self, image):
        return self.pool(self.blocks(image) + image).flatten(1)


def test_a_chain_is_cut_and_what_is_no_chain_stays_whole():
    pieces, width = cut(Straight(), 16, "straight")
    image = torch.rand(2, 3, 16, 16)
    assert (len(pieces), width) == (MOST_PARTS, 3)
    held = [sum(isinstance(m, nn.Conv2d) for m in piece.modules()) for piece in pieces]
    assert sum(held) == 9
    assert max(held) <= 2
    model = Skipping()
    pieces, _ = cut(model, 16, "skipping")
    assert pieces == [model]
    assert torch.equal(pieces[0](image), model(image))


def test_what_gives_no_vector_or_does_not_read_the_size_is_refused():
    with pytest.raises(RecipeError, match="gives no vector"):
        cut(nn.Conv2d(3, 4, 3), 16, "map")
    with pytest.raises(RecipeError, match="does not read images of 4 x 4"):
        cut(nn.Sequential(nn.Conv2d(3, 4, 7), nn.Flatten()), 4, "small")


@pytest.mark.parametrize("name", ["efficientnet_lite0", "timm:resnet18?pretrained=false"])
def test_grey_images_are_read_as_colour_ones_of_three_equal_channels(name):
    backbone = build_network(name, InputSpec("image", channels=1, size=64), [2]).eval().backbone
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(grey), backbone(grey.repeat(1, 3, 1, 1)))


def test_norms_of_a_pretrained_network_stay_put_and_others_learn():
    for name, still in (("efficientnet_lite0", True), ("timm:resnet18?pretrained=false", False)):
        network = build_network(name, InputSpec("image", channels=3, size=64), [2]).train()
        norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
        before = [norm.running_mean.clone() for norm in norms]
        network(torch.randn(4, 3, 64, 64) + 2)[0].sum().backward()
        same = all(torch.equal(norm.running_mean, was) for norm, was in zip(norms, before, strict=True))
        assert same == still == network.backbone.pretrained
        assert all(norm.weight.grad is not None for norm in norms), "gains still learn"
        assert network.training


def test_the_pieces_are_the_network():
    for entry in BACKBONES:
        if entry.family != "image":
            continue
        backbone = entry.value(InputSpec("image", channels=3, size=32)).eval()
        image = torch.randn(2, 3, 32, 32)
        out = backbone.embed(image)
        with torch.no_grad():
            for part in backbone.parts():
                out = part(out)
            torch.testing.assert_close(out, backbone(image))
        inside = {id(w) for part in backbone.parts() for w in part.parameters()}
        assert inside == {id(w) for w in backbone.parameters()}, "every weight lies in a part"
