"""PCGrad by hand."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from sslcore.multitask.balancing.pcgrad import project_conflicts
from tests.multitask import bench


def by_hand(first_D, second_D):
    """The paper's algorithm for two tasks."""
    out = []
    for own_D, other_D in ((first_D, second_D), (second_D, first_D)):
        if own_D @ other_D < 0:
            own_D = own_D - (own_D @ other_D) / (other_D @ other_D) * other_D
        out.append(own_D)
    return out


@given(seed=st.integers(0, 10_000))
def test_two_tasks_by_hand_leave_no_conflict(seed):
    gradient_TD = torch.randn(2, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weight_T = project_conflicts(gradient_TD @ gradient_TD.T)
    step_D = weight_T @ gradient_TD
    torch.testing.assert_close(step_D, sum(by_hand(*gradient_TD)))
    assert (gradient_TD @ step_D > -1e-9).all()


def test_without_a_conflict_it_is_the_plain_sum():
    assert project_conflicts(torch.tensor([[2.0, 1.0], [1.0, 3.0]])).tolist() == [1.0, 1.0]


def test_a_step_projects_the_shared_weights_and_leaves_the_heads():
    net, plain = bench.network(), bench.network()
    held = bench.balancing("pcgrad")
    first, second = bench.losses(net)
    held.backward([first, second - 1.2 * first], bench.nothing(), net)  # the second undoes the first
    parts = []
    for loss in (lambda a, b: a, lambda a, b: b - 1.2 * a):
        plain.zero_grad(set_to_none=True)
        loss(*bench.losses(plain)).backward()
        parts.append(bench.gradients(plain))
    shared = [key for key in parts[0] if key.startswith("backbone.")]
    flat = [torch.cat([part[key].flatten() for key in shared]) for part in parts]
    assert flat[0] @ flat[1] < 0
    found = bench.gradients(net)
    torch.testing.assert_close(torch.cat([found[key].flatten() for key in shared]), sum(by_hand(*flat)))
    head = "heads.1.weight"
    torch.testing.assert_close(found[head], parts[1][head])
