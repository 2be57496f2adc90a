import dataclasses

import pytest
import torch

from sslcore.models import BACKBONES, InputSpec
from sslcore.models.network import build_network
from sslcore.models.traits import TRAITS
from sslcore.training.looking import traits_of
from sslcore.training.recipe import BACKBONE_KINDS


def some_input(kind, spec):
    if kind == "image":
        return torch.randn(4, spec.channels, spec.size, spec.size)
    if kind == "feature":
        return torch.randn(4, spec.dim)
    return torch.randint(0, spec.dim, (4, spec.size))


@pytest.mark.parametrize("name", BACKBONES.names())
@pytest.mark.parametrize("channels", [1, 3])
def test_every_backbone_gives_features_of_its_width_and_float_logits(name, channels):
    kind = BACKBONES[name].family
    spec = InputSpec(kind, channels=channels, size=16, dim=20)
    network = build_network(name, spec, [3, 2]).train()
    given = some_input(kind, spec)
    assert network.features(given).shape == (4, network.backbone.width)
    with torch.autocast("cpu", torch.bfloat16):
        logits = network(given)
    assert [tuple(part.shape) for part in logits] == [(4, 3), (4, 2)]
    assert all(part.dtype == torch.float32 for part in logits)
    sum(part.square().sum() for part in logits).backward()
    learning = [(n, w) for n, w in network.named_parameters() if w.requires_grad]
    silent = [n for n, w in learning if w.grad is None or w.grad.abs().sum() == 0]
    assert silent == []


@pytest.mark.parametrize("name", BACKBONES.names())
def test_what_a_backbone_embeds_can_be_mixed_and_leads_to_the_same_features(name):
    kind = BACKBONES[name].family
    spec = InputSpec(kind, size=16, dim=20)
    backbone = build_network(name, spec, [3]).eval().backbone
    given = some_input(kind, spec)
    embedded = backbone.embed(given)
    assert embedded.is_floating_point()
    assert torch.equal(backbone.encode(embedded), backbone(given))
    assert backbone.encode((embedded + embedded.flip(0)) / 2).shape == (4, backbone.width)


def test_the_static_list_of_backbones_is_the_registry():
    assert {entry.name: entry.family for entry in BACKBONES} == BACKBONE_KINDS


@pytest.mark.parametrize("name", BACKBONES.names())
def test_what_is_declared_of_a_backbone_is_what_it_is(name):
    declared = TRAITS[name]
    backbone = BACKBONES[name].value(InputSpec(declared.reads, channels=3, size=32, dim=20, pretrained=False))
    assert traits_of(backbone) == dataclasses.replace(declared, package="")
    assert bool(declared.package) == declared.pretrained == backbone.pretrained
    assert not declared.missing


def test_published_sizes():
    spec = InputSpec("image", channels=3, size=32)
    millions = {
        name: sum(w.numel() for w in build_network(name, spec, [10]).parameters()) / 1e6
        for name in ("wrn_16_2", "wrn_28_2", "small_cnn")
    }
    assert millions["wrn_28_2"] == pytest.approx(1.47, abs=0.01)  # Zagoruyko & Komodakis, table 4; FixMatch
    assert millions["wrn_16_2"] == pytest.approx(0.69, abs=0.01)
    assert millions["small_cnn"] < 0.1


def test_words_left_out_do_not_count():
    network = build_network("text_embedding", InputSpec("text", size=4, dim=30), [2]).eval()
    short, holes = torch.tensor([[3, 7, 0, 0]]), torch.tensor([[0, 3, 0, 7]])
    torch.testing.assert_close(network(short)[0], network(holes)[0])
    assert torch.isfinite(network(torch.zeros(1, 4, dtype=torch.long))[0]).all()
