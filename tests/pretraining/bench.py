"""Small networks, views and a moment: what the tests of warm starts share."""

import torch

from sslcore.methods.base import Moment
from sslcore.models import InputSpec
from sslcore.models.network import build_network
from sslcore.pretraining import WARM_STARTS

SPECS = {
    "image": ("small_cnn", InputSpec("image", channels=1, size=8)),
    "colour": ("small_cnn", InputSpec("image", channels=3, size=12)),
    "feature": ("feature_mlp", InputSpec("feature", dim=6)),
    "text": ("text_embedding", InputSpec("text", size=5, dim=40)),
}


def network(kind="image", seed=0):
    backbone, spec = SPECS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(backbone, spec, [2]).train()


def items(kind="image", count=8, seed=0):
    rng = torch.Generator().manual_seed(seed)
    spec = SPECS[kind][1]
    if kind == "text":
        word_BS = torch.randint(1, spec.dim, (count, spec.size), generator=rng)
        word_BS[:, -1] = 0
        return word_BS
    shape = (spec.dim,) if kind == "feature" else (spec.channels, spec.size, spec.size)
    return torch.randn(count, *shape, generator=rng)


def warm(name, net, kind="image", seed=0, **settings):
    entry = WARM_STARTS[name]
    made = entry.value(entry.config(**settings))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made.build(net.backbone, items(kind, 4))
    return made


def views(made, kind="image", count=8):
    """Each view another draw of noise on the same items; words stay as they are."""
    plain_B = items(kind, count)
    rng = torch.Generator().manual_seed(5)
    noisy = kind != "text"
    return {
        name: plain_B + 0.3 * torch.randn(plain_B.shape, generator=rng)
        if noisy and name != "plain"
        else plain_B
        for name in made.views
    }


def loss(made, net, kind="image", *, step=3, seed=0, given=None):
    at = Moment(step=step, done=0.3, teacher=network(kind, seed=9).eval())
    return made.loss(net.backbone, given or views(made, kind), at, torch.Generator().manual_seed(seed))
