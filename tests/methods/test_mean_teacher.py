import math

from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net, at = bench.network(), bench.moment(done=0.2)
    given = bench.batch(["weak", "strong"])
    loss, told = bench.loss(bench.method("mean_teacher"), net, at=at, given=given)
    total = 0.0
    for weak_D, strong_D in zip(given.views["weak"], given.views["strong"], strict=True):
        student_C = net(strong_D[None])[0][0].softmax(0)
        teacher_C = at.teacher(weak_D[None])[0][0].softmax(0)
        total += (student_C - teacher_C).square().mean().item()
    ramp = math.exp(-5 * (1 - 0.2 / 0.4) ** 2)
    assert abs(told.loss_unlabelled.item() - ramp * total / 12) < 1e-6
    assert abs(loss.item() - (told.loss_labelled.item() + 50 * ramp * total / 12)) < 1e-4


def test_a_student_that_is_its_teacher_and_sees_the_same_has_nothing_to_learn():
    net, at = bench.network(seed=1), bench.moment(seed=1)
    given = bench.batch(["weak", "strong"])
    given.views["strong"].copy_(given.views["weak"])
    _, told = bench.loss(bench.method("mean_teacher"), net, at=at, given=given)
    assert told.loss_unlabelled < 1e-12


def test_the_teacher_gets_no_gradient():
    net, at = bench.network(), bench.moment()
    bench.loss(bench.method("mean_teacher"), net, at=at)[0].backward()
    assert all(weight.grad is None for weight in at.teacher.parameters())
