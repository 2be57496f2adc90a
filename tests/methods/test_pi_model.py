from tests.methods import bench


def test_the_papers_formula_one_item_at_a_time():
    net = bench.network()
    given = bench.batch(["weak", "weak_2"])
    _, told = bench.loss(bench.method("pi_model"), net, at=bench.moment(done=0.9), given=given)
    total = 0.0
    for first_D, second_D in zip(given.views["weak"], given.views["weak_2"], strict=True):
        first_C, second_C = (net(view_D[None])[0][0].softmax(0) for view_D in (first_D, second_D))
        total += (first_C - second_C).square().mean().item()
    assert abs(told.loss_unlabelled.item() - total / 12) < 1e-6


def test_the_gradient_goes_through_both_views():
    net, given = bench.network(), bench.batch(["weak", "weak_2"])
    for view in given.views.values():
        view.requires_grad_()
    bench.loss(bench.method("pi_model"), net, given=given)[0].backward()
    assert all(view.grad.abs().sum() > 0 for view in given.views.values())


def test_equal_views_have_nothing_to_say():
    given = bench.batch(["weak", "weak_2"])
    given.views["weak_2"].copy_(given.views["weak"])
    _, told = bench.loss(bench.method("pi_model"), given=given)
    assert told.loss_unlabelled == 0
