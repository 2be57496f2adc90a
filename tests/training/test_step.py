"""Gradients in float16, compiled networks, and what is said of a bad batch."""

import numpy as np
import pytest
import torch

from sslcore.models import InputSpec, TaskShape
from sslcore.models.feature_mlp import FeatureMLP
from sslcore.models.network import build_network
from sslcore.multitask import BALANCINGS
from sslcore.training.checkpoint import read_checkpoint
from sslcore.training.compiling import compile_backbone
from sslcore.training.run import CHECKPOINT, train
from sslcore.training.step import Descent
from tests.training.toys import Remember, blobs, digits, recipe

SHAPES = [TaskShape("a", 3), TaskShape("b", 2, weight=0.5)]


def one_step(name, *, scale, seed=0):
    """Weights after one step on two tasks, with gradients made larger by ``scale``; 0: as they are."""
    torch.manual_seed(seed)
    network = build_network("feature_mlp", InputSpec("feature", dim=5), SHAPES)
    entry = BALANCINGS[name]
    balancing = entry.value(entry.config(), SHAPES)
    optimiser = torch.optim.SGD([*network.parameters(), *balancing.own.parameters()], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", enabled=scale > 0, init_scale=scale or 1.0)
    descent = Descent(optimiser, balancing, network, clip=1.0, scaler=scaler)
    for _ in range(2):
        logits = network(torch.randn(8, 5))
        losses = [torch.nn.functional.cross_entropy(out, torch.arange(8) % out.shape[1]) for out in logits]
        total = descent.down(losses, 0.1 * sum(w.square().sum() for w in network.heads.parameters()))
    return total, [*network.parameters(), *balancing.own.parameters()]


@pytest.mark.parametrize("name", [n for n in BALANCINGS.names() if n != "random_weights"])
def test_scaled_gradients_move_all_weights_as_plain_ones(name):
    plain_total, plain = one_step(name, scale=0)
    total, scaled = one_step(name, scale=2.0**12)
    torch.testing.assert_close(total, plain_total)
    for left, right in zip(plain, scaled, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-2, atol=1e-3)  # Nash-MTL iterates


def test_a_step_too_large_for_float16_is_left_out():
    torch.manual_seed(0)
    network = build_network("feature_mlp", InputSpec("feature", dim=5), SHAPES)
    balancing = BALANCINGS["fixed"].value(BALANCINGS["fixed"].config(), SHAPES)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    descent = Descent(
        torch.optim.SGD(network.parameters(), lr=0.1), balancing, network, clip=5.0, scaler=scaler
    )
    before = [weight.detach().clone() for weight in network.parameters()]
    loss = 1e38 * network(torch.randn(8, 5))[0].square().sum()
    descent.down([loss, loss], torch.zeros(()))
    assert all(torch.equal(old, new) for old, new in zip(before, network.parameters(), strict=True))
    assert scaler.get_scale() == 2.0**19
    assert descent.finite()


def test_a_run_in_float16_learns_and_keeps_its_scale(tmp_path):
    data = digits(per_class=8)
    out = train(
        recipe("supervised", steps=60, precision="float16", learning_rate=0.1),
        data,
        Remember(),
        folder=tmp_path,
    )
    assert (out.proba["label"].argmax(1) == data.key_N["label"]).mean() > 0.5
    assert read_checkpoint(tmp_path / CHECKPOINT)[1]["scaler"]["scale"] > 0


def test_a_network_that_cannot_be_compiled_runs_uncompiled_and_says_why(monkeypatch, tmp_path):
    def compile(self, *given, **named):
        raise OSError("no compiler on this machine\nand more")

    monkeypatch.setattr(FeatureMLP, "compile", compile)
    plain = train(recipe(steps=4), blobs(), Remember(), folder=tmp_path / "plain")
    out = train(recipe(steps=4, compile=True), blobs(), Remember(), folder=tmp_path / "compiled")
    assert "no compiler on this machine" in " ".join(out.metrics["notes"])
    assert np.array_equal(plain.proba["label"], out.proba["label"])


@pytest.mark.slow
def test_a_compiled_network_gives_what_the_plain_one_gives():
    torch.manual_seed(0)
    network = build_network("small_cnn", InputSpec("image", channels=1, size=8), [3]).train()
    view_B = torch.randn(4, 1, 8, 8)
    statistics = {name: held.clone() for name, held in network.named_buffers()}
    assert compile_backbone(network, view_B, torch.float32) == ""
    assert all(torch.equal(held, statistics[name]) for name, held in network.named_buffers())
    plain = network.backbone.encode(network.backbone.embed(view_B))
    torch.testing.assert_close(network.features(view_B), plain, rtol=1e-3, atol=1e-4)
