import math

import numpy as np
import pytest
import torch

from sslcore.errors import RecipeError
from sslcore.transfer.distil import distillation

from .bench import LABEL_N, mode, moment, network, source


def taught(net, soft_NC, **settings):
    made = mode("distil", **settings)
    made.meet(source(soft_NC=soft_NC))
    made.prepare(net)
    return made


def test_the_loss_item_by_item():
    rng = torch.Generator().manual_seed(0)
    logits_UC = torch.randn(4, 3, generator=rng)
    soft_UC = torch.randn(4, 3, generator=rng).softmax(1)
    T, by_hand = 2.5, 0.0
    for logits_C, soft_C in zip(logits_UC.tolist(), soft_UC.tolist(), strict=True):
        teacher = [p ** (1 / T) for p in soft_C]
        teacher = [p / sum(teacher) for p in teacher]
        student = [math.exp(z / T) for z in logits_C]
        student = [q / sum(student) for q in student]
        by_hand += T * T * sum(p * math.log(p / q) for p, q in zip(teacher, student, strict=True)) / 4
    assert float(distillation(logits_UC, soft_UC, T)) == pytest.approx(by_hand, rel=1e-5)


def test_a_student_that_agrees_has_nothing_to_learn():
    logits_UC = torch.randn(6, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    distillation(logits_UC, logits_UC.detach().softmax(1), 3.0).backward()
    assert float(logits_UC.grad.abs().max()) < 1e-6


def test_the_student_takes_over_the_teachers_answers():
    soft_NC = np.full((len(LABEL_N), 3), 0.05)
    soft_NC[np.arange(len(LABEL_N)), [0, 1, 2, 0, 1, 2, 0, 1]] = 0.9
    net = network("feature_mlp", warm=False)
    made = taught(net, soft_NC, batch=16)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for step in range(80):
        loss = made.loss(net, moment(step, step / 80))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:10])


def test_items_the_teacher_does_not_speak_of_are_never_drawn():
    soft_NC = np.full((len(LABEL_N), 3), np.nan)
    soft_NC[2], soft_NC[5] = [1, 0, 0], [0, 1, 0]
    made = taught(network("feature_mlp"), soft_NC)
    assert made._rows[0].tolist() == [2, 5]
    assert torch.isfinite(made.loss(network("feature_mlp"), moment()))


def test_no_teacher_is_refused():
    with pytest.raises(RecipeError, match="needs a teacher"):
        mode("distil").meet(source())
    with pytest.raises(RecipeError, match="says nothing"):
        mode("distil").meet(source(soft_NC=np.zeros((len(LABEL_N), 3))))
