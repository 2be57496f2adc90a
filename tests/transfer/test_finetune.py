from .bench import mode, network


def test_random_networks_learn_at_one_rate():
    net = network(warm=False)
    groups = mode("finetune").groups(net, 0.1, 0.01)
    assert {group["scale"] for group in groups} == {1.0}
    assert sum(len(group["params"]) for group in groups) == len(list(net.parameters()))


def test_rates_of_a_pretrained_one_fall_part_by_part(monkeypatch):
    net = network()
    monkeypatch.setattr(type(net.backbone), "pretrained", True)
    groups = mode("finetune", fall=0.5).groups(net, 0.1, 0.01)
    rate = {id(weight): group["scale"] for group in groups for weight in group["params"]}
    assert len(rate) == len(list(net.parameters()))
    for depth, part in enumerate(reversed(net.backbone.parts())):
        assert {rate[id(weight)] for weight in part.parameters()} <= {0.5**depth}
    assert {rate[id(weight)] for weight in net.heads.parameters()} == {1.0}
