"""Networks of timm and torchvision by name; weights are never downloaded here."""

import socket

import pytest
import torch

from sslcore.errors import ConfigError, RecipeError, SourceUnavailableError, UnknownNameError
from sslcore.models import BACKBONES, InputSpec
from sslcore.models.names import parse_name
from sslcore.training.recipe import Recipe, TrainConfig, backbone_kind

SPEC = InputSpec("image", channels=3, size=64)


@pytest.mark.parametrize(
    ("name", "width", "cuts"),
    [
        ("timm:resnet18?pretrained=false", 512, True),
        ("timm:vit_tiny_patch16_224?pretrained=false", 192, False),
        ("torchvision:resnet18?pretrained=false", 512, True),
        ("torchvision:mobilenet_v3_small?pretrained=false", 1024, False),
    ],
)
def test_networks_by_name(name, width, cuts):
    assert name in BACKBONES
    backbone = BACKBONES[name].value(SPEC).eval()
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        out = backbone(image)
        through = image
        for part in backbone.parts():
            through = part(through)
    assert out.shape == (2, width)
    assert backbone.width == width
    torch.testing.assert_close(through, out)
    assert (len(backbone.parts()) > 1) == cuts
    assert not backbone.pretrained
    assert backbone.normalisation is None


def test_weights_bring_their_normalisation():
    for name in ("timm:resnet18", "torchvision:resnet18"):
        value = BACKBONES[name].value
        assert value.pretrained
        assert value.normalisation[0] == pytest.approx((0.485, 0.456, 0.406))
        bare = value(InputSpec("image", channels=3, size=64, pretrained=False))
        assert bare.pretrained, "the same network, about to be filled from a bundle"


def test_without_a_connection_the_error_names_what_works(monkeypatch, tmp_path):
    def nothing(*args, **kwargs):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    for name in ("timm:mobilenetv3_small_050", "torchvision:squeezenet1_1"):
        with pytest.raises(SourceUnavailableError, match=r"efficientnet_lite0.*\?pretrained=false"):
            BACKBONES[name].value(SPEC)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:resnet19", "Did you mean"),
        ("torchvision:resnet19", "Did you mean"),
        ("timm:resnet18?weights=no", "is named LIBRARY:MODEL"),
        ("keras:resnet18", "is named LIBRARY:MODEL"),
        ("timm:../../etc", "is named LIBRARY:MODEL"),
    ],
)
def test_names_that_mean_nothing(name, words):
    with pytest.raises(UnknownNameError, match=words):
        BACKBONES[name]


def test_what_ends_in_no_linear_layer_is_refused():
    with pytest.raises(RecipeError, match="ends in no linear layer"):
        BACKBONES["torchvision:squeezenet1_0?pretrained=false"].value(SPEC)


def test_a_recipe_takes_such_names_and_no_others():
    name = "timm:resnet18?pretrained=false"
    recipe = Recipe.parse({"method": "fixmatch", "train_config": {"backbone": name}})
    assert Recipe.parse(recipe.as_dict()) == recipe
    assert (backbone_kind(name), parse_name(name).pretrained) == ("image", False)
    with pytest.raises(ConfigError, match="must be one of"):
        TrainConfig(backbone="keras:resnet18")
