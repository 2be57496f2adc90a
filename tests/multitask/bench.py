"""Two tasks on a tiny network, for the tests of sharings and balancings."""

import torch
import torch.nn.functional as F

from sslcore.config import parse
from sslcore.models import InputSpec, TaskShape
from sslcore.models.ground import Ground
from sslcore.models.network import build_network
from sslcore.models.traits import TRAITS
from sslcore.multitask import BALANCINGS, SHARINGS

TASKS = [TaskShape("coarse", 2), TaskShape("fine", 4)]


def balancing(name, tasks=TASKS, **settings):
    entry = BALANCINGS[name]
    return entry.value(parse(entry.config, settings), tasks)


def obstacle(name, tasks=TASKS, *, backbone="feature_mlp", **settings):
    """Why these tasks cannot share a network so."""
    entry = SHARINGS[name]
    ground = Ground(backbone, TRAITS[backbone], tuple(tasks))
    return entry.value.obstacle(parse(entry.config, settings), ground)


def sharing(name, **settings):
    entry = SHARINGS[name]
    return entry.value(parse(entry.config, settings))


def network(tasks=TASKS, *, seed=0, backbone="feature_mlp", spec=None, share=None):
    torch.manual_seed(seed)
    spec = spec or InputSpec("feature", dim=6)
    return build_network(backbone, spec, tasks, trunk=None if share is None else share.trunk)


def losses(net, tasks=TASKS, *, seed=0, scale=None):
    """A loss for each task on one random batch."""
    rng = torch.Generator().manual_seed(seed)
    item_BD = torch.randn(16, 6, generator=rng)
    label_TB = [torch.randint(task.classes, (16,), generator=rng) for task in tasks]
    found = [F.cross_entropy(logits, label) for logits, label in zip(net(item_BD), label_TB, strict=True)]
    return [loss * factor for loss, factor in zip(found, scale or [1.0] * len(tasks), strict=True)]


def gradients(net):
    return {name: weight.grad.clone() for name, weight in net.named_parameters() if weight.grad is not None}


def nothing():
    return torch.zeros(())


def run(held, loss_ST):
    """Weights after each of a row of losses."""
    net = network()
    weights = []
    for loss_T in loss_ST:
        anchor = net.heads[0].bias.sum() * 0
        held.backward([anchor + value for value in loss_T], nothing(), net)
        weights.append(held.weights().clone())
    return weights
