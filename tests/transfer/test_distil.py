import dataclasses
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


class Listener:
    """A teacher that says, asked for the nth time, that all items are of class ``n % 3``."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return [np.eye(3)[np.full(len(LABEL_N), self.asked % 3)]]


def listening(rounds, soft_NC, teach):
    made = mode("distil", rounds=rounds, batch=16)
    made.meet(dataclasses.replace(source(soft_NC=soft_NC), teach=teach))
    made.prepare(network("feature_mlp"))
    return made


def test_the_teacher_is_asked_after_each_part_and_labels_join_in_the_last():
    teach = Listener()
    made = listening(4, np.eye(3)[np.zeros(len(LABEL_N), dtype=int)], teach)
    heard, alone = [], []
    for step in range(40):
        made.at(network("feature_mlp"), step / 40)
        heard.append(int(made.state["0.soft_NC"][0].argmax()))
        alone.append(made.alone(step / 40))
    assert teach.asked == 3
    assert heard == [0] * 10 + [1] * 10 + [2] * 10 + [0] * 10
    assert alone == [True] * 30 + [False] * 10


def test_what_it_says_anew_is_what_is_learned():
    made = listening(2, np.eye(3)[np.zeros(len(LABEL_N), dtype=int)], Listener())
    net = network("feature_mlp")
    before = made.loss(net, moment(3, 0.4))
    made.at(net, 0.5)
    torch.manual_seed(0)
    after = made.loss(net, moment(3, 0.4))
    assert not torch.isclose(before, after)
    again = taught(net, np.eye(3)[np.ones(len(LABEL_N), dtype=int)], batch=16)
    assert torch.isclose(after, again.loss(net, moment(3, 0.4)), atol=1e-3)


def test_a_teacher_that_has_no_time_is_not_asked_again_in_the_same_part():
    asked = []

    def busy():
        asked.append(True)
        return [None]

    made = listening(2, np.eye(3)[np.zeros(len(LABEL_N), dtype=int)], busy)
    for done in (0.5, 0.6, 0.99):
        made.at(network("feature_mlp"), done)
    assert asked == [True]
    assert int(made.state["0.soft_NC"][0].argmax()) == 0


def test_one_round_never_asks():
    made = listening(1, np.eye(3)[np.zeros(len(LABEL_N), dtype=int)], Listener())
    made.at(network("feature_mlp"), 0.9)
    assert made.state == {}
    assert not made.alone(0.0)
