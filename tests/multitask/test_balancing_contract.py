"""What every balancing must do, read off the registry."""

import pytest
import torch

from sslcore.models import TaskShape
from sslcore.multitask import BALANCINGS
from sslcore.training.step import _Larger
from tests.multitask import bench

NAMES = BALANCINGS.names()


def stepped(held, net, seed, *, rate=0.1):
    """One step of plain descent; the draws of a step follow from the step, as in the loop."""
    torch.manual_seed(seed)
    net.zero_grad(set_to_none=True)
    held.own.zero_grad(set_to_none=True)
    held.backward(bench.losses(net, seed=seed), bench.nothing(), net)
    with torch.no_grad():
        for weight in [*net.parameters(), *held.own.parameters()]:
            weight -= rate * weight.grad


@pytest.mark.parametrize("name", NAMES)
def test_one_task_is_a_single_task(name):
    task = [TaskShape("only", 3)]
    net, plain = bench.network(task), bench.network(task)
    held = bench.balancing(name, task)
    for seed in range(3):
        net.zero_grad(set_to_none=True)
        plain.zero_grad(set_to_none=True)
        total = held.backward(bench.losses(net, task, seed=seed), bench.nothing(), net)
        (loss,) = bench.losses(plain, task, seed=seed)
        loss.backward()
        assert torch.equal(total, loss.detach())
        for key, gradient in bench.gradients(plain).items():
            assert torch.equal(bench.gradients(net)[key], gradient), key


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_gets_a_finite_gradient_and_what_stands_beside_gets_its_own(name):
    net, held = bench.network(), bench.balancing(name)
    extra = torch.nn.Parameter(torch.ones(2))
    beside = 3 * extra.sum() + net.backbone.gain.sum()
    total = held.backward(bench.losses(net), beside, net)
    assert total.ndim == 0
    assert torch.isfinite(total)
    assert not total.requires_grad
    for key, weight in [*net.named_parameters(), *held.own.named_parameters()]:
        assert weight.grad is not None, key
        assert torch.isfinite(weight.grad).all()
        assert weight.grad.abs().sum() > 0, key
    assert extra.grad.tolist() == [3.0, 3.0]
    without = bench.network()
    torch.manual_seed(0)
    again = bench.balancing(name)
    again.backward(bench.losses(without), bench.nothing(), without)
    if name != "random_weights":
        torch.testing.assert_close(net.backbone.gain.grad, without.backbone.gain.grad + 1)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_without_a_loss_in_this_batch_breaks_nothing(name):
    net, held = bench.network(), bench.balancing(name)
    for seed in range(3):
        net.zero_grad(set_to_none=True)
        first, second = bench.losses(net, seed=seed)
        held.backward([first, second * 0 if seed else second], bench.nothing(), net)
        for key, gradient in bench.gradients(net).items():
            assert torch.isfinite(gradient).all(), key


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_from_its_state_to_the_same_weights(name):
    settings = {"period": 2} if name == "dwa" else {}
    whole, net = bench.balancing(name, **settings), bench.network()
    for seed in range(8):
        stepped(whole, net, seed)

    cut, again = bench.balancing(name, **settings), bench.network()
    for seed in range(5):
        stepped(cut, again, seed)
    resumed = bench.balancing(name, **settings)
    assert set(resumed.state) == set(cut.state)
    resumed.state.update({key: tensor.clone() for key, tensor in cut.state.items()})
    resumed.own.load_state_dict(cut.own.state_dict())
    for seed in range(5, 8):
        stepped(resumed, again, seed)
    for key, weight in net.state_dict().items():
        assert torch.equal(weight, again.state_dict()[key]), key


@pytest.mark.parametrize("name", NAMES)
def test_the_users_weights_count(name):
    tasks = [TaskShape("coarse", 2, weight=0.0), bench.TASKS[1]]
    net, held = bench.network(tasks), bench.balancing(name, tasks)
    for seed in range(2):
        net.zero_grad(set_to_none=True)
        held.backward(bench.losses(net, seed=seed), bench.nothing(), net)
    assert net.heads[0].weight.grad.abs().sum() == 0
    assert net.heads[1].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("name", NAMES)
def test_no_rule_cancels_the_users_weights(name):
    """Some bring all losses to one scale, and a weight is a scale."""
    pulls = []
    for weight in (1.0, 9.0):
        tasks = [TaskShape("coarse", 2, weight=weight), bench.TASKS[1]]
        net, held = bench.network(tasks), bench.balancing(name, tasks)
        steps = torch.optim.SGD(held.own.parameters(), lr=0.2) if [*held.own.parameters()] else None
        for seed in range(100):
            net.zero_grad(set_to_none=True)
            held.own.zero_grad(set_to_none=True)
            torch.manual_seed(seed)
            held.backward(bench.losses(net), bench.nothing(), net)
            if steps is not None:
                steps.step()
        pulls.append(_pull(net, held, tasks))
    assert pulls[1] > 2 * pulls[0], "beside the other task's, in the shared weights"


def _pull(net, held, tasks):
    """How much of the first task's gradient is in that of the shared weights, over the second's."""
    shared = [*net.backbone.parameters()]
    columns = []
    for loss in bench.losses(net, tasks):
        parts = torch.autograd.grad(loss, shared, retain_graph=True)
        columns.append(torch.cat([part.flatten() for part in parts]))
    whole = torch.cat([weight.grad.flatten() for weight in shared])
    first, second = torch.linalg.lstsq(torch.stack(columns, 1), whole[:, None]).solution.flatten()
    return float(first / second)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"random_weights", "pcgrad"}))
def test_larger_gradients_on_their_way_back_change_no_weight(name):
    """In float16 they are multiplied by the scaler's factor, which a rule must not take for their length."""
    found = []
    for factor in (None, torch.tensor(4096.0)):
        net, held = bench.network(), bench.balancing(name)
        held.larger = factor
        loss_T = bench.losses(net)
        if factor is not None:
            loss_T = [_Larger.apply(loss, factor) for loss in loss_T]
        held.backward(loss_T, bench.nothing(), net)
        found.append(torch.cat([weight.grad.flatten() for weight in net.backbone.parameters()]))
    torch.testing.assert_close(found[1], 4096 * found[0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"fixed"}))
def test_it_says_how_the_tasks_weigh(name):
    net, held = bench.network(), bench.balancing(name)
    held.backward(bench.losses(net), bench.nothing(), net)
    weight_T = held.weights()
    assert weight_T.shape == (2,)
    assert not weight_T.requires_grad
    assert (weight_T >= 0).all()


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"random_weights", "nash_mtl", "cagrad", "pcgrad"}))
def test_equal_tasks_weigh_alike(name):
    net, held = bench.network(), bench.balancing(name)
    for seed in range(3):
        net.zero_grad(set_to_none=True)
        loss, _ = bench.losses(net, seed=seed)
        held.backward([loss, loss.clone()], bench.nothing(), net)
    weight_T = held.weights()
    if weight_T is not None:
        torch.testing.assert_close(weight_T[0], weight_T[1])


def test_importing_them_does_not_load_torch():
    import subprocess
    import sys

    code = (
        "import sys\nfrom sslcore.multitask import BALANCINGS, SHARINGS\n"
        "assert BALANCINGS.names() and SHARINGS.names()\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
