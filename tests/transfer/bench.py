"""Networks that know something, a set to draw from, and a moment: what the tests of transfer modes share."""

import numpy as np
import torch

from sslcore.methods.base import Moment
from sslcore.models import InputSpec, TaskShape
from sslcore.models.ground import Ground
from sslcore.models.network import build_network
from sslcore.training.looking import traits_of
from sslcore.transfer import TRANSFERS
from sslcore.transfer.base import Source

LABEL_N = np.array([0, 0, 1, 1, 2, -1, -1, -1])


def network(backbone="wrn_16_2", *, warm=True, seed=0):
    spec = InputSpec("feature", dim=5) if backbone == "feature_mlp" else InputSpec("image", size=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = build_network(backbone, spec, [3])
    made.warm = warm
    return made.train()


def ground(net, labelled=3, kind="single"):
    """What a recipe with this network stands on."""
    backbone = net.backbone
    name = type(backbone).__name__
    return Ground(name, traits_of(backbone), (TaskShape("label", 3, kind),), (labelled,), warm=net.warm)


def obstacle(name, net, **settings):
    """Why the mode cannot work with this network."""
    entry = TRANSFERS[name]
    return entry.value.obstacle(entry.config(**settings), ground(net))


def mode(name, **settings):
    entry = TRANSFERS[name]
    return entry.value(entry.config(**settings))


def source(label_N=LABEL_N, soft_NC=None, seed=0):
    """Eight items of five numbers; their weak view is a little noise."""
    item_NX = torch.randn(len(label_N), 5, generator=torch.Generator().manual_seed(3))

    def view(name, row_B, dice):
        noise_BX = torch.randn(len(row_B), 5, generator=dice.rng)
        return item_NX[torch.from_numpy(row_B)] + 0.1 * noise_BX

    free_row_U = np.arange(len(label_N))
    return Source(np.asarray(label_N)[None], free_row_U, [soft_NC], view, seed, ["label"])


def moment(step=0, done=0.0):
    return Moment(step=step, done=done, teacher=network("feature_mlp"))


def images(count=4):
    return torch.randn(count, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def step(made, net, view_B, label_B, rate=0.1):
    """One SGD step on the labels, as the loop does it."""
    held = [group for group in made.groups(net, rate, 0.0) if group["params"]]
    optimiser = torch.optim.SGD(held, lr=rate)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
    torch.nn.functional.cross_entropy(net(view_B)[0], label_B).backward()
    optimiser.step()


def backbone_of(net):
    return {name: weight.detach().clone() for name, weight in net.backbone.state_dict().items()}
