"""Fixed weights: the plain sum."""

from sslcore.models import TaskShape
from tests.multitask import bench


def test_it_is_the_sum_with_the_users_weights():
    tasks = [TaskShape("coarse", 2, weight=3.0), TaskShape("fine", 4)]
    net = bench.network(tasks)
    first, second = bench.losses(net, tasks)
    total = bench.balancing("fixed", tasks).backward([first, second], bench.nothing() + 0.5, net)
    assert total.item() == (0.5 + 3 * first + second).item()
    assert not total.requires_grad
