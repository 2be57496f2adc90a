"""A network without batch norm, a batch, and a method made by name: what the tests of methods share."""

import torch

from sslcore.methods import METHODS
from sslcore.methods.base import Batch, Moment
from sslcore.models import InputSpec, TaskShape
from sslcore.models.network import build_network

CLASSES = 3
ITEMS = 50


def network(seed=0, classes=(CLASSES,)):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = build_network("feature_mlp", InputSpec("feature", dim=5), list(classes))
        for head in made.heads:  # answers that differ, some of them sure
            torch.nn.init.normal_(head.weight, std=1.0)
    return made.train()


def method(name, **settings):
    entry = METHODS[name]
    made = entry.value(entry.config(**settings), [TaskShape("label", CLASSES)], ITEMS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        made.build(network())
    return made


def batch(names, seed=0, labelled=4, unlabelled=12):
    rng = torch.Generator().manual_seed(seed)
    labelled_B = torch.randn(labelled, 5, generator=rng)
    label_TB = torch.randint(0, CLASSES, (1, labelled), generator=rng)
    item_U = torch.randn(unlabelled, 5, generator=rng) * 2
    views = {name: item_U + 0.3 * torch.randn(unlabelled, 5, generator=rng) for name in names}
    row_U = torch.randperm(ITEMS, generator=rng)[:unlabelled]
    return Batch(labelled_B, label_TB, views, row_U)


def moment(step=10, done=0.5, seed=1):
    return Moment(step=step, done=done, teacher=network(seed).eval())


def loss(made, net=None, at=None, given=None):
    net = net or network()
    given = given or batch(made.views)
    return made.loss(net, given, at or moment(), torch.Generator().manual_seed(0))
